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

// enrol makes this node known to holders if that is what the search is for.
func (s *search) enrol(ctx context.Context, holders []peer.ID) {
	if s.join {
		s.contact(ctx, holders)
	}
}

// contact asks those holders that were not asked yet; a Join writes first.
func (s *search) contact(ctx context.Context, holders []peer.ID) {
	holders = slices.DeleteFunc(slices.Clone(holders), func(p peer.ID) bool { return slices.Contains(s.holders, p) })
	if len(holders) == 0 || ctx.Err() != nil {
		return
	}
	s.holders = append(s.holders, holders...)
	s.asking += len(holders)
	var w *wave
	if s.join {
		w = newWave(ctx, len(holders), &s.work)
	}
	for _, p := range holders {
		s.work.Go(func() {
			a := s.r.visit(ctx, p, s.key.CID().Hash(), w)
			select {
			case s.answers <- a:
			case <-ctx.Done():
			}
		})
	}
}

// take offers what one holder said.
func (s *search) take(a answer) {
	if a.err != nil {
		return
	}
	s.answered++
	if a.named {
		s.named++
	}
	for _, ai := range a.members[:min(len(a.members), maxPerHolder)] {
		s.offer(*ai)
	}
}

// walkInstead walks after all when less than half of the remembered holders
// answered.
func (s *search) walkInstead(ctx context.Context) {
	if s.asking > 0 || s.walked || 2*s.answered >= len(s.holders) {
		return
	}
	s.r.recent.drop(s.id())
	s.startWalk(ctx)
}

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
