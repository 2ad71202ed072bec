package kad_test

import (
	"crypto/rand"
	"testing"

	"github.com/flashcrowd/flashcrowd/dht/dhttest"
	"github.com/flashcrowd/flashcrowd/dht/kad"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/namespace"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	pb "github.com/libp2p/go-libp2p-kad-dht/pb"
	"github.com/libp2p/go-libp2p-kad-dht/provider/keystore"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/test"
	"github.com/libp2p/go-msgio/pbio"
)

// A holder that names thousands who do not exist neither fills a search
// without bound nor hides the member that other holders name.
func TestFloodOfMembers(t *testing.T) {
	nodes := newNet(t, 5, 20)
	member, asker := nodes[2], nodes[4]
	liar := newHost(t, "")
	liar.SetStreamHandler("/flashcrowd/test/kad/1.0.0", flood)
	for _, n := range nodes {
		if err := liar.Connect(t.Context(), n.info()); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "trust in the liar", func() bool { return asker.DHT().RoutingTable().Find(liar.ID()) != "" })
	k := dhttest.Key(t, 0)
	all(member.Join(t.Context(), k))
	found := all(asker.Join(t.Context(), k))
	if _, ok := found[member.host.ID().String()]; !ok {
		t.Errorf("a Join found %d members, not the one that is there", len(found))
	}
	if len(found) < 100 || len(found) > 2000 {
		t.Errorf("yielded %d members", len(found))
	}
	for id := range found {
		if _, err := peer.Decode(id); err != nil {
			t.Errorf("yielded %q, which is no peer ID", id)
		}
	}
	if _, ok := all(asker.Find(t.Context(), k))[member.host.ID().String()]; !ok {
		t.Error("a repeated Find did not find the member that is there")
	}
}

// flood answers every request, those for members with some that do not exist.
func flood(s network.Stream) {
	defer s.Close()
	in, out := pbio.NewDelimitedReader(s, network.MessageSizeMax), pbio.NewDelimitedWriter(s)
	for {
		var req pb.Message
		if in.ReadMsg(&req) != nil {
			return
		}
		resp := pb.NewMessage(req.GetType(), req.GetKey(), 0)
		switch req.GetType() {
		case pb.Message_ADD_PROVIDER:
			continue
		case pb.Message_FIND_NODE:
			resp.CloserPeers = []*pb.Message_Peer{{Id: []byte(s.Conn().RemotePeer())}}
		case pb.Message_GET_PROVIDERS:
			for i := range 3000 {
				id, err := test.RandPeerID()
				if err != nil || i%10 == 0 {
					id = "no peer ID at all"
				}
				resp.ProviderPeers = append(resp.ProviderPeers, &pb.Message_Peer{Id: []byte(id), Addrs: [][]byte{{0xff, 1}}})
			}
		}
		if out.WriteMsg(resp) != nil {
			return
		}
	}
}

// What a datastore remembers is renewed only if it is named again: the rest
// may be what the user has deleted meanwhile.
func TestRestart(t *testing.T) {
	store := dssync.MutexWrap(ds.NewMapDatastore())
	identity, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other := newNet(t, 1, 4)[0]
	kept, dropped, fresh := dhttest.Key(t, 0), dhttest.Key(t, 1), dhttest.Key(t, 2)
	run := func(t *testing.T, use func(n node)) {
		h := newHost(t, "", libp2p.Identity(identity))
		n := start(t, kad.Config{Host: h, Network: "test", Bootstrap: []peer.AddrInfo{other.info()}, Datastore: store, BucketSize: 4})
		use(n)
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		h.Close()
	}
	run(t, func(n node) {
		n.Keep(kept, dropped)
		untilFound(t, other, n, dropped, kept)
	})
	if got := renewed(t, store); got != 2 {
		t.Errorf("remembers %d keys, want 2", got)
	}
	run(t, func(n node) {
		n.Keep(kept)
		n.Keep(fresh)
		untilFound(t, other, n, fresh)
	})
	if got := renewed(t, store); got != 2 {
		t.Errorf("remembers %d keys after the restart, want the 2 that were named", got)
	}
}

// renewed returns the number of keys that a closed router left to renew.
func renewed(t *testing.T, store ds.Batching) int {
	t.Helper()
	keys, err := keystore.NewKeystore(namespace.Wrap(store, ds.NewKey("/kad/test/keys")))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	stored, err := keys.Get(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return len(stored)
}
