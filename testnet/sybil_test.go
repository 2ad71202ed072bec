package testnet

import (
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	pb "github.com/libp2p/go-libp2p-kad-dht/pb"
	kb "github.com/libp2p/go-libp2p-kbucket"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-msgio/pbio"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch/swarm"
	"github.com/flashcrowd/flashcrowd/node"
)

// nearness of a Sybil is the bits that its place shares with the key's: more
// than anybody honest has by chance in a network of a few.
const nearness = 9

// near returns a key whose peer lies next to k.
func near(t *testing.T, k dht.Key) crypto.PrivKey {
	t.Helper()
	for {
		_, raw, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key, err := crypto.UnmarshalEd25519PrivateKey(raw)
		if err != nil {
			t.Fatal(err)
		}
		if id := peerOf(t, key); kb.CommonPrefixLen(kb.ConvertPeerID(id), kb.ConvertKey(string(k.CID().Hash()))) >= nearness {
			return key
		}
	}
}

func peerOf(t *testing.T, key crypto.PrivKey) peer.ID {
	t.Helper()
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// sybil answers everything honestly but what is about its key: of that it
// knows what lie says, and nothing at all if lie is nil.
type sybil struct {
	key   dht.Key
	asked *atomic.Int64 // about the key
	lie   func() (closer, providers []*pb.Message_Peer)
}

func (s sybil) serve(st network.Stream) {
	defer st.Reset()
	in, out := pbio.NewDelimitedReader(st, network.MessageSizeMax), pbio.NewDelimitedWriter(st)
	for {
		var req pb.Message
		if in.ReadMsg(&req) != nil {
			return
		}
		if req.GetType() == pb.Message_ADD_PROVIDER {
			continue // accepted, and forgotten
		}
		resp := pb.NewMessage(req.GetType(), req.GetKey(), 0)
		if string(req.GetKey()) == string(s.key.CID().Hash()) {
			s.asked.Add(1)
			if s.lie == nil {
				continue
			}
			resp.CloserPeers, resp.ProviderPeers = s.lie()
		}
		if out.WriteMsg(resp) != nil {
			return
		}
	}
}

// invented are 20 peers next to k that do not exist, where nobody listens.
func invented(t *testing.T, k dht.Key) []*pb.Message_Peer {
	t.Helper()
	var out []*pb.Message_Peer
	for range 20 {
		nowhere := ma.StringCast("/ip4/127.0.0.1/tcp/1")
		out = append(out, &pb.Message_Peer{Id: []byte(peerOf(t, near(t, k))), Addrs: [][]byte{nowhere.Bytes()}})
	}
	return out
}

// surround puts 20 Sybils next to k, and makes them known to the nodes of n.
func surround(t *testing.T, n *Net, k dht.Key, kind string, asked *atomic.Int64) {
	t.Helper()
	s := sybil{key: k, asked: asked}
	fakes := invented(t, k)
	switch kind {
	case "fake closer peers":
		s.lie = func() (closer, providers []*pb.Message_Peer) { return fakes, nil }
	case "fake providers":
		s.lie = func() (closer, providers []*pb.Message_Peer) { return nil, fakes }
	}
	for range 20 {
		h, err := swarm.NewHost(swarm.HostConfig{Identity: near(t, k), Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		h.SetStreamHandler(protocol.ID("/flashcrowd/"+Network+"/kad/1.0.0"), s.serve)
		for _, m := range n.Nodes {
			meet(t, h, m)
		}
	}
}

func meet(t *testing.T, h host.Host, m *Node) {
	t.Helper()
	info, err := peer.AddrInfoFromString(m.PeerAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Connect(t.Context(), *info); err != nil {
		t.Fatal(err)
	}
}

// TestSybilsAtAKey: the 20 nodes nearest to both keys of an object belong to an
// attacker. Who knows nobody else has it from the origin in the origin's own
// time; who has exchanged with an honest member before has it from that one.
func TestSybilsAtAKey(t *testing.T) {
	for _, kind := range []string{"silence", "fake closer peers", "fake providers"} {
		t.Run(kind, func(t *testing.T) {
			o := testOrigin(t)
			first, second := Random(4<<20, 1), Random(8<<20, 2)
			o.Put("/first.bin", File{Body: first})
			o.Put("/second.bin", File{Body: second})
			n := testNet(t, Config{Nodes: 2, Configure: func(_ int, c *node.Config) { c.LAN = node.Off }})
			member, asker := n.Nodes[0], n.Nodes[1]
			fetchBody(t, member, o.URL+"/first.bin", first)
			o.Pace.SetRate(uplink)
			if r, _ := fetchBody(t, asker, o.URL+"/first.bin", first); from(r, "peer") == 0 {
				t.Fatal("the two did not meet before the attack")
			}
			var asked atomic.Int64
			for _, k := range keysOf(t, o.URL+"/second.bin", second) {
				surround(t, n, k, kind, &asked)
			}
			direct := time.Now()
			resp, err := http.Get(o.URL + "/second.bin")
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			alone := time.Since(direct)

			began := time.Now()
			r, _ := fetchBody(t, member, o.URL+"/second.bin", second)
			if took := time.Since(began); took > alone*3/2+time.Second {
				t.Errorf("took %v, direct %v", took, alone)
			}
			if from(r, "origin") != int64(len(second)) {
				t.Errorf("who else could have had it? %+v", r.Sources)
			}
			if r, _ = fetchBody(t, asker, o.URL+"/second.bin", second); from(r, "peer") == 0 {
				t.Errorf("the member that was known before delivered nothing: %+v", r.Sources)
			}
			if asked.Load() < 20 {
				t.Errorf("the Sybils were asked %d times: this was no attack", asked.Load())
			}
		})
	}
}
