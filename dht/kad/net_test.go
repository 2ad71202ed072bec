package kad_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/dht/dhttest"
	"github.com/flashcrowd/flashcrowd/dht/kad"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"go.uber.org/goleak"
)

const patience = 30 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is one router with its host on loopback.
type node struct {
	*kad.Router
	host host.Host
}

func (n node) info() peer.AddrInfo {
	return peer.AddrInfo{ID: n.host.ID(), Addrs: n.host.Addrs()}
}

// newHost returns a host on TCP at the given loopback address, or at one that
// is free when it is "". Connections are not encrypted: that would be half of
// the time that the tests take.
func newHost(t testing.TB, listen string, more ...libp2p.Option) host.Host {
	t.Helper()
	if listen == "" {
		listen = "/ip4/127.0.0.1/tcp/0"
	}
	h, err := libp2p.New(append(more,
		libp2p.ListenAddrStrings(listen),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.NoSecurity,
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
		libp2p.DisableIdentifyAddressDiscovery(),
	)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// start runs a router until the test ends.
func start(t testing.TB, cfg kad.Config) node {
	t.Helper()
	r, err := kad.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(context.Background()); err != nil && !errors.Is(err, kad.ErrClosed) {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		running.Wait()
	})
	return node{r, cfg.Host}
}

// newNet returns n nodes of an own network that all know somebody. The first
// is the bootstrap peer of the others.
func newNet(t testing.TB, n, bucketSize int) []node {
	t.Helper()
	var nodes []node
	for range n {
		cfg := kad.Config{Host: newHost(t, ""), Network: "test", BucketSize: bucketSize}
		if len(nodes) > 0 {
			cfg.Bootstrap = []peer.AddrInfo{nodes[0].info()}
		}
		nodes = append(nodes, start(t, cfg))
	}
	for _, node := range nodes {
		until(t, "a peer in the routing table", func() bool { return n == 1 || node.RoutingTableSize() > 0 })
	}
	return nodes
}

// until polls for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	timeout := time.After(patience)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-timeout:
			t.Fatalf("no %s after %v", what, patience)
		}
	}
}

// all returns what a search yields until it ends.
func all(members <-chan dht.Member) map[string]dht.Member {
	found := make(map[string]dht.Member)
	for m := range members {
		found[m.ID] = m
	}
	return found
}

// untilFound waits until asker finds member under all keys.
func untilFound(t *testing.T, asker, member node, keys ...dht.Key) {
	t.Helper()
	for _, k := range keys {
		until(t, "member", func() bool {
			_, ok := all(asker.Find(t.Context(), k))[member.host.ID().String()]
			return ok
		})
	}
}

func TestConformance(t *testing.T) {
	dhttest.Conformance(t, func(t *testing.T, n int) []dhttest.Node {
		var out []dhttest.Node
		for _, n := range newNet(t, n, 4) {
			out = append(out, dhttest.Node{ID: n.host.ID().String(), Router: n, Keeps: n.Keeps})
		}
		return out
	})
}
