package cache

import (
	"container/list"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
)

// trace is a series of requests, each for one object of a size.
type trace []struct {
	object int
	size   int64
}

// zipf is n requests for objects whose popularity falls as web pages' does, and
// whose sizes differ by a factor of 16. Each scan'th request, 0 for none, is
// for something that nobody asks for again.
func zipf(n, scan int, seed uint64) (t trace) {
	r := rand.New(rand.NewPCG(seed, 7))
	z := rand.NewZipf(r, 1.01, 8, 20_000)
	sizes := make([]int64, 20_001)
	for i := range sizes {
		sizes[i] = 1 << r.IntN(5)
	}
	for i := range n {
		if scan > 0 && i%scan == 0 {
			t = append(t, struct {
				object int
				size   int64
			}{-1 - i, 4})
			continue
		}
		o := int(z.Uint64())
		t = append(t, struct {
			object int
			size   int64
		}{o, sizes[o]})
	}
	return t
}

// lru is the hit ratio of a cache of limit octets that drops what was not used
// for longest.
func (t trace) lru(limit int64) float64 {
	in, recency, used, hits := map[int]*list.Element{}, list.New(), int64(0), 0
	type object struct {
		name int
		size int64
	}
	for _, q := range t {
		if e := in[q.object]; e != nil {
			recency.MoveToFront(e)
			hits++
			continue
		}
		for used+q.size > limit {
			last := recency.Remove(recency.Back()).(object)
			used -= last.size
			delete(in, last.name)
		}
		in[q.object] = recency.PushFront(object{q.object, q.size})
		used += q.size
	}
	return float64(hits) / float64(len(t))
}

// ours is the hit ratio of the store's queues. Readers, if any, hold what they
// asked for until so many more requests were answered.
func (t trace) ours(tb testing.TB, limit int64, readers int) float64 {
	tb.Helper()
	var es entries
	es.init(limit)
	hits := 0
	var open []*entry
	for i, q := range t {
		id := idOf(q.object)
		if under := es.byID[id]; len(under) > 0 {
			hits++
			es.use(under[0], time.Unix(int64(i), 0))
			if readers > 0 {
				es.hold(under[0])
				open = append(open, under[0])
			}
		} else {
			if _, ok := es.makeRoom(q.size); !ok {
				tb.Fatal("no room")
			}
			es.add(&entry{id: id, size: q.size})
			es.leaving = 0 // at once
		}
		if len(open) > readers {
			es.release(open[0])
			open = open[1:]
		}
		if es.over() > 0 {
			tb.Fatal("over the limit")
		}
	}
	checkQueues(tb, &es)
	return float64(hits) / float64(len(t))
}

func idOf(n int) (id dht.ID) {
	r := rand.New(rand.NewPCG(uint64(n), 3))
	for i := range id {
		id[i] = byte(r.Uint32())
	}
	return id
}

// TestHitRatio: on requests like those of people the hit ratio is at least that
// of the rule to drop what was not used for longest, and with a crawl between
// them it is above it; on small and large caches.
func TestHitRatio(t *testing.T) {
	for _, limit := range []int64{2_000, 20_000} {
		for _, readers := range []int{0, 50} {
			people := zipf(100_000, 0, 1)
			if ours, lru := people.ours(t, limit, readers), people.lru(limit); ours < lru {
				t.Errorf("limit %d, %d readers, zipf: %.4f, LRU %.4f", limit, readers, ours, lru)
			} else {
				t.Logf("limit %d, %d readers, zipf: %.4f, LRU %.4f", limit, readers, ours, lru)
			}
			crawl := zipf(100_000, 2, 2)
			if ours, lru := crawl.ours(t, limit, readers), crawl.lru(limit); ours <= lru {
				t.Errorf("limit %d, %d readers, scan: %.4f, LRU %.4f", limit, readers, ours, lru)
			} else {
				t.Logf("limit %d, %d readers, scan: %.4f, LRU %.4f", limit, readers, ours, lru)
			}
		}
	}
}

// checkQueues holds the sums of es against its entries.
func checkQueues(t testing.TB, es *entries) {
	t.Helper()
	var bytes, kept, young, old int64
	count, idleYoung, idleOld := 0, 0, 0
	for e := range es.all() {
		count++
		bytes += e.size
		if es.pinned(e) != (e.at == nil) {
			t.Errorf("pinned %v, in a queue %v", es.pinned(e), e.at != nil)
		}
		if e.at == nil || e.readers > 0 {
			kept += e.size
		}
		switch {
		case e.at == nil:
		case e.main:
			old += e.size
			idleOld += flagged(e.readers == 0)
		default:
			young += e.size
			idleYoung += flagged(e.readers == 0)
		}
	}
	if count != es.count || bytes != es.bytes || kept != es.kept || young != es.young.bytes || old != es.old.bytes ||
		idleYoung != es.young.idle || idleOld != es.old.idle {
		t.Fatalf("counted %d %d %d %d %d %d %d, kept %d %d %d %d %d %d %d", count, bytes, kept, young, old, idleYoung, idleOld,
			es.count, es.bytes, es.kept, es.young.bytes, es.old.bytes, es.young.idle, es.old.idle)
	}
}

func flagged(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestQueuesUnderRandomUse: whatever is done in whatever order, the sums are
// right, the limit holds, and neither what is pinned nor what is open goes.
func TestQueuesUnderRandomUse(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 9))
		var es entries
		es.init(1000)
		var in, open []*entry
		for range 4000 {
			var dropped []*entry
			pick := func() *entry {
				if len(in) == 0 {
					return &entry{gone: true}
				}
				return in[r.IntN(len(in))]
			}
			switch e := pick(); r.IntN(9) {
			case 0, 1, 2:
				size := int64(1 + r.IntN(200))
				var ok bool
				if dropped, ok = es.makeRoom(size); ok {
					e := &entry{id: idOf(r.IntN(60)), variant: [16]byte{byte(r.IntN(3))}, size: size}
					es.add(e)
					in = append(in, e)
					for _, o := range es.supersede(e) {
						o.turn = 0
					}
				}
			case 3:
				es.use(e, time.Unix(1, 0))
			case 4:
				if !e.gone {
					es.hold(e)
					open = append(open, e)
				}
			case 5:
				if len(open) > 0 {
					i := r.IntN(len(open))
					es.release(open[i])
					open = append(open[:i], open[i+1:]...)
				}
			case 6:
				if es.pinnedBytes() < 300 && !e.gone {
					es.pin(e.id)
				}
			case 7:
				for id := range es.pins {
					es.unpin(id)
					break
				}
			case 8:
				es.lose(e)
			}
			for _, e := range dropped {
				if e.readers > 0 || es.pinned(e) {
					t.Fatal("evicted what is pinned or open")
				}
			}
			if es.over() > 0 {
				t.Fatalf("over the limit by %d", es.over())
			}
			checkQueues(t, &es)
		}
		for _, e := range open {
			es.release(e)
		}
		if es.lingering != 0 {
			t.Errorf("%d octets linger", es.lingering)
		}
	}
}
