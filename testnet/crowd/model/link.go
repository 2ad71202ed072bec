package model

import (
	"math"
	"time"
)

// link is one direction of a line. Its flows share it max-min fairly: level is
// what each gets, or would get, that the other end does not hold back.
type link struct {
	rate   float64 // octets a second
	flows  []*flow
	level  float64
	full   bool    // it holds back flows of its own
	sum    float64 // of the rates of the flows
	dirty  bool
	change int // flows come and gone since the level was found
}

// frame is how much of a line's rate is left for what it carries: of each full
// Ethernet frame of 1514 octets, headers up to TCP's time stamps take 66.
const frame = 1448. / 1514

// newLine is a link of a line that carries TCP.
func newLine(rate float64) *link { return newLink(rate * frame) }

func newLink(rate float64) *link { return &link{rate: rate, level: rate} }

// flow is octets on their way from one link to another. Whoever opened it
// closes it.
type flow struct {
	n        *network
	ends     [2]*link
	pos      [2]int
	rate     float64
	left     float64 // octets until the mark
	at       time.Duration
	mark     *event
	sink     func(octets float64, from, to time.Duration)
	released bool
}

// network keeps the rates of all flows right. A change of flows marks links
// dirty; settle, at the end of each moment, finds the new rates.
type network struct {
	clock *clock
	queue []*link
}

// Rates settle to within tolerance. Of a link with very many flows the level is
// found anew only when one in manyFlows of them has changed: its error stays
// below that, and a crowd of 100 000 at one origin is not quadratic.
const (
	tolerance = 1e-3
	manyFlows = 512
)

// open begins a flow. sink is told of all octets, mark is called when as many
// have come as next said.
func (n *network) open(up, down *link, octets float64, sink func(float64, time.Duration, time.Duration), mark func()) *flow {
	f := &flow{n: n, ends: [2]*link{up, down}, left: octets, at: n.clock.now, sink: sink}
	f.mark = &event{pos: -1}
	f.mark.do = func() {
		f.sync()
		if f.left > 0 { // rounding
			f.sink(f.left, f.at, f.at)
			f.left = 0
		}
		mark()
	}
	for i, l := range f.ends {
		f.pos[i] = len(l.flows)
		l.flows = append(l.flows, f)
	}
	f.setRate(min(up.level, down.level))
	n.touch(up, true)
	n.touch(down, true)
	return f
}

// next sets how many octets are to come until the mark is called again.
func (f *flow) next(octets float64) {
	f.sync()
	f.left = octets
	f.plan()
}

// close ends the flow, of which nothing more is told.
func (f *flow) close() {
	if f.released {
		return
	}
	f.sync()
	f.release()
}

// abandon ends the flow for the receiver; the sender goes on for as long as it
// takes to notice.
func (f *flow) abandon(notice time.Duration, wasted func(float64, time.Duration, time.Duration)) {
	f.sync()
	f.sink = wasted
	f.mark.do = func() {}
	f.n.clock.cancel(f.mark)
	f.left = math.Inf(1)
	f.n.clock.after(notice, f.close)
}

func (f *flow) release() {
	f.released = true
	f.n.clock.cancel(f.mark)
	for i, l := range f.ends {
		l.sum -= f.rate
		last := len(l.flows) - 1
		moved := l.flows[last]
		l.flows[f.pos[i]] = moved
		moved.pos[moved.end(l)] = f.pos[i]
		l.flows = l.flows[:last]
		if last == 0 {
			l.sum = 0
		}
		f.n.touch(l, true)
	}
}

// end returns which end of f l is.
func (f *flow) end(l *link) int {
	if f.ends[0] == l {
		return 0
	}
	return 1
}

// sync tells the sink of what came since the last time.
func (f *flow) sync() {
	now := f.n.clock.now
	if octets := min(f.rate*(now-f.at).Seconds(), f.left); octets > 0 {
		f.left -= octets
		f.sink(octets, f.at, now)
	}
	f.at = now
}

func (f *flow) setRate(rate float64) {
	f.sync()
	for _, l := range f.ends {
		l.sum += rate - f.rate
	}
	f.rate = rate
	f.plan()
}

// plan sets the mark to when it will be reached.
func (f *flow) plan() {
	if f.rate <= 0 || math.IsInf(f.left, 1) {
		f.n.clock.cancel(f.mark)
		return
	}
	wait := math.Ceil(f.left / f.rate * float64(time.Second))
	if wait > float64(horizon) {
		f.n.clock.cancel(f.mark)
		return
	}
	f.n.clock.move(f.mark, f.at+time.Duration(wait))
}

// touch marks l dirty if its flows may share it in another way now. flows says
// that one has come or gone.
func (n *network) touch(l *link, flows bool) {
	if flows {
		l.change++
	}
	idle := !flows && !l.full && l.sum <= l.rate*(1+tolerance)
	if l.dirty || idle || flows && l.change*manyFlows < len(l.flows) {
		return
	}
	l.dirty = true
	n.queue = append(n.queue, l)
}

// settle finds the rates after all that happened at this moment.
func (n *network) settle() {
	for rounds := 64 * len(n.queue); len(n.queue) > 0 && rounds > 0; rounds-- {
		l := n.queue[0]
		n.queue = n.queue[1:]
		l.dirty = false
		n.fill(l)
	}
	for _, l := range n.queue {
		l.dirty = false
	}
	n.queue = n.queue[:0]
}

// fill finds the level of l, and gives its flows what they get by it.
func (n *network) fill(l *link) {
	l.change = 0
	l.findLevel()
	for _, f := range l.flows {
		other := f.ends[1-f.end(l)]
		if rate := min(l.level, other.level); !same(rate, f.rate) {
			f.setRate(rate)
			n.touch(other, false)
		}
	}
}

// findLevel is max-min fairness: flows that the other end holds below the level
// keep what they have, the others share the rest.
func (l *link) findLevel() {
	if len(l.flows) == 0 {
		l.level, l.full = l.rate, false
		return
	}
	level := l.rate / float64(len(l.flows))
	for {
		held, most, free := 0.0, 0.0, 0
		for _, f := range l.flows {
			if other := f.ends[1-f.end(l)].level; other < level {
				held, most = held+other, max(most, other)
			} else {
				free++
			}
		}
		if free == 0 {
			l.level, l.full = most+l.rate-held, false
			return
		}
		next := (l.rate - held) / float64(free)
		if next <= level*(1+1e-9) {
			l.level, l.full = level, true
			return
		}
		level = next
	}
}

func same(a, b float64) bool {
	return a == b || math.Abs(a-b) <= tolerance*max(math.Abs(a), math.Abs(b))
}
