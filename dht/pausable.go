package dht

import (
	"context"
	"sync"
)

// Pausable is a Router that can fall silent: while it is paused it looks
// nobody up and belongs to no crowd, so nothing is announced again. Whoever
// pauses it need not know the crowds; it remembers them.
type Pausable struct {
	inner Router

	mu     sync.Mutex // guards following, and is held while inner is told
	paused bool
	keys   map[Key]struct{} // of the crowds that it belongs to, or will again
}

// NewPausable returns a Router that is not paused. inner is its own from then
// on.
func NewPausable(inner Router) *Pausable {
	return &Pausable{inner: inner, keys: make(map[Key]struct{})}
}

// Pause leaves all crowds. Searches that are under way end by themselves.
func (p *Pausable) Pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.paused {
		p.paused = true
		p.inner.Leave(p.all()...)
	}
}

// Resume becomes a member of all crowds that were not left meanwhile.
func (p *Pausable) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused {
		p.paused = false
		p.inner.Keep(p.all()...)
	}
}

func (p *Pausable) all() []Key {
	keys := make([]Key, 0, len(p.keys))
	for k := range p.keys {
		keys = append(keys, k)
	}
	return keys
}

// Find finds nobody while p is paused.
func (p *Pausable) Find(ctx context.Context, k Key) <-chan Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused {
		return nobody()
	}
	return p.inner.Find(ctx, k)
}

// Join joins when p is resumed, if it is paused, and finds nobody until then.
func (p *Pausable) Join(ctx context.Context, k Key) <-chan Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys[k] = struct{}{}
	if p.paused {
		return nobody()
	}
	return p.inner.Join(ctx, k)
}

func nobody() <-chan Member {
	none := make(chan Member)
	close(none)
	return none
}

// Keep is as Router says, once p is not paused.
func (p *Pausable) Keep(keys ...Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range keys {
		p.keys[k] = struct{}{}
	}
	if !p.paused {
		p.inner.Keep(keys...)
	}
}

// Leave is as Router says.
func (p *Pausable) Leave(keys ...Key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range keys {
		delete(p.keys, k)
	}
	p.inner.Leave(keys...)
}

// Proved hands on what Proved says.
func (p *Pausable) Proved(k Key, memberID string) { Proved(p.inner, k, memberID) }
