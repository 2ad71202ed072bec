package kad_test

import (
	"runtime"
	"testing"
	"testing/synctest"
)

// processors run a bubble; 0 is as many as ever.
var processors int

// bubble plays f in virtual time. It must not be called by tests that run in
// parallel.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
	synctest.Test(t, f)
}
