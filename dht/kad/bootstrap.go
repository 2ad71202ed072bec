package kad

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"
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

	var joining sync.WaitGroup
	defer joining.Wait()
	r.openBook(ctx, &joining)
	joining.Go(func() { r.bootstrap(ctx) })
	joining.Go(func() { r.watchLink(ctx) })
	joining.Go(func() { r.keepBook(ctx) })
	joining.Go(func() { r.watchReach(ctx) })
	joining.Go(func() { r.watchAddrs(ctx) })
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
		switch r.rest(ctx, pause) {
		case ended:
			return
		case roused:
			wait = firstRetry / 2
		}
	}
}

// How a rest between two attempts ended.
const (
	rested = iota
	roused // by Wake
	ended  // with the context
)

func (r *Router) rest(ctx context.Context, d time.Duration) int {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return rested
	case <-r.woken:
		return roused
	case <-ctx.Done():
		return ended
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

// dialBootstrap dials all bootstrap peers at once, and with them what is
// remembered of an earlier run, and returns how many it reached. The host's
// own back-off is cleared: that of Run takes its place.
func (r *Router) dialBootstrap(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	peers := r.cfg.Bootstrap
	if r.RoutingTableSize() == 0 {
		peers = slices.Concat(peers, r.remembered)
	}
	type outcome struct {
		id  peer.ID
		err error
	}
	outcomes := make(chan outcome, len(peers))
	for _, ai := range peers {
		go func() { outcomes <- outcome{ai.ID, r.dialAfresh(ctx, ai)} }()
	}
	reached, errs := 0, make(map[peer.ID]error)
	for range peers {
		if o := <-outcomes; o.err == nil {
			reached++
		} else {
			errs[o.id] = o.err
		}
	}
	r.link.attempted(reached, errs)
	return reached
}

func (r *Router) dialAfresh(ctx context.Context, ai peer.AddrInfo) error {
	if s, ok := r.host.Network().(interface{ Backoff() *swarm.DialBackoff }); ok {
		s.Backoff().Clear(ai.ID)
	}
	err := r.host.Connect(ctx, ai)
	if err == nil && r.mute(ai.ID) {
		_ = r.host.Network().ClosePeer(ai.ID)
		err = errMute
	}
	if err != nil {
		r.cfg.Logger.Debug("bootstrap", "peer", ai.ID, "err", err)
	}
	return err
}

// errMute: a connection came about, on which the peer did not say what it speaks.
// libp2p asks once a connection, and a peer that is just starting cannot answer
// yet.
var errMute = errors.New("kad: the peer said nothing of itself")

// mute reports whether a connected peer has had its time to say what it speaks.
func (r *Router) mute(id peer.ID) bool {
	if spoken, err := r.host.Peerstore().GetProtocols(id); err != nil || len(spoken) > 0 {
		return false
	}
	conns := r.host.Network().ConnsToPeer(id)
	return len(conns) > 0 && !slices.ContainsFunc(conns, func(c network.Conn) bool {
		return time.Since(c.Stat().Opened) < identify.DefaultTimeout
	})
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
