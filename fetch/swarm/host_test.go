package swarm

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// TestTakenPort: each taken port is an error that names the address, also
// when other addresses could be had, and also when another host holds it.
func TestTakenPort(t *testing.T) {
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	host := newHost(t, "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1")
	taken := []string{
		fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", tcp.Addr().(*net.TCPAddr).Port),
		fmt.Sprintf("/ip4/127.0.0.1/udp/%d/quic-v1", udp.LocalAddr().(*net.UDPAddr).Port),
	}
	for _, a := range host.Network().ListenAddresses() {
		taken = append(taken, a.String())
	}
	if len(taken) != 4 {
		t.Fatalf("addresses: %v", taken)
	}
	for _, addr := range taken {
		h, err := NewHost(HostConfig{Listen: []string{"/ip4/127.0.0.1/tcp/0", addr}})
		if err == nil {
			h.Close()
			t.Errorf("listens on %s, which is taken", addr)
		} else if !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "taken") {
			t.Errorf("%s: the error does not say so: %v", addr, err)
		}
	}
}

// TestHostConfig: what is refused, and how a host presents itself.
func TestHostConfig(t *testing.T) {
	secp, _, err := crypto.GenerateSecp256k1Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]HostConfig{
		"other key":          {Identity: secp, Listen: []string{}},
		"nonsense":           {Listen: []string{"nonsense"}},
		"other transport":    {Listen: []string{"/ip4/127.0.0.1/tcp/0/ws"}},
		"udp alone":          {Listen: []string{"/ip4/127.0.0.1/udp/0"}},
		"not of the machine": {Listen: []string{"/ip4/192.0.2.1/tcp/0"}},
	} {
		if h, err := NewHost(cfg); err == nil {
			h.Close()
			t.Errorf("%s: no error", name)
		}
	}
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h, err := NewHost(HostConfig{Identity: key, Version: "1.2.3", Listen: []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if !h.ID().MatchesPrivateKey(key) || len(h.Network().ListenAddresses()) != 2 {
		t.Errorf("host %s listens on %v", h.ID(), h.Network().ListenAddresses())
	}
	other := newHost(t, []string{}...)
	if err := other.Connect(t.Context(), peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}); err != nil {
		t.Fatal(err)
	}
	agent, err := other.Peerstore().Get(h.ID(), "AgentVersion")
	if err != nil || agent != "flashcrowd/1.2.3" {
		t.Errorf("agent %v, %v", agent, err)
	}
	if got := transportOf(other.Network().ConnsToPeer(h.ID())[0].RemoteMultiaddr()); got != "tcp" {
		t.Errorf("of TCP and QUIC %s was dialled", got)
	}
}

// TestManyFromOneAddress: one address may have more connections than libp2p
// grants by itself, and no more than is configured.
func TestManyFromOneAddress(t *testing.T) {
	cfg := HostConfig{ConnsPerIP: 20}
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	rm, err := cfg.resources()
	if err != nil {
		t.Fatal(err)
	}
	defer rm.Close()
	open := 0
	for range 40 {
		c, err := rm.OpenConnection(network.DirInbound, true, ma.StringCast("/ip4/203.0.113.7/tcp/4001"))
		if err != nil {
			break
		}
		open++
		if err := c.SetPeer(somePeer(t)); err != nil {
			t.Fatal(err)
		}
	}
	if open != 20 {
		t.Errorf("%d connections from one address", open)
	}
}

func TestTCPFirst(t *testing.T) {
	var addrs []ma.Multiaddr
	for _, a := range []string{
		"/ip4/203.0.113.7/udp/1/quic-v1", "/ip4/203.0.113.7/tcp/1", "/ip4/203.0.113.8/tcp/1", "/ip6/2001:db8::1/udp/1/quic-v1",
		"/ip6/2001:db8::1/tcp/1", "/ip4/127.0.0.1/tcp/1", "/ip4/192.168.0.1/udp/1/quic-v1", "/ip4/203.0.113.7/tcp/1/ws",
	} {
		addrs = append(addrs, ma.StringCast(a))
	}
	var got []string
	for _, d := range tcpFirst(addrs) {
		got = append(got, fmt.Sprint(d.Delay.Milliseconds(), " ", d.Addr))
	}
	want := []string{
		"0 /ip4/127.0.0.1/tcp/1", "250 /ip4/192.168.0.1/udp/1/quic-v1",
		"0 /ip6/2001:db8::1/tcp/1", "250 /ip4/203.0.113.7/tcp/1", "500 /ip6/2001:db8::1/udp/1/quic-v1",
		"750 /ip4/203.0.113.7/udp/1/quic-v1", "1000 /ip4/203.0.113.7/tcp/1/ws", "1250 /ip4/203.0.113.8/tcp/1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPeersAreBounded: the peer that was used longest ago is forgotten, and
// none that is in use.
func TestPeersAreBounded(t *testing.T) {
	l := Limits{Peers: 3}
	l.setDefaults()
	tab := newTable(l)
	var ids []peer.ID
	for range 3 {
		ids = append(ids, somePeer(t))
	}
	first, err := tab.use(ids[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids[1:] {
		r, err := tab.use(id)
		if err != nil {
			t.Fatal(err)
		}
		tab.done(r)
	}
	for range 20 {
		r, err := tab.use(somePeer(t))
		if err != nil {
			t.Fatal(err)
		}
		tab.done(r)
	}
	if len(tab.infos()) != 3 || tab.peers[ids[0]] != first {
		t.Errorf("%d peers, the one in use is there: %v", len(tab.infos()), tab.peers[ids[0]] == first)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if _, err := tab.use(somePeer(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := tab.use(somePeer(t)); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	tab.done(first)
	tab.expire(first.used.Add(peerLife))
	if tab.peers[ids[0]] != nil {
		t.Error("a peer of long ago is remembered")
	}
}
