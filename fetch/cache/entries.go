package cache

import (
	"cmp"
	"container/list"
	"iter"
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
	// about is the id of the URL that is said of a body that waits for its
	// origin; nil for a response.
	about *dht.ID

	// company counts what came under the same id since.
	company atomic.Uint32

	// edition of the record: it counts on after each change in the index.
	edition atomic.Uint64

	variant [16]byte // variantKey
	size    int64    // octets of body, what lies beside it, side data and record
	shared  bool
	gone    bool // no longer in entries

	used  int64  // when it was last used, seconds since 1970
	saved int64  // used as it stands in the index
	turn  uint64 // of entries.turn when it was last used

	at      *list.Element // in its queue; nil when pinned or gone
	main    bool          // in the old queue
	hits    uint8         // uses since it came into its queue, up to maxHits
	readers int32         // of its file
	lingers bool          // gone, but its file has readers still
	leaving bool          // gone, and its file is about to
}

// entries are all stored responses, and the account of the octets they take.
type entries struct {
	limit      int64
	byID       map[dht.ID][]*entry
	byDigest   map[dht.ID][]*entry // shared and waiting ones, by each of entry.digests
	byHint     map[dht.ID][]*entry // waiting ones, by entry.about, until an origin disappoints
	count      int
	young, old queue
	ghosts     ghosts
	pins       map[dht.ID]struct{} // what never goes by itself
	bytes      int64               // sum of entry.size
	kept       int64               // those of bytes that are pinned or open
	lingering  int64               // of files that are gone and have readers still
	leaving    int64               // of files that are about to go
	reserved   int64               // promised to writers
	turn       uint64              // counts uses
}

func (es *entries) init(limit int64) {
	es.limit, es.byID, es.byDigest = limit, make(map[dht.ID][]*entry), make(map[dht.ID][]*entry)
	es.byHint = make(map[dht.ID][]*entry)
	es.pins = make(map[dht.ID]struct{})
}

// add takes e in as the last used one.
func (es *entries) add(e *entry) {
	es.turn++
	e.turn = es.turn
	e.main = e.main || es.ghosts.has(e.id)
	for _, o := range es.byID[e.id] {
		o.company.Add(1)
	}
	es.byID[e.id] = append(es.byID[e.id], e)
	for _, id := range e.digests {
		es.byDigest[id] = append(es.byDigest[id], e)
	}
	if e.about != nil {
		es.byHint[*e.about] = append(es.byHint[*e.about], e)
	}
	es.count++
	es.bytes += e.size
	if es.pinned(e) {
		es.kept += e.size
		return
	}
	if e.readers > 0 {
		es.kept += e.size
	}
	es.queueOf(e).push(e)
}

