package fetch

import "time"

// Before an origin says that it has too much to do (429, 503) its answers slow
// down. A crowd feels that first, and gives way: it is the one that asks most.
const (
	// slowAnswer is how many times as long as the quickest of this flight an
	// answer must be in coming, and leastSlow how long at least, to be slow: a
	// full line of a home server alone makes 0.1 to 0.2 s of a millisecond.
	slowAnswer = 4
	leastSlow  = 500 * time.Millisecond
	// mostSpared is the longest rest after one answer.
	mostSpared = 2 * time.Second
)

// spare is how a node gives way to others at an origin whose answers slow down.
// The conductor owns it. The zero value has seen no answer.
type spare struct {
	quickest time.Duration
	until    time.Time
}

// answered takes in that the first octet of a range was so long in coming. After
// a slow one the node draws nothing for as long again.
func (s *spare) answered(took time.Duration, now time.Time) {
	if s.quickest == 0 || took < s.quickest {
		s.quickest = took
	}
	if took >= max(slowAnswer*s.quickest, leastSlow) {
		s.until = now.Add(min(took, mostSpared))
	}
}
