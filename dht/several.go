package dht

import (
	"context"
	"sync"
)

// Several returns a Router that asks all of routers at once and belongs to
// crowds in all of them. Whoever is nearest answers first, so that members on
// the local network are met before any that a DHT knows; no router waits for
// another.
func Several(routers ...Router) Router { return several(routers) }

type several []Router

func (s several) Find(ctx context.Context, k Key) <-chan Member {
	return s.search(ctx, func(ctx context.Context, r Router) <-chan Member { return r.Find(ctx, k) })
}

func (s several) Join(ctx context.Context, k Key) <-chan Member {
	return s.search(ctx, func(ctx context.Context, r Router) <-chan Member { return r.Join(ctx, k) })
}

func (s several) search(ctx context.Context, ask func(context.Context, Router) <-chan Member) <-chan Member {
	out := make(chan Member)
	var asking sync.WaitGroup
	for _, r := range s {
		asking.Go(func() { forward(ctx, ask(ctx, r), out) })
	}
	go func() {
		asking.Wait()
		close(out)
	}()
	return out
}

// forward hands on what is found until that ends or ctx does.
func forward(ctx context.Context, found <-chan Member, out chan<- Member) {
	for {
		select {
		case m, more := <-found:
			if !more {
				return
			}
			select {
			case out <- m:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (s several) Keep(keys ...Key) {
	for _, r := range s {
		r.Keep(keys...)
	}
}

func (s several) Leave(keys ...Key) {
	for _, r := range s {
		r.Leave(keys...)
	}
}

// Proved tells those of the routers that want to know of it that a member of k
// delivered proven bytes.
func (s several) Proved(k Key, memberID string) {
	for _, r := range s {
		Proved(r, k, memberID)
	}
}

// Proved tells r, if it wants to know, that a member of k delivered proven
// bytes: a router may then announce less.
func Proved(r Router, k Key, memberID string) {
	if p, ok := r.(interface{ Proved(Key, string) }); ok {
		p.Proved(k, memberID)
	}
}

// Quiet returns a Router that belongs to no new crowd while quiet reports
// true: a Join is then a Find, and what is kept is not announced. It is for
// whoever gives nothing now and has no business to be found.
func Quiet(r Router, quiet func() bool) Router { return quieted{r, quiet} }

type quieted struct {
	Router
	quiet func() bool
}

func (q quieted) Join(ctx context.Context, k Key) <-chan Member {
	if q.quiet() {
		return q.Router.Find(ctx, k)
	}
	return q.Router.Join(ctx, k)
}

func (q quieted) Keep(keys ...Key) {
	if !q.quiet() {
		q.Router.Keep(keys...)
	}
}

func (q quieted) Proved(k Key, memberID string) { Proved(q.Router, k, memberID) }
