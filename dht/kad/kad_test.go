package kad_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/dht/dhttest"
	"github.com/flashcrowd/flashcrowd/dht/kad"
	kb "github.com/libp2p/go-libp2p-kbucket"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"
)

func TestFortyNodes(t *testing.T) {
	nodes := newNet(t, 40, 4)
	t.Run("FindsUnconnectedMember", func(t *testing.T) { findsUnconnectedMember(t, nodes) })
	t.Run("NewcomersSeeEachOther", func(t *testing.T) { newcomersSeeEachOther(t, nodes) })
	t.Run("AsksRememberedHolders", func(t *testing.T) { asksRememberedHolders(t, nodes) })
}

// A member is found through the DHT by a node that is not connected to it and
// holds no record of it.
func findsUnconnectedMember(t *testing.T, nodes []node) {
	provider, asker := nodes[1], nodes[len(nodes)-1]
	k := keyFarFrom(t, nodes, asker)
	all(provider.Join(t.Context(), k))

	part(t, provider, asker)
	found := all(asker.Find(t.Context(), k))
	m, ok := found[provider.host.ID().String()]
	if !ok {
		t.Fatalf("found %d members, not the one that joined", len(found))
	}
	if !slices.ContainsFunc(m.Addrs, func(a string) bool { return strings.HasPrefix(a, "/ip4/127.0.0.1/tcp/") }) {
		t.Errorf("its addresses are %v", m.Addrs)
	}
}

// keyFarFrom returns a key of which the node will hold no record.
func keyFarFrom(t *testing.T, nodes []node, n node) dht.Key {
	t.Helper()
	var ids []peer.ID
	for _, n := range nodes {
		ids = append(ids, n.host.ID())
	}
	for i := range 1000 {
		k := dhttest.Key(t, i)
		nearest := kb.SortClosestPeers(ids, kb.ConvertKey(string(k.CID().Hash())))
		if slices.Index(nearest, n.host.ID()) > len(ids)/2 {
			return k
		}
	}
	t.Fatal("no key is far from the node")
	return dht.Key{}
}

// part makes two nodes strangers to each other.
func part(t *testing.T, a, b node) {
	t.Helper()
	for _, p := range [][2]node{{a, b}, {b, a}} {
		p[0].DHT().RoutingTable().RemovePeer(p[1].host.ID())
		_ = p[0].host.Network().ClosePeer(p[1].host.ID())
	}
	until(t, "separation", func() bool {
		return a.host.Network().Connectedness(b.host.ID()) == network.NotConnected &&
			b.host.Network().Connectedness(a.host.ID()) == network.NotConnected
	})
	a.host.Peerstore().ClearAddrs(b.host.ID())
	b.host.Peerstore().ClearAddrs(a.host.ID())
}

func TestSmallNetworks(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			nodes := newNet(t, n, 20)
			k := dhttest.Key(t, 0)
			for i, node := range nodes {
				if got := len(all(node.Join(t.Context(), k))); got != i {
					t.Errorf("joined as number %d and saw %d members", i+1, got)
				}
			}
			for _, node := range nodes {
				found := all(node.Find(t.Context(), k))
				if len(found) != n-1 {
					t.Errorf("found %d members, want %d", len(found), n-1)
				}
				for _, m := range found {
					if len(m.Addrs) == 0 {
						t.Errorf("found %s without an address", m.ID)
					}
				}
			}
		})
	}
}

// Of two that join at once in a larger network, at least one sees the other,
// whatever each of them knows of the network.
func newcomersSeeEachOther(t *testing.T, nodes []node) {
	for i := range nodes {
		a, b := nodes[i%len(nodes)], nodes[(i*7+5)%len(nodes)]
		if a.host.ID() == b.host.ID() {
			continue
		}
		k := dhttest.Key(t, i)
		var sawB, sawA bool
		var both sync.WaitGroup
		both.Go(func() { _, sawB = all(a.Join(t.Context(), k))[b.host.ID().String()] })
		both.Go(func() { _, sawA = all(b.Join(t.Context(), k))[a.host.ID().String()] })
		both.Wait()
		if !sawA && !sawB {
			t.Errorf("key %d: neither saw the other", i)
		}
	}
}

