package kad

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
)

// Waits between attempts to bootstrap are short at first, since the bootstrap
// peer may just be starting. One attempt takes dialLimit at most. A node that
// has peers looks every upkeep whether it still has.
const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = time.Minute
	dialLimit  = 15 * time.Second
	upkeep     = 5 * time.Second
)

// Run joins the network and stays in it until ctx is done or the Router is
// closed; then it returns nil. That nobody can be reached is no error: Run
// tries for ever. Renewals go out while it runs. It may be called once.
func (r *Router) Run(ctx context.Context) error {
	if err := r.beginRun(); err != nil {
		return err
	}
	defer r.work.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()

	var bootstrapping sync.WaitGroup
	bootstrapping.Go(func() { r.bootstrap(ctx) })
	defer bootstrapping.Wait()
	if err := r.announce(ctx); err != nil {
		cancel()
		return fmt.Errorf("kad: run: %w", err)
	}
	return nil
}

func (r *Router) beginRun() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return ErrClosed
	case r.running:
		return ErrRunning
	}
	r.running = true
	r.work.Add(1)
	return nil
}

// bootstrap dials bootstrap peers while that is needed, each time after a
// longer wait, and watches whether it is needed again.
func (r *Router) bootstrap(ctx context.Context) {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		pause := wait/2 + rand.N(wait)
		if !r.needsBootstrap() {
			wait, pause = firstRetry, upkeep
		} else if r.dialBootstrap(ctx) > 0 {
			_ = r.dht.Bootstrap(ctx) // returns nil
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// needsBootstrap reports whether this node knows nobody. On an own network it
// is also true while no bootstrap peer is among those it knows, so that halves
// that started apart grow together.
func (r *Router) needsBootstrap() bool {
	table := r.dht.RoutingTable()
	if table.Size() == 0 || r.cfg.public() {
		return table.Size() == 0
	}
	return !slices.ContainsFunc(r.cfg.Bootstrap, func(ai peer.AddrInfo) bool {
		return table.Find(ai.ID) != "" || r.host.Network().Connectedness(ai.ID) == network.Connected
	})
}

// dialBootstrap dials all bootstrap peers at once and returns how many it
// reached. The host's own back-off is cleared: that of Run takes its place.
func (r *Router) dialBootstrap(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	reached := make(chan bool, len(r.cfg.Bootstrap))
	for _, ai := range r.cfg.Bootstrap {
		go func() {
			if s, ok := r.host.Network().(interface{ Backoff() *swarm.DialBackoff }); ok {
				s.Backoff().Clear(ai.ID)
			}
			err := r.host.Connect(ctx, ai)
			if err != nil {
				r.cfg.Logger.Debug("bootstrap", "peer", ai.ID, "err", err)
			}
			reached <- err == nil
		}()
	}
	n := 0
	for range r.cfg.Bootstrap {
		if <-reached {
			n++
		}
	}
	return n
}

// sleep reports whether d passed before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
