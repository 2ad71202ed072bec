package swarm

import (
	"context"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	ma "github.com/multiformats/go-multiaddr"
)

// No exchange goes through a relay, also for one who insists.
func TestRelayCarriesNoExchange(t *testing.T) {
	middle := newHost(t)
	r, err := relay.New(middle)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	server, err := NewHost(HostConfig{Listen: []string{}, Reach: Reach{On: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	via := peer.AddrInfo{ID: middle.ID(), Addrs: middle.Addrs()}
	if _, err := client.Reserve(t.Context(), server, via); err != nil {
		t.Fatal(err)
	}
	o := newObject(t, "relayed", dataSize)
	newSwarm(t, Config{Host: server, Shelf: newShelf(o)})

	asker, err := libp2p.New(libp2p.NoListenAddrs, libp2p.EnableRelay(), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { asker.Close() })
	place := middle.Addrs()[0].Encapsulate(ma.StringCast("/p2p/" + middle.ID().String() + "/p2p-circuit"))
	ctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(t.Context(), "test"), patient)
	defer cancel()
	if err := asker.Connect(ctx, peer.AddrInfo{ID: server.ID(), Addrs: []ma.Multiaddr{place}}); err != nil {
		t.Fatal(err)
	}
	st, err := asker.NewStream(ctx, server.ID(), Protocol)
	if err != nil {
		return // it was refused at once
	}
	_ = st.SetDeadline(time.Now().Add(patient))
	_, _ = st.Write(appendRequest(nil, o.request(1, askHave)))
	if n, err := st.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("through a relay came %d octets, %v", n, err)
	}
}
