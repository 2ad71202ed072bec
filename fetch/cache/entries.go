package cache

import (
	"cmp"
	"container/list"
	"slices"
	"sync/atomic"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

// entry is what is in memory of one stored response. Its fields but for trust
// are guarded by Store.mu.
type entry struct {
	// Immutable.
	id   dht.ID
	name name
	body int64 // octets of the body
	// beside: octets of the file beside the body.
	beside int64
	// digests are the ids that the body has whatever its URL is, and tokens by
	// what others may know it under each of its ids.
	digests []dht.ID
	tokens  []verify.Token
	trust   *trust
	// part: the response is incomplete. Its body is a temporary file, of which
	// body octets are held, and version tells whether it may be completed.
	part    bool
	version [16]byte

	// edition of the record: it counts on after each change in the index.
	edition atomic.Uint64

	variant [16]byte // variantKey
	size    int64    // octets of body, what lies beside it, side data and record
	shared  bool
	gone    bool // no longer in entries

	used  int64  // when it was last used, seconds since 1970
	saved int64  // used as it stands in the index
	turn  uint64 // of entries.turn when it was last used

	recency *list.Element
}

// entries are all stored responses, and the account of the octets they take.
type entries struct {
	limit    int64
	byID     map[dht.ID][]*entry
	byDigest map[dht.ID][]*entry // shared ones, by each of entry.digests
	recency  list.List           // of *entry, the last used first
	bytes    int64               // sum of entry.size
	reserved int64               // promised to writers
	turn     uint64              // counts uses
}

func (es *entries) init(limit int64) {
	es.limit, es.byID, es.byDigest = limit, make(map[dht.ID][]*entry), make(map[dht.ID][]*entry)
	es.recency.Init()
}

// add takes e in as the last used one.
func (es *entries) add(e *entry) {
	es.turn++
	e.turn = es.turn
	e.recency = es.recency.PushFront(e)
	es.byID[e.id] = append(es.byID[e.id], e)
	for _, id := range e.digests {
		es.byDigest[id] = append(es.byDigest[id], e)
	}
	es.bytes += e.size
}

// drop takes e out. It reports whether e was in.
func (es *entries) drop(e *entry) bool {
	if e.gone {
		return false
	}
	e.gone = true
	es.recency.Remove(e.recency)
	es.bytes -= e.size
	without(es.byID, e.id, e)
	for _, id := range e.digests {
		without(es.byDigest, id, e)
	}
	return true
}

// without takes e out of what all has for id.
func without(all map[dht.ID][]*entry, id dht.ID, e *entry) {
	rest := slices.DeleteFunc(all[id], func(o *entry) bool { return o == e })
	if len(rest) == 0 {
		delete(all, id)
	} else {
		all[id] = rest
	}
}

// resize notes that e now takes size octets.
func (es *entries) resize(e *entry, size int64) {
	if !e.gone {
		es.bytes += size - e.size
		e.size = size
	}
}

// use notes that e was used at now.
func (es *entries) use(e *entry, now time.Time) {
	if !e.gone {
		es.turn++
		e.used, e.turn = max(now.Unix(), 0), es.turn
		es.recency.MoveToFront(e.recency)
	}
}

// makeRoom drops the entries that were not used for longest until need more
// octets fit under the limit, and no more than maxObjects are left, and returns
// them. If they cannot fit it drops nothing.
func (es *entries) makeRoom(need int64) (dropped []*entry, ok bool) {
	if need > es.limit-es.reserved {
		return nil, false
	}
	for es.bytes+es.reserved+need > es.limit || es.recency.Len() > maxObjects {
		dropped = append(dropped, es.oldest())
	}
	return dropped, true
}

// free drops the entries that were not used for longest until they make up
// size octets, and returns them.
func (es *entries) free(size int64) (dropped []*entry) {
	for size > 0 && es.recency.Len() > 0 {
		e := es.oldest()
		size -= e.size
		dropped = append(dropped, e)
	}
	return dropped
}

// oldest drops and returns the entry that was not used for longest.
func (es *entries) oldest() *entry {
	e := es.recency.Back().Value.(*entry)
	es.drop(e)
	return e
}

// supersede drops what e, which is in, replaces (a part only other parts), and
// the least used variants beyond maxVariants.
func (es *entries) supersede(e *entry) (dropped []*entry) {
	for _, o := range slices.Clone(es.byID[e.id]) {
		if o != e && o.variant == e.variant && (o.part || !e.part) {
			es.drop(o)
			dropped = append(dropped, o)
		}
	}
	for len(es.byID[e.id]) > maxVariants {
		o := slices.MinFunc(es.byID[e.id], func(a, b *entry) int { return cmp.Compare(a.turn, b.turn) })
		es.drop(o)
		dropped = append(dropped, o)
	}
	return dropped
}

// shares reports whether a shared object with this id, of a URL or a digest, is
// in.
func (es *entries) shares(id dht.ID) bool {
	isShared := func(e *entry) bool { return e.shared }
	return slices.ContainsFunc(es.byID[id], isShared) || slices.ContainsFunc(es.byDigest[id], isShared)
}
