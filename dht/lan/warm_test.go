package lan

import (
	"context"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht/dhttest"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// connectedTo returns once h is connected to n others.
func connectedTo(t *testing.T, h host.Host, n int) {
	t.Helper()
	sub, err := h.EventBus().Subscribe(new(event.EvtPeerConnectednessChanged))
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for len(h.Network().Peers()) < n {
		select {
		case <-sub.Out():
		case <-time.After(30 * time.Second):
			t.Fatalf("%s is connected to %d others, want %d", h.ID(), len(h.Network().Peers()), n)
		}
	}
}

// warmUp lets all routers connect to whom they know until the test ends.
func warmUp(t *testing.T, all ...*Router) {
	for _, r := range all {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.warm(ctx)
		}()
		t.Cleanup(func() {
			cancel()
			<-done
		})
	}
}

// Neighbours are connected before anything is wanted, by one connection each,
// and again when that is lost; a question then costs no handshake.
func TestNeighboursAreConnected(t *testing.T) {
	const n = 6
	all := neighbours(t, n)
	warmUp(t, all...)
	for _, r := range all {
		connectedTo(t, r.cfg.Host, n-1)
	}
	var dialled int
	for _, r := range all {
		dialled += len(r.cfg.Host.Network().Conns())
	}
	if dialled != n*(n-1) {
		t.Errorf("%d ends of connections among %d nodes, want %d", dialled, n, n*(n-1))
	}
	k := dhttest.Key(t, 0)
	all[0].Keep(k)
	all[1].cfg.Host.Network().Notify(&network.NotifyBundle{
		ConnectedF: func(_ network.Network, c network.Conn) {
			t.Errorf("a question made a connection to %s", c.RemotePeer())
		},
	})
	if m := <-all[1].Find(t.Context(), k); m.ID != all[0].cfg.Host.ID().String() {
		t.Errorf("found %q", m.ID)
	}
}

// A neighbour whose connection was lost is connected to again, but not at once:
// it may be one that closes whatever it accepts.
func TestNeighbourComesBack(t *testing.T) {
	a, b := newRouter(t, newHost(t)), newHost(t)
	a.Met(info(b))
	a.greet(t.Context(), b.ID())
	if !a.connected(b.ID()) {
		t.Fatal("not connected")
	}
	if err := a.cfg.Host.Network().ClosePeer(b.ID()); err != nil {
		t.Fatal(err)
	}
	if p, wait := a.cold(time.Now()); p != "" || wait > warmTurn {
		t.Errorf("greets %q, or nobody for %v", p, wait)
	}
	if p, _ := a.cold(time.Now().Add(warmTurn)); p != b.ID() {
		t.Errorf("greets %q, want %q", p, b.ID())
	}
}

// Names that somebody invents cost a bounded number of dials, one after the
// other, and each of them one in a while.
func TestLyingNamesAreDialledSeldom(t *testing.T) {
	r := newRouter(t, newHost(t))
	r.Met(peer.AddrInfo{ID: newHost(t).ID(), Addrs: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/1")}})
	now := time.Now().Add(warmTurn)
	p, _ := r.cold(now)
	if p == "" {
		t.Fatal("a new neighbour is not dialled")
	}
	if again, wait := r.cold(now); again != "" || wait <= warmTurn {
		t.Errorf("it is dialled again after %v", wait)
	}
	for range maxFailures {
		r.greet(t.Context(), p)
	}
	if r.Neighbours() != 0 {
		t.Error("a neighbour that never answers is still known")
	}
}
