//go:build !race

package model

import "testing"

// TestLargeFirstCrowd: 200 at once share one copy as eight do. With the race
// detector it would take minutes.
func TestLargeFirstCrowd(t *testing.T) {
	firstCrowd(t, "origin: {up: 20Mbit}, nodes: 200", limits{1.27, 1.26, 1.13, .5, 1.3})
}
