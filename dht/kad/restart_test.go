package kad_test

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/dht/dhttest"
	"github.com/flashcrowd/flashcrowd/dht/kad"
	ds "github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	kaddht "github.com/libp2p/go-libp2p-kad-dht"
	pb "github.com/libp2p/go-libp2p-kad-dht/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	ma "github.com/multiformats/go-multiaddr"
)

// counters returns servers of Amino's protocol that know each other and count
// the records that are written to them.
func counters(t *testing.T, w *wires, n int, records *atomic.Int64) []peer.AddrInfo {
	t.Helper()
	var servers []*kaddht.IpfsDHT
	var infos []peer.AddrInfo
	for range n {
		h := w.host(t, libp2p.ForceReachabilityPublic())
		d, err := kaddht.New(h, kaddht.Mode(kaddht.ModeServer), kaddht.DisableAutoRefresh(),
			kaddht.OnRequestHook(func(_ context.Context, _ network.Stream, m *pb.Message) {
				if m.GetType() == pb.Message_ADD_PROVIDER {
					records.Add(1)
				}
			}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		for _, o := range servers {
			for _, p := range [][2]*kaddht.IpfsDHT{{d, o}, {o, d}} {
				p[0].Host().Peerstore().AddAddrs(p[1].PeerID(), p[1].Host().Addrs(), peerstore.PermanentAddrTTL)
				if _, err := p[0].RoutingTable().TryAddPeer(p[1].PeerID(), true, false); err != nil {
					t.Fatal(err)
				}
			}
		}
		servers, infos = append(servers, d), append(infos, info(h))
	}
	return infos
}

// TestRestartsWriteNothingAnew: a node with 10,000 keys that is started again
// and again within an hour renews them when their time has come, as if it had
// run on, and does not write them all each time.
func TestRestartsWriteNothingAnew(t *testing.T) {
	const keys = 10_000
	synctest.Test(t, func(t *testing.T) {
		w, written := new(wires), new(atomic.Int64)
		boot := counters(t, w, 3, written)
		identity, _, err := crypto.GenerateEd25519Key(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		at := []ma.Multiaddr{ma.StringCast("/ip4/99.9.9.9/tcp/1")}
		store := dssync.MutexWrap(ds.NewMapDatastore())
		var kept []dht.Key
		for i := range keys {
			kept = append(kept, dhttest.Key(t, i))
		}
		// run is a life of the node.
		run := func(life time.Duration) {
			h := w.host(t, libp2p.Identity(identity), libp2p.AddrsFactory(func([]ma.Multiaddr) []ma.Multiaddr { return at }))
			named := make(chan struct{})
			r, err := kad.New(kad.Config{
				Kept: named, Host: h, Network: kad.Public, Bootstrap: boot, Datastore: store, Budget: kad.Budget{PerMinute: 6000},
			})
			if err != nil {
				t.Fatal(err)
			}
			var running sync.WaitGroup
			running.Go(func() {
				if err := r.Run(context.Background()); err != nil {
					t.Error(err)
				}
			})
			<-time.After(2 * time.Second) // a large index is read, and peers are known by then
			r.Keep(kept...)
			close(named)
			<-time.After(life)
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			running.Wait()
			h.Close()
		}
		run(15 * time.Minute)
		first := written.Load()
		if first < keys {
			t.Fatalf("of %d keys %d records were written", keys, first)
		}
		for range 5 {
			run(10 * time.Minute)
		}
		again := written.Load() - first
		t.Logf("%d records at first, %d more over five restarts", first, again)
		if again > first/5 {
			t.Errorf("%d records at first, and %d more over five restarts within an hour", first, again)
		}
	})
}
