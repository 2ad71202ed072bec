package swarm

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// The members of a crowd share the line of each of them. A node tells every
// asker how many octets of bodies that are not complete it may owe him at a time:
// his credit. Together they are what the line carries in creditTime, so that
// queues are short; each has the same, so that all get the same; and none has less
// than a piece, so that nobody is kept out.
const (
	// creditTime is how long the queue is that credits make: two round trips, and
	// at least this.
	creditTime = 250 * time.Millisecond
	// leastBudget pieces are lent at a time in all, for lines whose rate is not
	// known yet, and mostCredit octets to one asker.
	leastBudget = 4
	mostCredit  = maxWindow
	// askerLife is for how long after his last request an asker has his share.
	askerLife = time.Second
	// creditLag is how long a credit that was told counts still after a smaller
	// one: the asker may not have heard of that.
	creditLag = 2 * time.Second
	// maxAskers are kept account of; whoever comes then has the share of all
	// others who do not know of credits (windows).
	maxAskers = 1024
	// recount is how often askers are counted.
	recount = 50 * time.Millisecond
	// refusalPause is for how long an asker is refused again who was refused, or
	// whoever floods would be served the moment that he may be. Who keeps to his
	// credit rests for twice as long.
	refusalPause = 50 * time.Millisecond
)

// credits is the account of who may ask for how much. The zero value is ready.
type credits struct {
	mu      sync.Mutex // guards following
	askers  map[peer.ID]*account
	active  int // of askers
	counted time.Time
	owed    int64 // to all
	sent    gauge
}

// account is one asker's.
type account struct {
	owed   int64 // octets of answers that are being given
	told   int64
	before int64     // what was told until
	since  time.Time // then
	asked  time.Time
	pause  time.Time // until then he is refused
}

// grant returns what asker id, to whom a round trip takes rtt, may have under way
// of a body with such pieces, to be told to him. Each grant replaces the one
// before.
func (c *credits) grant(id peer.ID, piece int64, rtt time.Duration, now time.Time) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.askers[id]
	return c.grantLocked(a, piece, rtt, now)
}

func (c *credits) grantLocked(a *account, piece int64, rtt time.Duration, now time.Time) int64 {
	c.countLocked(now)
	among := c.active
	if a == nil || !a.active(now) {
		among++
	}
	budget := c.budgetLocked(piece, rtt, now)
	n := min(max(budget/int64(max(among, 1)), piece), max(mostCredit, piece))
	if a == nil {
		return n
	}
	if n < a.told && (a.told >= a.before || now.Sub(a.since) >= creditLag) {
		a.before, a.since = a.told, now
	}
	a.told = n
	return n
}

// budgetLocked is what all askers together should be owed.
func (c *credits) budgetLocked(piece int64, rtt time.Duration, now time.Time) int64 {
	return max(int64(c.sent.rate(now)*max(creditTime, 2*rtt).Seconds()), leastBudget*piece)
}

// enter reports whether asker id has credit for an answer of so many octets, whose
// end is leave. A piece he has always, while nothing else is under way to him; more
// only while what is owed to all stays within what the line carries. So that is
// never more than the budget and a piece for each asker.
func (c *credits) enter(id peer.ID, octets, piece int64, rtt time.Duration, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.askers[id]
	if a == nil {
		c.forgetLocked(now)
		if len(c.askers) >= maxAskers {
			return false
		}
		if c.askers == nil {
			c.askers = make(map[peer.ID]*account)
		}
		a = &account{}
		c.askers[id] = a
		a.told = leastBudget * piece // the first question may come before the first word
	}
	limit := max(a.told, piece)
	if now.Sub(a.since) < creditLag {
		limit = max(limit, a.before)
	}
	first := a.owed == 0 && octets <= piece
	switch {
	case now.Before(a.pause):
		return false
	case a.owed+octets > limit, !first && c.owed+octets > c.budgetLocked(piece, rtt, now):
		a.pause = now.Add(refusalPause)
		return false
	}
	if !a.active(now) {
		c.active++
	}
	a.owed, a.asked = a.owed+octets, now
	c.owed += octets
	return true
}

// leave ends an answer of so many octets to asker id.
func (c *credits) leave(id peer.ID, octets int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := c.askers[id]; a != nil {
		a.owed -= octets
		c.owed -= octets
	}
}

// gave notes that octets left.
func (c *credits) gave(octets int64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent.add(octets, now)
}

func (a *account) active(now time.Time) bool { return a.owed > 0 || now.Sub(a.asked) < askerLife }

func (c *credits) countLocked(now time.Time) {
	if now.Sub(c.counted) < recount {
		return
	}
	c.counted, c.active = now, 0
	for _, a := range c.askers {
		if a.active(now) {
			c.active++
		}
	}
}

// forgetLocked drops the accounts of those who are gone.
func (c *credits) forgetLocked(now time.Time) {
	if len(c.askers) < maxAskers {
		return
	}
	for id, a := range c.askers {
		if a.owed == 0 && now.Sub(a.asked) >= creditLag {
			delete(c.askers, id)
		}
	}
}

// gauge counts octets over the last half second, in slots. The zero value is ready.
type gauge struct {
	slots [gaugeSlots]int64
	last  int64 // number of the newest slot
	first time.Time
}

const (
	gaugeSlot  = 50 * time.Millisecond
	gaugeSlots = 10
)

func (g *gauge) add(n int64, now time.Time) {
	g.turn(now)
	if g.first.IsZero() {
		g.first = now
	}
	g.slots[g.last%gaugeSlots] += n
}

// rate is in octets a second over that time, or since the first octet.
func (g *gauge) rate(now time.Time) float64 {
	g.turn(now)
	sum := int64(0)
	for _, n := range g.slots {
		sum += n
	}
	if sum == 0 {
		g.first = time.Time{} // the next octets begin anew
		return 0
	}
	return float64(sum) / min(max(now.Sub(g.first), gaugeSlot), gaugeSlots*gaugeSlot).Seconds()
}

func (g *gauge) turn(now time.Time) {
	slot := now.UnixNano() / int64(gaugeSlot)
	for passed := min(slot-g.last, gaugeSlots); passed > 0; passed-- {
		g.slots[(slot-passed+1)%gaugeSlots] = 0
	}
	g.last = max(g.last, slot)
}
