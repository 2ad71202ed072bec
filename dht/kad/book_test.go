package kad_test

import (
	"crypto/rand"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/dht/dhttest"
	"github.com/flashcrowd/flashcrowd/dht/kad"
	ds "github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// A node that comes back finds its network by the peers of its earlier run,
// though its bootstrap peer is gone.
func TestRestartWithoutBootstrapPeers(t *testing.T) {
	nodes := newNet(t, 4, 4)
	store := dssync.MutexWrap(ds.NewMapDatastore())
	cfg := kad.Config{Network: "test", BucketSize: 4, Datastore: store, Bootstrap: []peer.AddrInfo{nodes[0].info()}}
	cfg.Host = newHost(t, "")
	first := start(t, cfg)
	until(t, "routing table", func() bool { return first.RoutingTableSize() == 4 })
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	first.host.Close()
	nodes[0].Close()
	nodes[0].host.Close()

	cfg.Host = newHost(t, "")
	again := start(t, cfg)
	until(t, "peer of the earlier run", func() bool { return again.RoutingTableSize() > 0 })
	k := dhttest.Key(t, 0)
	all(nodes[2].Join(t.Context(), k))
	untilFound(t, again, nodes[2], k)
	if got := again.Connectivity(); got != kad.Online {
		t.Errorf("connectivity is %s", got)
	}
}

// Peers that were good come first in the book and in what a search yields, and
// a book that somebody wrote over is an empty one.
func TestGoodPeersComeFirst(t *testing.T) {
	nodes := newNet(t, 3, 4)
	good := nodes[2]
	store := dssync.MutexWrap(ds.NewMapDatastore())
	cfg := kad.Config{
		Host: newHost(t, ""), Network: "test", BucketSize: 4, Datastore: store, Bootstrap: []peer.AddrInfo{nodes[0].info()},
		Good: func() []peer.ID { return []peer.ID{good.host.ID()} },
	}
	n := start(t, cfg)
	until(t, "acquaintance", func() bool { return len(n.host.Network().ConnsToPeer(good.host.ID())) > 0 })
	m, ok := <-n.Find(t.Context(), dhttest.Key(t, 0))
	if !ok || m.ID != good.host.ID().String() || len(m.Addrs) == 0 {
		t.Errorf("a search began with %+v, %v", m, ok)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if book := n.Book(); len(book) == 0 || book[0].ID != good.host.ID() {
		t.Errorf("the book is %v", book)
	}
	if err := store.Put(t.Context(), ds.NewKey("/kad/test/book"), []byte(`{"not":"a list`)); err != nil {
		t.Fatal(err)
	}
	if book := n.Book(); book != nil {
		t.Errorf("read %v from a broken book", book)
	}
}

// A portal that answers for every address is told apart from a network where
// nobody answers, and left behind as soon as the peer itself answers.
func TestCaptivePortal(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go answerLikeAPortal(l)
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := ma.NewMultiaddr("/ip4/127.0.0.1/tcp/" + portOf(l))
	if err != nil {
		t.Fatal(err)
	}
	n := start(t, kad.Config{Host: newHost(t, ""), Network: "test", Bootstrap: []peer.AddrInfo{{ID: id, Addrs: []ma.Multiaddr{addr}}}})
	until(t, "captive", func() bool { return n.Connectivity() == kad.Captive })

	l.Close()
	until(t, "alone", func() bool { n.Wake(); return n.Connectivity() == kad.Alone })
	start(t, kad.Config{Host: newHost(t, addr.String(), libp2p.Identity(key)), Network: "test"})
	until(t, "online", func() bool { n.Wake(); return n.Connectivity() == kad.Online })
}

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func answerLikeAPortal(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_, _ = c.Write([]byte("HTTP/1.1 302 Found\r\nLocation: http://portal.example/login\r\nContent-Length: 0\r\n\r\n"))
			_, _ = c.Read(make([]byte, 512))
		}()
	}
}

// A node that has known nobody for an hour joins within seconds when it is
// woken, and not only at its next attempt.
func TestWakeDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t)
		key, _, err := crypto.GenerateEd25519Key(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		id, err := peer.IDFromPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		boot := peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{ma.StringCast("/ip4/52.2.1.1/udp/8000/quic-v1")}}
		early := start(t, kad.Config{Host: n.host(t), Network: "test", Bootstrap: []peer.AddrInfo{boot}})
		<-time.After(time.Hour)
		start(t, kad.Config{Host: n.host(t, libp2p.Identity(key)), Network: "test"})
		early.Wake()
		<-time.After(3 * time.Second)
		if early.RoutingTableSize() == 0 {
			t.Error("three seconds after it was woken, the node knows nobody")
		}
	})
}
