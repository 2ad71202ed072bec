package kad

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// The look-ups that a download repeats after 1, 2, 4 and 8 s are all within
// recentTTL; a table that the network changes under is not trusted for longer.
const (
	recentTTL  = time.Minute
	recentKeys = 1024
)

// recent remembers which peers held the records of the keys looked up last, so
// that a repeated look-up need not walk. The zero value is ready.
type recent struct {
	mu   sync.Mutex // guards keys
	keys map[string]holders
}

type holders struct {
	peers []peer.ID // nearest first
	at    time.Time
}

// get returns the holders of key, or nil when they are unknown or too old.
func (r *recent) get(key string) []peer.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	h, ok := r.keys[key]
	if !ok || time.Since(h.at) > recentTTL {
		delete(r.keys, key)
		return nil
	}
	return h.peers
}

// put remembers the holders of key. When there is no room it forgets the key
// that was put first.
func (r *recent) put(key string, peers []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(peers) == 0 {
		return
	}
	if r.keys == nil {
		r.keys = make(map[string]holders)
	}
	if _, ok := r.keys[key]; !ok && len(r.keys) >= recentKeys {
		r.dropOldestLocked()
	}
	r.keys[key] = holders{peers, time.Now()}
}

func (r *recent) drop(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.keys, key)
}

// clear forgets all: after a change of network the old holders may be out of
// reach.
func (r *recent) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.keys)
}

func (r *recent) dropOldestLocked() {
	var oldest string
	for key, h := range r.keys {
		if oldest == "" || h.at.Before(r.keys[oldest].at) {
			oldest = key
		}
	}
	delete(r.keys, oldest)
}
