package kad

import (
	"context"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	kaddht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/routing"
)

// stallLimit is the time without an answer after which a walk counts as
// converged. kad-dht itself waits for the time-out of each dead peer among the
// nearest, many seconds in which this node would be invisible; what it then
// still finds is written to as well. A peer that is alive but new takes two or
// three round trips.
const stallLimit = 300 * time.Millisecond

// never is later than any walk lasts.
const never = 2 * searchLimit

// walk is one look-up of kad-dht and what it reveals of itself. All its
// channels must be read until it is cancelled, or it stands still. A nil walk
// is one that never says anything.
type walk struct {
	cancel    context.CancelFunc
	found     <-chan peer.AddrInfo
	asked     <-chan *routing.QueryEvent
	steps     <-chan *kaddht.LookupEvent
	stall     *time.Timer
	converged bool // the nearest live peers are known, or as good as
}

// newWalk starts a look-up that ends by itself or with ctx. It runs to its
// end: a count would let records that this node holds, which anybody may have
// put there, end it at once.
func (r *Router) newWalk(ctx context.Context, k dht.Key) *walk {
	w := &walk{stall: time.NewTimer(never)}
	ctx, w.cancel = context.WithCancel(ctx)
	ctx, w.asked = routing.RegisterForQueryEvents(ctx)
	ctx, w.steps = kaddht.RegisterForLookupEvents(ctx)
	w.found = r.dht.FindProvidersAsync(ctx, k.CID(), 0)
	return w
}

func (w *walk) members() <-chan peer.AddrInfo {
	if w == nil {
		return nil
	}
	return w.found
}

func (w *walk) queries() <-chan *routing.QueryEvent {
	if w == nil {
		return nil
	}
	return w.asked
}

func (w *walk) lookups() <-chan *kaddht.LookupEvent {
	if w == nil {
		return nil
	}
	return w.steps
}

// progress notes that somebody answered.
func (w *walk) progress() { w.stall.Reset(stallLimit) }

// stalled says when nobody has answered for a while, after somebody did.
func (w *walk) stalled() <-chan time.Time {
	if w == nil || w.converged {
		return nil
	}
	return w.stall.C
}

// drain returns when a cancelled walk has ended.
func (w *walk) drain() {
	if w == nil {
		return
	}
	for range w.found {
	}
}
