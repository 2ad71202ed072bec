package fetch

import (
	"testing"
	"time"
)

// TestSlowAnswersAreSpared: a node rests after an answer that was long in
// coming, by what this origin can do, and never for long.
func TestSlowAnswersAreSpared(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name  string
		took  []time.Duration // in turn
		rests time.Duration
	}{
		{"quick", []time.Duration{time.Millisecond, 150 * time.Millisecond}, 0},
		{"far away", []time.Duration{700 * time.Millisecond, 900 * time.Millisecond}, 0},
		{"slows down", []time.Duration{40 * time.Millisecond, 600 * time.Millisecond}, 600 * time.Millisecond},
		{"hardly answers", []time.Duration{40 * time.Millisecond, 20 * time.Second}, mostSpared},
	} {
		var s spare
		for _, took := range c.took {
			s.answered(took, now)
		}
		if rests := max(s.until.Sub(now), 0); rests != c.rests {
			t.Errorf("%s: rests for %v, want %v", c.name, rests, c.rests)
		}
	}
}
