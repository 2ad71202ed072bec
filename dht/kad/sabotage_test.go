//go:build sabotage

package kad

import "math"

// Without caps the tests of the defences must fail.
func init() {
	caps = limits{math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt}
}
