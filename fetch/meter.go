package fetch

import (
	"sync"
	"time"
)

// meterSlots and meterSlot make the window of a meter: one second, which is
// what law 2 compares rates over.
const (
	meterSlots = 20
	meterSlot  = time.Second / meterSlots
)

// meter counts octets over the last second. The zero value is ready.
type meter struct {
	mu    sync.Mutex // guards following
	slots [meterSlots]int64
	last  int64 // number of the newest slot since the zero time
	total int64
	first time.Time // of the first octet
	at    time.Time // of the latest octet
}

func (m *meter) add(n int64, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	m.slots[m.last%meterSlots] += n
	m.total += n
	if m.first.IsZero() {
		m.first = now
	}
	m.at = now
}

// reading is what a meter shows at one moment.
type reading struct {
	second int64 // octets in the last second
	total  int64
	// rate is octets a second over the last second, or since the first octet
	// when that is less long ago (but at least one slot).
	rate float64
	at   time.Time // of the latest octet
}

func (m *meter) read(now time.Time) reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	r := reading{total: m.total, at: m.at}
	for _, n := range m.slots {
		r.second += n
	}
	if !m.first.IsZero() {
		over := min(max(now.Sub(m.first), meterSlot), time.Second)
		r.rate = float64(r.second) / over.Seconds()
	}
	return r
}

// advance empties the slots that have passed out of the window.
func (m *meter) advance(now time.Time) {
	slot := now.UnixNano() / int64(meterSlot)
	for passed := min(slot-m.last, meterSlots); passed > 0; passed-- {
		m.slots[(slot-passed+1)%meterSlots] = 0
	}
	m.last = max(m.last, slot)
}
