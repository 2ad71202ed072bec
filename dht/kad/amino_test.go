package kad_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/dht/dhttest"
	"github.com/flashcrowd/flashcrowd/dht/kad"
	"github.com/libp2p/go-libp2p"
	kaddht "github.com/libp2p/go-libp2p-kad-dht"
	pb "github.com/libp2p/go-libp2p-kad-dht/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	ma "github.com/multiformats/go-multiaddr"
)

// standIn returns 24 servers of /ipfs/kad/1.0.0 that have each other in their
// routing tables: what a public network is to a node that joins it.
func standIn(t *testing.T, n *internet) []*kaddht.IpfsDHT {
	t.Helper()
	var servers []*kaddht.IpfsDHT
	for range 24 {
		h := n.host(t, libp2p.ForceReachabilityPublic())
		d, err := kaddht.New(h, kaddht.Mode(kaddht.ModeServer), kaddht.DisableAutoRefresh(), kaddht.QueryFilter(kaddht.PublicQueryFilter))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		servers = append(servers, d)
	}
	for _, d := range servers {
		for _, other := range servers {
			if other == d {
				continue
			}
			d.Host().Peerstore().AddAddrs(other.PeerID(), other.Host().Addrs(), peerstore.PermanentAddrTTL)
			if _, err := d.RoutingTable().TryAddPeer(other.PeerID(), true, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	return servers
}

func TestPublicNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t)
		servers := standIn(t, n)
		boot := []peer.AddrInfo{info(servers[0].Host())}
		provider := start(t, kad.Config{Host: n.host(t), Network: kad.Public, Bootstrap: boot})
		asker := start(t, kad.Config{Host: n.host(t), Network: kad.Public, Bootstrap: boot})
		for _, n := range []node{provider, asker} {
			until(t, "routing table", func() bool { return n.RoutingTableSize() >= 10 })
			if n.Mode() != "client" {
				t.Errorf("mode of a node that nobody has reached is %s", n.Mode())
			}
		}
		member := provider.host.ID().String()
		joined, kept := dhttest.Key(t, 0), dhttest.Key(t, 1)

		all(provider.Join(t.Context(), joined))
		if _, ok := all(asker.Find(t.Context(), joined))[member]; !ok {
			t.Error("did not find the node that joined")
		}
		provider.Keep(kept)
		untilFound(t, asker, provider, kept)
		newcomersOnLinks(t, provider, asker)
		dropsPrivate(t, servers, asker)
		deadHoldersDelayNobody(t, servers, provider, asker)
	})
}

func newcomersOnLinks(t *testing.T, a, b node) {
	for i := range 6 {
		k := dhttest.Key(t, 10+i)
		fromA := a.Join(t.Context(), k)
		<-time.After(time.Duration(i) * 30 * time.Millisecond)
		fromB := b.Join(t.Context(), k)
		_, sawA := all(fromB)[a.host.ID().String()]
		_, sawB := all(fromA)[b.host.ID().String()]
		if !sawA && !sawB {
			t.Errorf("key %d: neither saw the other", i)
		}
	}
}

// A record that names private addresses beside a public one yields the public
// one only; one that names none but private yields a member without addresses.
func dropsPrivate(t *testing.T, servers []*kaddht.IpfsDHT, asker node) {
	const public = "/ip4/99.1.2.3/udp/4001/quic-v1"
	private := []string{"/ip4/127.0.0.1/tcp/80", "/ip4/10.1.2.3/tcp/80", "/ip4/192.168.1.1/tcp/80", "/ip6/fe80::1/tcp/80", "/ip6/::1/tcp/80"}
	k := dhttest.Key(t, 20)
	mixed, hidden := servers[1], servers[2]
	record(t, mixed, servers, k, append(private, public))
	record(t, hidden, servers, k, private)

	found := all(asker.Find(t.Context(), k))
	m, ok := found[mixed.PeerID().String()]
	if !ok || !contains(m.Addrs, public) {
		t.Errorf("found %v (%v), want address %s", m, ok, public)
	}
	if _, ok := found[hidden.PeerID().String()]; !ok {
		t.Error("did not find the member that names only private addresses")
	}
	for _, m := range found {
		for _, a := range private {
			if contains(m.Addrs, a) {
				t.Errorf("yielded the private address %s", a)
			}
		}
	}
}

// Where a third of the peers that ought to hold the records is dead, members
// are found in a few round trips of 40 ms and not after time-outs of seconds.
func deadHoldersDelayNobody(t *testing.T, servers []*kaddht.IpfsDHT, provider, asker node) {
	for _, d := range servers[len(servers)-8:] {
		if err := d.Host().Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		k := dhttest.Key(t, 30+i)
		provider.Join(t.Context(), k)
		<-time.After(time.Second)
		began := time.Now()
		select {
		case m := <-asker.Join(t.Context(), k):
			t.Logf("first member after %v", time.Since(began))
			if m.ID != provider.host.ID().String() {
				t.Errorf("found %v", m)
			}
		case <-time.After(time.Second):
			t.Errorf("key %d: nobody found within a second", i)
		}
	}
}

// record makes from claim addrs under k at all servers.
func record(t *testing.T, from *kaddht.IpfsDHT, servers []*kaddht.IpfsDHT, k dht.Key, addrs []string) {
	t.Helper()
	m, err := pb.NewProtocolMessenger(from.MessageSender())
	if err != nil {
		t.Fatal(err)
	}
	self := peer.AddrInfo{ID: from.PeerID()}
	for _, a := range addrs {
		self.Addrs = append(self.Addrs, ma.StringCast(a))
	}
	for _, to := range servers {
		if to == from {
			continue
		}
		if err := m.PutProviderAddrs(t.Context(), to.PeerID(), k.CID().Hash(), self); err != nil {
			t.Fatal(err)
		}
	}
}

func info(h host.Host) peer.AddrInfo { return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()} }

func contains(addrs []string, a string) bool {
	return strings.Contains(strings.Join(addrs, " ")+" ", a+" ")
}

// On an own network a membership is renewed for as long as it lasts, long
// after the first records have run out, and runs out itself once it is left.
func TestMembershipIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t)
		nodes := []node{start(t, kad.Config{Host: n.host(t), Network: "test", BucketSize: 4})}
		boot := []peer.AddrInfo{info(nodes[0].host)}
		for range 3 {
			nodes = append(nodes, start(t, kad.Config{Host: n.host(t), Network: "test", BucketSize: 4, Bootstrap: boot}))
		}
		member, asker := nodes[1], nodes[3]
		until(t, "network", func() bool { return asker.RoutingTableSize() == 3 })
		joined, kept := dhttest.Key(t, 0), dhttest.Key(t, 1)
		all(member.Join(t.Context(), joined))
		member.Keep(kept)

		<-time.After(2 * time.Hour)
		for _, k := range []dht.Key{joined, kept} {
			if _, ok := all(asker.Find(t.Context(), k))[member.host.ID().String()]; !ok {
				t.Error("a membership was not renewed")
			}
		}
		member.Leave(joined, kept)
		<-time.After(time.Hour + time.Minute)
		for _, k := range []dht.Key{joined, kept} {
			if got := all(asker.Find(t.Context(), k)); len(got) != 0 {
				t.Errorf("an hour after it left, the member is found: %v", got)
			}
		}
	})
}
