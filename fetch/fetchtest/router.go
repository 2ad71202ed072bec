package fetchtest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
)

// Stuck is a dht.Router that never answers: Find and Join do not return before
// their ctx is done. Quiet: they do, and their channels yield nothing.
type Stuck struct{ Quiet bool }

var _ dht.Router = Stuck{}

// Find implements dht.Router.
func (s Stuck) Find(ctx context.Context, _ dht.Key) <-chan dht.Member {
	out := make(chan dht.Member)
	if s.Quiet {
		context.AfterFunc(ctx, func() { close(out) })
		return out
	}
	<-ctx.Done()
	close(out)
	return out
}

// Join implements dht.Router.
func (s Stuck) Join(ctx context.Context, k dht.Key) <-chan dht.Member { return s.Find(ctx, k) }

// Keep implements dht.Router.
func (Stuck) Keep(...dht.Key) {}

// Leave implements dht.Router.
func (Stuck) Leave(...dht.Key) {}

// Recording is a dht.Router that writes down what it is asked and passes it
// on; a nil Router finds nobody.
type Recording struct {
	Router dht.Router

	mu    sync.Mutex // guards calls
	calls []RouterCall
}

// RouterCall is one question to a Recording.
type RouterCall struct {
	Method string // "Find", "Join", "Keep" or "Leave"
	Key    dht.Key
	At     time.Time
}

// Calls returns all calls so far; of one method, if it is not empty.
func (r *Recording) Calls(method string) []RouterCall {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.calls), func(c RouterCall) bool { return method != "" && c.Method != method })
}

func (r *Recording) note(method string, keys ...dht.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range keys {
		r.calls = append(r.calls, RouterCall{method, k, time.Now()})
	}
}

func nobody() <-chan dht.Member {
	out := make(chan dht.Member)
	close(out)
	return out
}

// Find implements dht.Router.
func (r *Recording) Find(ctx context.Context, k dht.Key) <-chan dht.Member {
	r.note("Find", k)
	if r.Router == nil {
		return nobody()
	}
	return r.Router.Find(ctx, k)
}

// Join implements dht.Router.
func (r *Recording) Join(ctx context.Context, k dht.Key) <-chan dht.Member {
	r.note("Join", k)
	if r.Router == nil {
		return nobody()
	}
	return r.Router.Join(ctx, k)
}

// Keep implements dht.Router.
func (r *Recording) Keep(keys ...dht.Key) {
	r.note("Keep", keys...)
	if r.Router != nil {
		r.Router.Keep(keys...)
	}
}

// Leave implements dht.Router.
func (r *Recording) Leave(keys ...dht.Key) {
	r.note("Leave", keys...)
	if r.Router != nil {
		r.Router.Leave(keys...)
	}
}
