package kad

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/multiformats/go-multihash"
)

// standing is how a key stands with the holders of its records.
type standing uint8

const (
	none    standing = iota // not a member
	joining                 // a Join is writing the records itself
	told                    // records are out: renew them in time
	untold                  // records are to be written soon
	silent                  // a member whose records others make superfluous
)

// keeper is the list of this node's memberships: what the router's methods
// want, and what the announcing side of Run has made of it. Between the two
// the last word about a key wins and nobody waits. It is keyed by multihash,
// as kad-dht is, and holds at most limit wanted keys and those being left.
type keeper struct {
	wake  chan struct{} // holds a token while dirty is not empty
	limit int

	mu    sync.Mutex // guards the fields below
	keys  map[string]membership
	dirty map[string]struct{} // keys whose want is to be carried out
	n     int                 // keys whose want is not none
	first int64               // the use of the next key that is kept: falling
	last  int64               // the use of the next key that is joined: rising
}

// membership is one key: what it ought to be, what it is, and how useful it is
// to announce, which only compares. again: its records are out and are to be
// written once more.
type membership struct {
	want, have standing
	use        int64
	again      bool
}

func (k *keeper) init(limit int) {
	k.wake, k.limit = make(chan struct{}, 1), limit
	k.keys = make(map[string]membership)
	k.dirty = make(map[string]struct{})
}

// add makes keys memberships to announce, each less useful than the one before
// it and all less than what was joined, and returns how many found no room.
func (k *keeper) add(keys []dht.Key) (ignored int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range keys {
		id := string(key.CID().Hash())
		switch m := k.keys[id]; {
		case id == "" || m.want != none:
		case k.n >= k.limit:
			ignored++
		default:
			k.first--
			k.wantLocked(id, untold)
			k.useLocked(id, k.first)
		}
	}
	return ignored
}

// join makes id a membership that settle will decide about, the most useful of
// all. Where there is no room the least useful one is dropped for it.
func (k *keeper) join(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys[id].want == none {
		if k.n >= k.limit {
			k.dropLeastLocked()
		}
		k.wantLocked(id, joining)
	}
	k.last++
	k.useLocked(id, k.last)
}

func (k *keeper) useLocked(id string, use int64) {
	m := k.keys[id]
	m.use = use
	k.keys[id] = m
}

func (k *keeper) dropLeastLocked() {
	var least string
	use := int64(math.MaxInt64)
	for id, m := range k.keys {
		if m.want != none && m.use < use {
			least, use = id, m.use
		}
	}
	k.wantLocked(least, none)
}

// silence makes a membership that is being joined a silent one.
func (k *keeper) silence(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys[id].want == joining {
		k.wantLocked(id, silent)
	}
}

// hush makes a membership silent, or one that speaks again.
func (k *keeper) hush(id string, quiet bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch want := k.keys[id].want; {
	case quiet && (want == told || want == untold):
		k.wantLocked(id, silent)
	case !quiet && want == silent:
		k.wantLocked(id, untold)
	}
}

// settle says how a Join of id went. It decides nothing if the key was left or
// settled meanwhile.
func (k *keeper) settle(id string, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys[id].want != joining {
		return
	}
	if ok {
		k.wantLocked(id, told)
	} else {
		k.wantLocked(id, untold)
	}
}

func (k *keeper) remove(keys []dht.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range keys {
		if id := string(key.CID().Hash()); k.keys[id].want != none {
			k.wantLocked(id, none)
		}
	}
}

func (k *keeper) wantLocked(id string, want standing) {
	m := k.keys[id]
	if m.want == none {
		k.n++
	}
	if want == none {
		k.n--
	}
	m.want = want
	k.keys[id] = m
	switch {
	case want == none && m.have == none: // never carried out: nothing to undo
		delete(k.keys, id)
		delete(k.dirty, id)
	case want != joining:
		k.dirty[id] = struct{}{}
		select {
		case k.wake <- struct{}{}:
		default:
		}
	}
}

// wants reports whether id is a membership.
func (k *keeper) wants(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys[id].want != none
}

// wanted returns the number of memberships.
func (k *keeper) wanted() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.n
}

// again lets the records of all memberships that speak be written once more.
func (k *keeper) again() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, m := range k.keys {
		if m.want == told || m.want == untold {
			m.again = true
			k.keys[id] = m
			k.wantLocked(id, untold)
		}
	}
}

// changes are keys to start, to write again, to renew without writing now, and
// to stop.
type changes struct{ start, again, renew, stop []multihash.Multihash }

// take returns what has changed and counts it as carried out. Of the keys to
// start or to write again it takes the most useful ones, at most most; more says
// that others are left for the next time.
func (k *keeper) take(most int) (c changes, more bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var start []string
	for id := range k.dirty {
		m, h := k.keys[id], multihash.Multihash(id)
		switch m.want {
		case untold:
			start = append(start, id)
			continue
		case told:
			c.renew = append(c.renew, h)
		case silent:
			c.stop = append(c.stop, h)
		case none:
			c.stop = append(c.stop, h)
			delete(k.keys, id)
			delete(k.dirty, id)
			continue
		case joining: // left and joined again before it was stopped
		}
		k.doneLocked(id)
	}
	slices.SortFunc(start, func(a, b string) int { return cmp.Compare(k.keys[b].use, k.keys[a].use) })
	for _, id := range start[:min(len(start), most)] {
		if m := k.keys[id]; m.again {
			c.again = append(c.again, multihash.Multihash(id))
			m.again = false
			k.keys[id] = m
		} else {
			c.start = append(c.start, multihash.Multihash(id))
		}
		k.doneLocked(id)
	}
	return c, len(start) > most
}

func (k *keeper) doneLocked(id string) {
	delete(k.dirty, id)
	if m := k.keys[id]; m.want != joining {
		m.have = m.want
		k.keys[id] = m
	}
}

// ids returns the memberships.
func (k *keeper) ids() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var ids []string
	for id, m := range k.keys {
		if m.want != none {
			ids = append(ids, id)
		}
	}
	return ids
}
