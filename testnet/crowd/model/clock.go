package model

import "time"

// event is something that will be done at a time. Events of one time are done
// in the order in which they were set.
type event struct {
	at  time.Duration
	seq uint64
	do  func()
	pos int // in the heap, -1 when not in it
}

// clock is virtual time and what is to happen in it: a heap of four branches,
// in which an event can be moved.
type clock struct {
	now  time.Duration
	seq  uint64
	heap []*event
	done uint64 // events so far
}

// after sets do for now+d.
func (c *clock) after(d time.Duration, do func()) *event {
	e := &event{do: do, pos: -1}
	c.move(e, c.now+max(d, 0))
	return e
}

// move sets e, which may have been done or cancelled, for another time.
func (c *clock) move(e *event, at time.Duration) {
	c.seq++
	e.at, e.seq = max(at, c.now), c.seq
	if e.pos < 0 {
		e.pos = len(c.heap)
		c.heap = append(c.heap, e)
		c.up(e.pos)
		return
	}
	c.down(e.pos)
	c.up(e.pos)
}

// cancel takes e out; nil is fine.
func (c *clock) cancel(e *event) {
	if e == nil || e.pos < 0 {
		return
	}
	i, last := e.pos, len(c.heap)-1
	c.swap(i, last)
	c.heap = c.heap[:last]
	e.pos = -1
	if i < last {
		c.down(i)
		c.up(i)
	}
}

// next takes out the first event and sets the time to its. It must not be
// called on an empty clock.
func (c *clock) next() *event {
	e := c.heap[0]
	c.cancel(e)
	c.now = e.at
	c.done++
	return e
}

// due reports whether something is left to be done at this very moment.
func (c *clock) due() bool { return len(c.heap) > 0 && c.heap[0].at == c.now }

const branches = 4

func (c *clock) less(i, j int) bool {
	a, b := c.heap[i], c.heap[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (c *clock) swap(i, j int) {
	c.heap[i], c.heap[j] = c.heap[j], c.heap[i]
	c.heap[i].pos, c.heap[j].pos = i, j
}

func (c *clock) up(i int) {
	for i > 0 && c.less(i, (i-1)/branches) {
		c.swap(i, (i-1)/branches)
		i = (i - 1) / branches
	}
}

func (c *clock) down(i int) {
	for {
		least := i
		for k := i*branches + 1; k <= i*branches+branches && k < len(c.heap); k++ {
			if c.less(k, least) {
				least = k
			}
		}
		if least == i {
			return
		}
		c.swap(i, least)
		i = least
	}
}
