package fetch

import "time"

// pace learns the origin's own rate: what it would give if nobody else sent.
// While peers send too, the origin's share of this node's line says too
// little, and letting it go by that would be slower than direct. So the best
// second of the flight counts, unless the line as a whole has carried clearly
// less than it can for some time: then it is not the peers that keep the
// origin down. The zero value has learnt nothing.
type pace struct {
	best, bestTotal float64
	recent          [paceMemory]struct {
		second        int64
		origin, total float64
	}
	first, last time.Duration
	learnt      bool
}

const (
	// paceMemory is how many seconds the line must have idled: longer than a
	// disturbance of a wireless link.
	paceMemory = 5
	// paceIdle is what share of its best second the line then carries at
	// most.
	paceIdle = 0.8
	// paceRising is by how much the latter half of a second may exceed the
	// former before the origin counts as still gaining speed.
	paceRising = 1.2
)

// paceAlone is how long the origin must have delivered for its rate to say
// anything.
const paceAlone = 100 * time.Millisecond

// alone takes note of how many octets the origin had delivered over some time
// when the first octet of a peer came: from then on it may be the peers that
// keep it down. It is not enough to let it go by.
func (p *pace) alone(octets int64, over time.Duration) {
	if over >= paceAlone {
		rate := float64(octets) / over.Seconds()
		p.best, p.bestTotal = max(p.best, rate), max(p.bestTotal, rate)
	}
}

// learn takes note of one second up to now, in which the origin delivered all
// the time, and of what came in all.
func (p *pace) learn(now time.Duration, origin reading, total float64) {
	latter, former := float64(origin.half), float64(origin.second-origin.half)
	if latter > paceRising*former+float64(paceGrain) {
		return
	}
	if !p.learnt {
		p.first, p.learnt = now, true
	}
	p.last = now
	p.best, p.bestTotal = max(p.best, float64(origin.second)), max(p.bestTotal, total)
	at := int64(now / time.Second)
	r := &p.recent[at%paceMemory]
	if r.second != at {
		r.second, r.origin, r.total = at, 0, 0
	}
	r.origin, r.total = max(r.origin, float64(origin.second)), max(r.total, total)
}

// paceGrain is how many octets say nothing: one read more or less.
const paceGrain = 16 << 10

// rate returns the origin's own rate in octets a second, negative while it is
// not known.
func (p *pace) rate() float64 {
	if !p.learnt {
		return -1
	}
	origin, total := 0.0, 0.0
	for _, r := range p.recent {
		if r.second > int64(p.last/time.Second)-paceMemory {
			origin, total = max(origin, r.origin), max(total, r.total)
		}
	}
	if p.last-p.first >= paceMemory*time.Second && total < paceIdle*p.bestTotal {
		return origin
	}
	return p.best
}
