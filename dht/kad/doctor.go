package kad

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	madns "github.com/multiformats/go-multiaddr-dns"
)

// What a check can find. Each is wrapped with what exactly was tried.
var (
	// ErrResolve: a bootstrap address is a name that has no address.
	ErrResolve = errors.New("kad: bootstrap name does not resolve")
	// ErrBootstrap: no bootstrap peer answers.
	ErrBootstrap = errors.New("kad: no bootstrap peer answers")
	// ErrNotDialable: others tried and could not reach this node.
	ErrNotDialable = errors.New("kad: other nodes cannot reach this one")
	// ErrNotMeasured: nobody has tried yet.
	ErrNotMeasured = errors.New("kad: nobody has tried to reach this node yet")
	// ErrProvide: a record could not be written to most of its holders.
	ErrProvide = errors.New("kad: records are not accepted")
	// ErrFind: a record that was written is not found.
	ErrFind = errors.New("kad: records are not found")
)

// Check is one thing that has to be right for this node to find others and be
// found. The checks of a router stand in the order in which they build on each
// other.
type Check struct {
	Name string
	// Run returns nil, or one of the errors of this package. It takes as long
	// as ctx allows, and changes nothing but a record that soon runs out.
	Run func(ctx context.Context) error
}

// Checks returns what a doctor looks at.
func (r *Router) Checks() []Check {
	k := randomKey()
	return []Check{
		{"resolve", r.checkResolve},
		{"bootstrap", r.checkBootstrap},
		{"dialable", r.checkDialable},
		{"provide", func(ctx context.Context) error { return r.checkProvide(ctx, k) }},
		{"find", func(ctx context.Context) error { return r.checkFind(ctx, k) }},
	}
}

// randomKey is one that nobody else announces or looks for.
func randomKey() dht.Key {
	var id dht.ID
	_, _ = rand.Read(id[:]) // never fails
	return id.Key()
}

func (r *Router) checkResolve(ctx context.Context) error {
	for _, ai := range r.cfg.Bootstrap {
		for _, a := range ai.Addrs {
			if !madns.Matches(a) {
				continue
			}
			if found, err := madns.DefaultResolver.Resolve(ctx, a); err != nil {
				return fmt.Errorf("%w: %s: %w", ErrResolve, a, err)
			} else if len(found) == 0 {
				return fmt.Errorf("%w: %s", ErrResolve, a)
			}
		}
	}
	return nil
}

// checkBootstrap wants one bootstrap peer to speak the protocol of this
// network. A node that has none, by the user's wish, wants any peer.
func (r *Router) checkBootstrap(ctx context.Context) error {
	if len(r.cfg.Bootstrap) == 0 {
		if r.Connectivity() != Online {
			return fmt.Errorf("%w: none is named, and no peer is known", ErrBootstrap)
		}
		return nil
	}
	errs := make([]error, len(r.cfg.Bootstrap))
	var asked sync.WaitGroup
	for i, ai := range r.cfg.Bootstrap {
		asked.Go(func() {
			if errs[i] = r.dialAfresh(ctx, ai); errs[i] == nil {
				errs[i] = r.messenger.Ping(ctx, ai.ID)
			}
		})
	}
	asked.Wait()
	for _, err := range errs {
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: %w", ErrBootstrap, errors.Join(errs...))
}

// checkDialable reports what others measured. On a network of one's own where
// nobody measures, a peer that has dialled in is proof enough.
func (r *Router) checkDialable(context.Context) error {
	switch r.Reachability() {
	case network.ReachabilityPublic:
		return nil
	case network.ReachabilityPrivate:
		return fmt.Errorf("%w: open or forward the port of %v", ErrNotDialable, r.host.Network().ListenAddresses())
	}
	for _, c := range r.host.Network().Conns() {
		if c.Stat().Direction == network.DirInbound {
			return nil
		}
	}
	return ErrNotMeasured
}

func (r *Router) checkProvide(ctx context.Context, k dht.Key) error {
	holders, err := r.dht.GetClosestPeers(ctx, string(k.CID().Hash()))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProvide, err)
	}
	if len(holders) == 0 {
		return fmt.Errorf("%w: nobody is there to hold them", ErrProvide)
	}
	wrote := r.each(holders, func(p peer.ID) error { return r.write(ctx, p, k.CID().Hash()) })
	if 2*len(wrote) < len(holders) {
		return fmt.Errorf("%w: by %d of %d holders", ErrProvide, len(holders)-len(wrote), len(holders))
	}
	return nil
}

// checkFind looks for the record that checkProvide wrote.
func (r *Router) checkFind(ctx context.Context, k dht.Key) error {
	holders, err := r.dht.GetClosestPeers(ctx, string(k.CID().Hash()))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFind, err)
	}
	named := r.each(holders, func(p peer.ID) error {
		if a := r.ask(ctx, p, k.CID().Hash()); a.err != nil || !a.named {
			return errors.Join(ErrFind, a.err)
		}
		return nil
	})
	if len(named) == 0 {
		return fmt.Errorf("%w: none of %d holders names this node", ErrFind, len(holders))
	}
	return nil
}

// each calls do for all peers at once and returns those for which it did not
// fail.
func (r *Router) each(peers []peer.ID, do func(peer.ID) error) []peer.ID {
	var mu sync.Mutex // guards good
	var good []peer.ID
	var work sync.WaitGroup
	for _, p := range peers {
		work.Go(func() {
			if do(p) == nil {
				mu.Lock()
				good = append(good, p)
				mu.Unlock()
			}
		})
	}
	work.Wait()
	return good
}

// Reachability returns what AutoNAT has measured.
func (r *Router) Reachability() network.Reachability {
	r.link.mu.Lock()
	defer r.link.mu.Unlock()
	return r.link.reach
}

// watchReach follows what AutoNAT measures until ctx is done.
func (r *Router) watchReach(ctx context.Context) {
	sub, err := r.host.EventBus().Subscribe(new(event.EvtLocalReachabilityChanged))
	if err != nil {
		r.cfg.Logger.Warn("watch reachability", "err", err)
		return
	}
	defer sub.Close()
	for {
		select {
		case e := <-sub.Out():
			if e, ok := e.(event.EvtLocalReachabilityChanged); ok {
				r.link.mu.Lock()
				r.link.reach = e.Reachability
				r.link.mu.Unlock()
			}
		case <-ctx.Done():
			return
		}
	}
}
