package fetch

import "time"

// planShare bounds planning to one part in planShare of the time: what happens
// while the conductor rests is seen at its next step. mostRest is the longest
// rest.
const (
	planShare = 20
	mostRest  = 25 * time.Millisecond
)

// rest lets time pass after a step that took so long.
func (c *crowd) rest(step time.Duration) {
	pause := min(planShare*step, mostRest)
	if pause < time.Millisecond {
		return // shorter than what a timer is good for
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.ctx.Done():
	}
}
