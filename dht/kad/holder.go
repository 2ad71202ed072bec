package kad

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
)

// A holder that is alive answers within a round trip or two: the walk has just
// spoken to it. The first limit is for the dead, the second is how long the
// others wait for them before they are asked.
const (
	holderLimit = 5 * time.Second
	writeGrace  = 200 * time.Millisecond
)

var errNoAddrs = errors.New("kad: no address to announce")

// answer is what one holder said.
type answer struct {
	members []*peer.AddrInfo
	named   bool // this node is among the members that the holder knows
	err     error
}

// write stores this node's record for key at p. Nil means sent: kad-dht has no
// reply to it.
func (r *Router) write(ctx context.Context, p peer.ID, key multihash.Multihash) error {
	addrs := r.dht.FilteredAddrs()
	if len(addrs) == 0 {
		return errNoAddrs
	}
	ctx, cancel := context.WithTimeout(ctx, holderLimit)
	defer cancel()
	if err := r.messenger.PutProviderAddrs(ctx, p, key, peer.AddrInfo{ID: r.self, Addrs: addrs}); err != nil {
		return fmt.Errorf("kad: write record: %w", err)
	}
	return nil
}

// ask returns the members that p knows for key.
func (r *Router) ask(ctx context.Context, p peer.ID, key multihash.Multihash) answer {
	ctx, cancel := context.WithTimeout(ctx, holderLimit)
	defer cancel()
	members, _, err := r.messenger.GetProviders(ctx, p, key)
	if err != nil {
		return answer{err: fmt.Errorf("kad: ask holder: %w", err)}
	}
	isSelf := func(ai *peer.AddrInfo) bool { return ai.ID == r.self }
	return answer{members: members, named: slices.ContainsFunc(members, isSelf)}
}

// visit asks p. With a wave it writes to p first and waits until the others of
// the wave are written to as well; a holder that then does not name this node
// has lost the record, which a stream that just timed out can cause, and is
// written to once more.
func (r *Router) visit(ctx context.Context, p peer.ID, key multihash.Multihash, w *wave) answer {
	if w == nil {
		return r.ask(ctx, p, key)
	}
	err := r.write(ctx, p, key)
	w.wrote()
	w.wait()
	a := r.ask(ctx, p, key)
	if err == nil && a.err == nil && !a.named && r.write(ctx, p, key) == nil {
		a = r.ask(ctx, p, key)
	}
	return a
}

// wave is a set of writes that all come before the reads that follow: with it
// two newcomers see each other even if each loses a different holder. It waits
// for nobody longer than writeGrace.
type wave struct {
	pending sync.WaitGroup
	over    context.Context
}

// newWave returns a wave of n writes, whose goroutine ends with ctx at latest.
func newWave(ctx context.Context, n int, owner *sync.WaitGroup) *wave {
	over, end := context.WithTimeout(ctx, writeGrace)
	w := &wave{over: over}
	w.pending.Add(n)
	owner.Go(func() {
		defer end()
		w.pending.Wait()
	})
	return w
}

func (w *wave) wrote() { w.pending.Done() }
func (w *wave) wait()  { <-w.over.Done() }