// A repeated Find asks the peers that held the records the last time, and
// walks when most of them are gone. It leaves the network without them.
func asksRememberedHolders(t *testing.T, nodes []node) {
	asker, k := nodes[3], dhttest.Key(t, 0)
	if got := all(asker.Find(t.Context(), k)); len(got) != 0 {
		t.Fatalf("found %v before anybody joined", got)
	}
	all(nodes[7].Join(t.Context(), k))
	member := nodes[7].host.ID().String()
	if _, ok := all(asker.Find(t.Context(), k))[member]; !ok {
		t.Error("the remembered holders did not name the new member")
	}
	holders := asker.Holders(k)
	if len(holders) != 4 {
		t.Fatalf("remembers %d holders, want 4", len(holders))
	}
	for _, n := range nodes {
		if slices.Contains(holders[:3], n.host.ID()) && n.host.ID().String() != member {
			n.Close()
			n.host.Close()
		}
	}
	all(nodes[7].Join(t.Context(), k))
	if _, ok := all(asker.Find(t.Context(), k))[member]; !ok {
		t.Error("did not find the member after the holders had gone")
	}
}

func TestConfigErrors(t *testing.T) {
	h := newHost(t, "")
	for name, cfg := range map[string]kad.Config{
		"no host":           {Network: "test"},
		"no network":        {Host: h},
		"bad name":          {Host: h, Network: "a/b"},
		"long name":         {Host: h, Network: strings.Repeat("a", 65)},
		"negative bucket":   {Host: h, Network: "test", BucketSize: -1},
		"own Amino buckets": {Host: h, Network: kad.Public, BucketSize: 4},
	} {
		if r, err := kad.New(cfg); !errors.Is(err, kad.ErrConfig) {
			t.Errorf("%s: New returned %v, %v", name, r, err)
		}
	}
}

func TestAfterClose(t *testing.T) {
	n, err := kad.New(kad.Config{Host: newHost(t, ""), Network: "test"})
	if err != nil {
		t.Fatal(err)
	}
	runs := make(chan error, 2)
	for range 2 {
		go func() { runs <- n.Run(context.Background()) }()
	}
	if err := <-runs; !errors.Is(err, kad.ErrRunning) {
		t.Errorf("second Run: %v", err)
	}
	for range 2 {
		if err := n.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := <-runs; err != nil {
		t.Errorf("Run ended by Close: %v", err)
	}
	if n.Mode() != "client" {
		t.Error("a closed router still answers")
	}
	k := dhttest.Key(t, 0)
	if got := len(all(n.Join(t.Context(), k))) + len(all(n.Find(t.Context(), k))); got != 0 {
		t.Errorf("a closed router found %d members", got)
	}
	n.Keep(k)
	n.Leave(k)
	if err := n.Run(t.Context()); !errors.Is(err, kad.ErrClosed) {
		t.Errorf("Run after Close: %v", err)
	}
}

func TestModeAndZeroKey(t *testing.T) {
	n := newNet(t, 1, 4)[0]
	if n.Mode() != "server" {
		t.Errorf("mode on an own network is %s", n.Mode())
	}
	if got := all(n.Join(t.Context(), dht.Key{})); len(got) != 0 || n.Keeps(dht.Key{}) {
		t.Errorf("joined no key: %v", got)
	}
	n.Keep(dht.Key{})
	if n.Keeps(dht.Key{}) {
		t.Error("keeps no key")
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	cfg := kad.Config{Host: newHost(t, ""), Network: "test", Metrics: reg}
	n := start(t, cfg)
	all(n.Join(t.Context(), dhttest.Key(t, 0)))
	n.Keep(dhttest.Key(t, 1), dhttest.Key(t, 2))
	n.Leave(dhttest.Key(t, 2))

	values := make(map[string]float64)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			values[f.GetName()] = m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	if values["flashcrowd_provided_keys"] != 2 || values["flashcrowd_dht_lookup_seconds"] != 1 {
		t.Errorf("metrics are %v", values)
	}
	if _, err := kad.New(cfg); err == nil {
		t.Error("two routers registered the same metrics")
	}
	n.Close()
	if families, _ = reg.Gather(); len(families) != 0 {
		t.Errorf("a closed router leaves %d metrics", len(families))
	}
}
