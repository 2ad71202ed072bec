package kad_test

import (
	"crypto/rand"
	"testing"

	"github.com/flashcrowd/flashcrowd/dht/kad"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	basichost "github.com/libp2p/go-libp2p/p2p/host/basic"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/insecure"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
)

// TestMuteBootstrapPeer: a peer that was dialled amid its start, when it listened
// and no more, never says on that connection what it speaks. It is met again on a
// new one.
func TestMuteBootstrapPeer(t *testing.T) {
	starting := listening(t)
	n := start(t, kad.Config{Host: newHost(t, ""), Network: "test", Bootstrap: []peer.AddrInfo{{ID: starting.LocalPeer(), Addrs: starting.ListenAddresses()}}})
	until(t, "connection", func() bool { return n.host.Network().Connectedness(starting.LocalPeer()) == network.Connected })

	h, err := basichost.NewHost(starting, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	h.Start()
	start(t, kad.Config{Host: h, Network: "test"})
	until(t, "online", func() bool { return n.Connectivity() == kad.Online })
}

// listening returns the network of a host that is not there yet: it takes
// connections as newHost's do, and answers nothing on them.
func listening(t *testing.T) *swarm.Swarm {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	check(t, err)
	id, err := peer.IDFromPrivateKey(key)
	check(t, err)
	store, err := pstoremem.NewPeerstore()
	check(t, err)
	check(t, store.AddPrivKey(id, key))
	check(t, store.AddPubKey(id, key.GetPublic()))
	s, err := swarm.NewSwarm(id, store, eventbus.NewBus())
	check(t, err)
	t.Cleanup(func() { s.Close() })
	up, err := upgrader.New([]sec.SecureTransport{insecure.NewWithIdentity(insecure.ID, id, key)},
		[]upgrader.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}, nil, nil, nil)
	check(t, err)
	over, err := tcp.NewTCPTransport(up, nil, nil)
	check(t, err)
	check(t, s.AddTransport(over))
	addr, err := ma.NewMultiaddr("/ip4/127.0.0.1/tcp/0")
	check(t, err)
	check(t, s.Listen(addr))
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
