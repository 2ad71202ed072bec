package dht

import (
	"context"
	"slices"
	"sync"
)

// Memory is a place where nodes of one process meet: an honest, instant
// network of routers. The zero value is ready.
type Memory struct {
	mu      sync.Mutex // guards members
	members map[Key][]Member
}

// Router returns the view that self has of m.
func (m *Memory) Router(self Member) Router { return &memoryRouter{m, self} }

type memoryRouter struct {
	net  *Memory
	self Member
}

var _ Router = (*memoryRouter)(nil)

func (r *memoryRouter) Find(ctx context.Context, k Key) <-chan Member {
	r.net.mu.Lock()
	found := slices.Clone(r.net.members[k])
	r.net.mu.Unlock()

	found = slices.DeleteFunc(found, func(m Member) bool { return m.ID == r.self.ID })
	out := make(chan Member, len(found)) // holds all, so that nobody need drain it
	defer close(out)
	if ctx.Err() != nil {
		return out
	}
	for _, m := range found {
		out <- m
	}
	return out
}

func (r *memoryRouter) Join(ctx context.Context, k Key) <-chan Member {
	r.Keep(k)
	return r.Find(ctx, k)
}

func (r *memoryRouter) Keep(keys ...Key) {
	r.net.mu.Lock()
	defer r.net.mu.Unlock()
	if r.net.members == nil {
		r.net.members = make(map[Key][]Member)
	}
	for _, k := range keys {
		if !slices.ContainsFunc(r.net.members[k], r.isSelf) {
			r.net.members[k] = append(r.net.members[k], r.self)
		}
	}
}

func (r *memoryRouter) Leave(keys ...Key) {
	r.net.mu.Lock()
	defer r.net.mu.Unlock()
	for _, k := range keys {
		rest := slices.DeleteFunc(r.net.members[k], r.isSelf)
		if len(rest) == 0 {
			delete(r.net.members, k)
			continue
		}
		r.net.members[k] = rest
	}
}

func (r *memoryRouter) isSelf(m Member) bool { return m.ID == r.self.ID }
