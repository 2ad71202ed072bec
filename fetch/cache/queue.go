package cache

import (
	"container/list"
	"encoding/binary"

	"github.com/flashcrowd/flashcrowd/dht"
)

// What goes first is decided by S3-FIFO (Yang et al., "FIFO queues are all you
// need for cache eviction", SOSP 2023): what is new waits in a young queue that
// takes a tenth of the room, and what was not used again when it comes to the
// end of it goes. So a crawl that asks for everything once drives out no more
// than that tenth. What was used again, or comes back soon after it went, lives
// in the old queue.
const (
	// youngShare is the part of the room, one in so many, that the young queue
	// keeps while the old one has anything to give.
	youngShare = 10
	// maxHits is up to where uses are counted.
	maxHits = 3
	// minGhosts is how many of those that went are remembered at least.
	minGhosts = 64
)

// queue is a FIFO of entries. Pinned ones are in none.
type queue struct {
	list  list.List // of *entry, the latest first
	bytes int64
	// idle is how many may go: the others are open.
	idle int
}

func (q *queue) push(e *entry) {
	e.at = q.list.PushFront(e)
	q.bytes += e.size
	if e.readers == 0 {
		q.idle++
	}
}

func (q *queue) remove(e *entry) {
	q.list.Remove(e.at)
	e.at = nil
	q.bytes -= e.size
	if e.readers == 0 {
		q.idle--
	}
}

// tail returns the entry that came first of those that may go, nil when there
// is none. Those that are open and came before wait another turn.
func (q *queue) tail() *entry {
	for q.idle > 0 {
		e := q.list.Back().Value.(*entry)
		if e.readers == 0 {
			return e
		}
		q.list.MoveToFront(e.at)
	}
	return nil
}

// evict drops and returns the next entry to go, or nil when all that is left is
// pinned or open.
func (es *entries) evict() *entry {
	for {
		fromYoung := es.young.bytes > es.limit/youngShare || es.old.idle == 0
		switch e := es.young.tail(); {
		case e == nil || !fromYoung:
		case e.hits > 0:
			es.young.remove(e)
			e.main, e.hits = true, 0
			es.old.push(e)
			continue
		default:
			es.ghosts.add(e.id, es.old.list.Len())
			es.lose(e)
			return e
		}
		e := es.old.tail()
		if e == nil {
			return nil
		}
		if e.hits == 0 {
			es.lose(e)
			return e
		}
		e.hits--
		es.old.list.MoveToFront(e.at)
	}
}

// queueOf returns where e waits.
func (es *entries) queueOf(e *entry) *queue {
	if e.main {
		return &es.old
	}
	return &es.young
}

// ghosts remembers which ids have left the young queue lately: at least half as
// many as it may hold, and none twice as long.
type ghosts struct{ late, early map[uint64]struct{} }

func (g *ghosts) add(id dht.ID, room int) {
	if g.late == nil || len(g.late) >= max(room, minGhosts)/2 {
		g.late, g.early = make(map[uint64]struct{}), g.late
	}
	g.late[ghostOf(id)] = struct{}{}
}

func (g *ghosts) has(id dht.ID) bool {
	_, late := g.late[ghostOf(id)]
	_, early := g.early[ghostOf(id)]
	return late || early
}

// ghostOf tells ids apart well enough: one that is taken for another lives a
// little longer.
func ghostOf(id dht.ID) uint64 { return binary.BigEndian.Uint64(id[:]) }
