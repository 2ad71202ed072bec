//go:build race

package kad_test

import "runtime"

// With the race detector all timers of a bubble of synctest fire in one context of
// ThreadSanitizer, on whichever processor asks for them, which two must not use at a
// time: it crashes (golang.org/issue/78156). What happens before what is found out
// on one processor, too.
func init() { runtime.GOMAXPROCS(1) }