// drop takes e out. It reports whether e was in.
func (es *entries) drop(e *entry) bool {
	if e.gone {
		return false
	}
	e.gone = true
	if e.at == nil || e.readers > 0 {
		es.kept -= e.size
	}
	if e.at != nil {
		es.queueOf(e).remove(e)
	}
	es.count--
	es.bytes -= e.size
	without(es.byID, e.id, e)
	for _, id := range e.digests {
		without(es.byDigest, id, e)
	}
	if e.about != nil {
		without(es.byHint, *e.about, e)
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

// lose is drop for an entry whose file goes: until left is called, and while it
// has readers, its octets count still.
func (es *entries) lose(e *entry) bool {
	if !es.drop(e) {
		return false
	}
	if e.readers > 0 {
		e.lingers = true
		es.lingering += e.size
	} else {
		e.leaving = true
		es.leaving += e.size
	}
	return true
}

// left notes that the file of e is gone.
func (es *entries) left(e *entry) {
	if e.leaving {
		e.leaving = false
		es.leaving -= e.size
	}
}

// fits reports whether need more octets fit under the limit as it stands.
func (es *entries) fits(need int64) bool {
	return es.over()+es.leaving+need <= 0 && es.count <= maxObjects
}

// hold notes a reader of e's file: e does not go by itself while it has any.
func (es *entries) hold(e *entry) {
	e.readers++
	switch {
	case e.readers > 1:
	case e.gone && !e.leaving: // just now
		e.lingers = true
		es.lingering += e.size
	case e.at != nil:
		es.queueOf(e).idle--
		es.kept += e.size
	}
}

// release takes back one hold.
func (es *entries) release(e *entry) {
	e.readers--
	switch {
	case e.readers > 0:
	case e.lingers:
		e.lingers = false
		es.lingering -= e.size
	case e.at != nil:
		es.queueOf(e).idle++
		es.kept -= e.size
	}
}

// resize notes that e now takes size octets.
func (es *entries) resize(e *entry, size int64) {
	if e.gone {
		return
	}
	grown := size - e.size
	e.size = size
	es.bytes += grown
	if e.at == nil || e.readers > 0 {
		es.kept += grown
	}
	if e.at != nil {
		es.queueOf(e).bytes += grown
	}
}

// use notes that e was used at now.
func (es *entries) use(e *entry, now time.Time) {
	if !e.gone {
		es.turn++
		e.used, e.turn = max(now.Unix(), 0), es.turn
		e.hits = min(e.hits+1, maxHits)
	}
}

func (es *entries) pinned(e *entry) bool {
	_, ok := es.pins[e.id]
	return ok
}

// pin keeps all that is and will be stored under id, until unpin.
func (es *entries) pin(id dht.ID) {
	es.pins[id] = struct{}{}
	for _, e := range es.byID[id] {
		if e.at != nil {
			es.queueOf(e).remove(e)
			if e.readers == 0 {
				es.kept += e.size
			}
		}
	}
}

// unpin undoes pin.
func (es *entries) unpin(id dht.ID) {
	delete(es.pins, id)
	for _, e := range es.byID[id] {
		if e.at == nil {
			es.queueOf(e).push(e)
			if e.readers == 0 {
				es.kept -= e.size
			}
		}
	}
}

// pinnedBytes is how many octets pinned entries take.
func (es *entries) pinnedBytes() (n int64) {
	for id := range es.pins {
		for _, e := range es.byID[id] {
			n += e.size
		}
	}
	return n
}

// over is how many octets are too many, once what is about to go is gone.
func (es *entries) over() int64 { return es.bytes + es.lingering + es.reserved - es.limit }

// makeRoom drops what goes first until need more octets fit under the limit,
// and no more than maxObjects are left, and returns it. If they cannot fit it
// drops nothing.
func (es *entries) makeRoom(need int64) (dropped []*entry, ok bool) {
	if need > es.limit-es.reserved-es.lingering-es.kept {
		return nil, false
	}
	return es.evictWhile(func() bool { return es.over()+need > 0 || es.count > maxObjects }), true
}

// trim drops what goes first until the limit holds, or nothing more may go.
func (es *entries) trim() (dropped []*entry) {
	return es.evictWhile(func() bool { return es.over() > 0 || es.count > maxObjects })
}

// free drops what goes first until it makes up size octets, or nothing more may
// go.
func (es *entries) free(size int64) (dropped []*entry) {
	before := es.bytes
	return es.evictWhile(func() bool { return before-es.bytes < size })
}

func (es *entries) evictWhile(needed func() bool) (dropped []*entry) {
	for needed() {
		e := es.evict()
		if e == nil {
			break
		}
		dropped = append(dropped, e)
	}
	return dropped
}

// supersede drops what e, which is in, replaces (a part only other parts), and
// the least used variants beyond maxVariants. What replaces something that was
// used again and again is not new.
func (es *entries) supersede(e *entry) (dropped []*entry) {
	for _, o := range slices.Clone(es.byID[e.id]) {
		if o != e && o.variant == e.variant && (o.part || !e.part) {
			es.inherit(e, o)
			es.lose(o)
			dropped = append(dropped, o)
		}
	}
	for len(es.byID[e.id]) > maxVariants {
		o := slices.MinFunc(es.byID[e.id], func(a, b *entry) int { return cmp.Compare(a.turn, b.turn) })
		es.lose(o)
		dropped = append(dropped, o)
	}
	return dropped
}

// inherit gives e the standing of what it replaces.
func (es *entries) inherit(e, from *entry) {
	e.hits = max(e.hits, from.hits)
	if from.main && !e.main && e.at != nil {
		es.young.remove(e)
		e.main = true
		es.old.push(e)
	}
	e.main = e.main || from.main
}

// shares reports whether a shared object with this id, of a URL or a digest, is
// in.
func (es *entries) shares(id dht.ID) bool {
	isShared := func(e *entry) bool { return e.shared }
	return slices.ContainsFunc(es.byID[id], isShared) || slices.ContainsFunc(es.byDigest[id], isShared)
}

// all yields all entries, in no order.
func (es *entries) all() iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for _, under := range es.byID {
			for _, e := range under {
				if !yield(e) {
					return
				}
			}
		}
	}
}
