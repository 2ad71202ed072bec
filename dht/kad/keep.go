package kad

import (
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
)

// keeper is the list of this node's memberships: what the router's methods
// want, and what the announcing side of Run has made of it. Between the two
// the last word about a key wins and nobody waits. It is keyed by multihash,
// as kad-dht is, and holds at most MaxKeys wanted keys and those being left.
type keeper struct {
	wake chan struct{} // holds a token while dirty is not empty

	mu    sync.Mutex // guards the fields below
	keys  map[string]membership
	dirty map[string]struct{} // keys whose want is to be carried out
	n     int                 // keys whose want is not none
}

type membership struct{ want, have standing }

func (k *keeper) init() {
	k.wake = make(chan struct{}, 1)
	k.keys = make(map[string]membership)
	k.dirty = make(map[string]struct{})
}

// add makes keys memberships to announce, and returns how many found no room.
func (k *keeper) add(keys []dht.Key) (ignored int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range keys {
		id := string(key.CID().Hash())
		switch m := k.keys[id]; {
		case id == "" || m.want != none:
		case k.n >= MaxKeys:
			ignored++
		default:
			k.wantLocked(id, untold)
		}
	}
	return ignored
}

// join makes id a membership that settle will decide about.
func (k *keeper) join(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys[id].want == none && k.n < MaxKeys {
		k.wantLocked(id, joining)
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

// changes are keys to start, to renew without writing now, and to stop.
type changes struct{ start, renew, stop []multihash.Multihash }

// take returns what has changed and counts it as carried out.
func (k *keeper) take() changes {
	k.mu.Lock()
	defer k.mu.Unlock()
	var c changes
	for id := range k.dirty {
		m, h := k.keys[id], multihash.Multihash(id)
		switch m.want {
		case untold:
			c.start = append(c.start, h)
		case told:
			c.renew = append(c.renew, h)
		case none:
			c.stop = append(c.stop, h)
			delete(k.keys, id)
			continue
		case joining: // left and joined again before it was stopped
			continue
		}
		k.keys[id] = membership{m.want, m.want}
	}
	clear(k.dirty)
	return c
}
