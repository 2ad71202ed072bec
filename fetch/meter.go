package fetch

import (
	"sync"
	"time"
)

// A meter counts in slots and keeps meterSlots of them: five seconds, of which
// a reading shows one. Law 2 compares rates over a second.
const (
	meterSlot   = 50 * time.Millisecond
	meterSecond = int64(time.Second / meterSlot)
	meterSlots  = 5 * meterSecond
)

// What is counted in lumps may be late by lumpSlack times the usual time
// between two, and by between minLag and maxLag, before it counts as missing:
// the pieces of a slow peer are seconds apart.
const (
	lumpSlack = 1.5
	minLag    = time.Second
	maxLag    = 3 * time.Second
)

// meter counts octets over the last seconds. The zero value is ready.
type meter struct {
	mu    sync.Mutex // guards following
	slots [meterSlots]float64
	last  int64 // number of the newest slot since the zero time
	first time.Time
	at    time.Time
	apart time.Duration // time between lumps: the longest, fading
}

// reading is what a meter shows at one moment.
type reading struct {
	// second is octets in the last second, half those of its latter half.
	second, half int64
	// rate is octets a second over the last second, or since the first octet
	// when that is less long ago (but at least one slot).
	rate float64
	// first and at are when the first and the latest octet came.
	first, at time.Time
}

// add counts n octets that came at now.
func (m *meter) add(n int64, now time.Time) { m.addOver(n, now, now) }

// addOver counts n octets that came evenly between from and to. What came
// before the meter's memory is not counted.
func (m *meter) addOver(n int64, from, to time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(to)
	a, b := slotOf(from), slotOf(to)
	for s := max(a, m.last-meterSlots+1); s <= b; s++ {
		m.slots[s%meterSlots] += float64(n) * share(s, a, b, from, to)
	}
	if m.first.IsZero() {
		m.first = from
	}
	if to.After(m.at) {
		if !m.at.IsZero() {
			m.apart = max(to.Sub(m.at), m.apart*7/8)
		}
		m.at = to
	}
}

// share is the part of the time between from, in slot a, and to, in slot b,
// that lies in slot s.
func share(s, a, b int64, from, to time.Time) float64 {
	if a >= b {
		return 1
	}
	begin, end := s*int64(meterSlot), (s+1)*int64(meterSlot)
	if s == a {
		begin = from.UnixNano()
	}
	if s == b {
		end = to.UnixNano()
	}
	return float64(end-begin) / float64(to.Sub(from))
}

func slotOf(t time.Time) int64 { return t.UnixNano() / int64(meterSlot) }

// read shows the second that ends now.
func (m *meter) read(now time.Time) reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	return m.readLocked(now)
}

// readLatest shows the second that ended when the latest octets came.
func (m *meter) readLatest(now time.Time) reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	return m.readLocked(m.at)
}

// readBefore shows the latest second of which all is counted that ever will
// be: what came from open on is still to be. It is for what is counted late
// and in lumps. What should be counted by now and is not, is missing.
func (m *meter) readBefore(open, now time.Time) reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	lag := min(max(time.Duration(lumpSlack*float64(m.apart)), minLag), maxLag)
	if ago := now.Add(-lag); open.Before(ago) {
		open = ago
	}
	return m.readLocked(open)
}

func (m *meter) readLocked(end time.Time) reading {
	s := slotOf(end)
	// The window reaches into one slot more than it fills.
	part := 1 - float64(end.UnixNano()-s*int64(meterSlot))/float64(meterSlot)
	sum := func(slots int64) float64 {
		octets := part * m.slotLocked(s-slots)
		for i := s - slots + 1; i <= s; i++ {
			octets += m.slotLocked(i)
		}
		return octets
	}
	r := reading{second: int64(sum(meterSecond) + .5), half: int64(sum(meterSecond/2) + .5), first: m.first, at: m.at}
	if !m.first.IsZero() {
		over := min(max(end.Sub(m.first), meterSlot), time.Second)
		r.rate = float64(r.second) / over.Seconds()
	}
	return r
}

// slotLocked is what a slot holds, if it is still remembered.
func (m *meter) slotLocked(s int64) float64 {
	if s > m.last || s <= m.last-meterSlots || s < 0 {
		return 0
	}
	return m.slots[s%meterSlots]
}

// advance empties the slots that have passed out of memory.
func (m *meter) advance(now time.Time) {
	slot := slotOf(now)
	for passed := min(slot-m.last, meterSlots); passed > 0; passed-- {
		m.slots[(slot-passed+1)%meterSlots] = 0
	}
	m.last = max(m.last, slot)
}
