package kad_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht/dhttest"
	"github.com/flashcrowd/flashcrowd/dht/kad"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// While the bootstrap peer is away searches end quickly; when it appears, so
// does the network.
func TestBootstrapAppearsLater(t *testing.T) {
	key, id, addr := reserve(t)
	boot := peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{ma.StringCast(addr)}}
	early := start(t, kad.Config{Host: newHost(t, ""), Network: "test", Bootstrap: []peer.AddrInfo{boot}})

	k := dhttest.Key(t, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if got := len(all(early.Join(ctx, k))) + len(all(early.Find(ctx, k))); got != 0 || ctx.Err() != nil {
		t.Fatalf("without a network: %d members, %v", got, ctx.Err())
	}
	h := newHost(t, addr, libp2p.Identity(key))
	late := start(t, kad.Config{Host: h, Network: "test"})

	untilFound(t, late, early, k)
}

// Two nodes that met without their bootstrap peer join it when it appears.
func TestHalvesGrowTogether(t *testing.T) {
	key, id, addr := reserve(t)
	boot := []peer.AddrInfo{{ID: id, Addrs: []ma.Multiaddr{ma.StringCast(addr)}}}
	a := start(t, kad.Config{Host: newHost(t, ""), Network: "test", Bootstrap: boot})
	b := start(t, kad.Config{Host: newHost(t, ""), Network: "test", Bootstrap: boot})
	if err := a.host.Connect(t.Context(), b.info()); err != nil {
		t.Fatal(err)
	}
	until(t, "peer", func() bool { return a.RoutingTableSize() > 0 && b.RoutingTableSize() > 0 })

	h := newHost(t, addr, libp2p.Identity(key))
	late := start(t, kad.Config{Host: h, Network: "test"})
	until(t, "whole network", func() bool { return late.RoutingTableSize() == 2 })
}

// reserve returns an identity and an address that nobody uses yet.
func reserve(t *testing.T) (crypto.PrivKey, peer.ID, string) {
	t.Helper()
	key, pub, err := crypto.GenerateEd25519Key(nil)
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return key, id, fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", l.Addr().(*net.TCPAddr).Port)
}
