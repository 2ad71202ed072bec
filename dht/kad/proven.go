package kad

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// enoughProven members that delivered proven bytes serve a newcomer: from
	// there on, announcing to the DHT helps nobody much and costs its holders.
	enoughProven = 8
	// provenPerKey bounds what is remembered of a key, provenKeys how many
	// keys are.
	provenPerKey = 256
	provenKeys   = 4096
)

// proven counts, by key, the members that delivered proven bytes to this node
// while their records last. Only they damp announcing: if mere names did, an
// attacker would silence a crowd by inventing one. The zero value is ready.
type proven struct {
	mu   sync.Mutex // guards keys
	keys map[string]map[peer.ID]time.Time
}

// add notes that member delivered proven bytes under key.
func (p *proven) add(key string, member peer.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	members := p.keys[key]
	if members == nil {
		if len(p.keys) >= provenKeys {
			return
		}
		if p.keys == nil {
			p.keys = make(map[string]map[peer.ID]time.Time)
		}
		members = make(map[peer.ID]time.Time)
		p.keys[key] = members
	}
	if _, known := members[member]; known || len(members) < provenPerKey {
		members[member] = time.Now()
	}
}

// count returns how many members proved themselves under key within validity.
func (p *proven) count(key string, validity time.Duration) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	members := p.keys[key]
	for member, at := range members {
		if time.Since(at) > validity {
			delete(members, member)
		}
	}
	if len(members) == 0 {
		delete(p.keys, key)
	}
	return len(members)
}

// expire forgets what is older than validity.
func (p *proven) expire(validity time.Duration) {
	p.mu.Lock()
	var keys []string
	for key := range p.keys {
		keys = append(keys, key)
	}
	p.mu.Unlock()
	for _, key := range keys {
		p.count(key, validity)
	}
}

// announces decides whether a member of a crowd in which n others proved
// themselves announces itself: so that, of n that decide alike, enoughProven
// do.
func announces(n int) bool { return n <= enoughProven || rand.IntN(n) < enoughProven }

// Proved tells r that a member of k has delivered proven bytes. While many
// have, r announces itself under k with falling probability; what Join wrote
// runs out by itself.
func (r *Router) Proved(k dht.Key, memberID string) {
	id, err := peer.Decode(memberID)
	if err != nil || id == r.self || !k.CID().Defined() {
		return
	}
	r.proven.add(string(k.CID().Hash()), id)
}

// damp decides anew, for every membership, whether to announce it.
func (r *Router) damp() {
	validity := r.cfg.validity()
	r.proven.expire(validity)
	for _, id := range r.keep.ids() {
		r.keep.hush(id, !announces(r.proven.count(id, validity)))
	}
}
