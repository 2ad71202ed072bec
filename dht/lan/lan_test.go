package lan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/dht/dhttest"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/test"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newHost(t testing.TB) host.Host {
	t.Helper()
	h, err := libp2p.New(
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Transport(tcp.NewTCPTransport),
		libp2p.ResourceManager(&network.NullResourceManager{}), libp2p.NoSecurity, libp2p.DisableRelay(),
		libp2p.DisableMetrics(), libp2p.DisableIdentifyAddressDiscovery(),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func newRouter(t testing.TB, h host.Host) *Router {
	t.Helper()
	r, err := New(Config{Host: h, Network: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// neighbours returns n routers that have met each other.
func neighbours(t testing.TB, n int) []*Router {
	t.Helper()
	var all []*Router
	for range n {
		all = append(all, newRouter(t, newHost(t)))
	}
	for _, r := range all {
		for _, other := range all {
			r.Met(info(other.cfg.Host))
		}
	}
	return all
}

func info(h host.Host) peer.AddrInfo { return peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()} }

func TestConformance(t *testing.T) {
	dhttest.Conformance(t, func(t *testing.T, n int) []dhttest.Node {
		var out []dhttest.Node
		for _, r := range neighbours(t, n) {
			keeps := func(k dht.Key) bool { return r.belongs(string(k.CID().Hash())) }
			out = append(out, dhttest.Node{ID: r.cfg.Host.ID().String(), Router: r, Keeps: keeps})
		}
		return out
	})
}

func TestThirtyNeighbours(t *testing.T) {
	all := neighbours(t, 30)
	k := dhttest.Key(t, 0)
	for _, r := range all[:29] {
		r.Keep(k)
	}
	began, found := time.Now(), 0
	for range all[29].Join(t.Context(), k) {
		found++
	}
	t.Logf("%d members in %v", found, time.Since(began))
	if found != 29 {
		t.Errorf("found %d of 29 members", found)
	}
}

// Nobody is dialled who is not on a network of this machine, and names that
// somebody invents take the place of no neighbour.
func TestLyingNeighbours(t *testing.T) {
	r := neighbours(t, 2)[0]
	random := func(addr string) peer.AddrInfo {
		id, err := test.RandPeerID()
		if err != nil {
			t.Fatal(err)
		}
		return peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{ma.StringCast(addr)}}
	}
	for _, far := range []string{
		"/ip4/99.1.2.3/tcp/1", "/ip6/2a00::1/tcp/1", "/dns4/localhost/tcp/1", "/ip4/224.0.0.1/tcp/1",
		"/ip4/127.0.0.1/tcp/1/p2p/12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5/p2p-circuit",
	} {
		if r.Met(random(far)); r.Neighbours() != 1 {
			t.Fatalf("%s counts as a neighbour", far)
		}
	}
	for range 2 * maxNeighbours {
		r.Met(random("/ip4/127.0.0.1/tcp/1"))
	}
	if got := r.Neighbours(); got != maxNeighbours {
		t.Errorf("knows %d neighbours", got)
	}
	if len(r.pick("key")) != maxAsked {
		t.Errorf("asks %d neighbours", len(r.pick("key")))
	}
}

// A neighbour that answers nothing, or what is no answer, delays nobody else
// and is dropped in the end.
func TestLyingAnswers(t *testing.T) {
	all := neighbours(t, 2)
	k := dhttest.Key(t, 0)
	all[1].Keep(k)
	mute, odd := newHost(t), newHost(t)
	mute.SetStreamHandler(all[0].protocol(), func(s network.Stream) {})
	odd.SetStreamHandler(all[0].protocol(), func(s network.Stream) { _, _ = s.Write([]byte{7}); _ = s.Close() })
	all[0].Met(info(mute))
	all[0].Met(info(odd))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	found := all[0].Find(ctx, k)
	if m := <-found; m.ID != all[1].cfg.Host.ID().String() {
		t.Errorf("found %q", m.ID)
	}
	cancel()
	for range found {
	}
	for range maxFailures {
		_, err := all[0].ask(t.Context(), odd.ID(), k)
		if !errors.Is(err, errAnswer) {
			t.Errorf("an odd answer: %v", err)
		}
		all[0].heard(t.Context(), odd.ID(), err)
	}
	if got := all[0].Neighbours(); got != 2 {
		t.Errorf("knows %d neighbours, want the mute and the honest one", got)
	}
}

func TestQuestionsAreBounded(t *testing.T) {
	all := neighbours(t, 2)
	asked := 0
	for range 2 * questionsAtOnce {
		if all[0].allows(all[1].cfg.Host.ID()) {
			asked++
		}
	}
	if asked < questionsAtOnce || asked > questionsAtOnce+questionsPerSecond*5 {
		t.Errorf("%d of %d questions are answered", asked, 2*questionsAtOnce)
	}
}

func FuzzQuestion(f *testing.F) {
	hash := dhttest.Key(f, 0).CID().Hash()
	f.Add(append([]byte{byte(len(hash))}, hash...))
	f.Add([]byte{0})
	f.Add([]byte{255, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if key, err := readKey(bytes.NewReader(raw)); err == nil && (len(key) == 0 || len(key) > maxKey) {
			t.Errorf("read a key of %d octets", len(key))
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("dnsaddr=/ip4/192.168.1.2/tcp/3130/p2p/12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5")
	f.Add("dnsaddr=")
	f.Fuzz(func(t *testing.T, field string) {
		for _, ai := range parse([]string{field, field}) {
			if ai.ID.Validate() != nil {
				t.Errorf("read the ID %q", ai.ID)
			}
		}
	})
}

func TestConfigErrorsAndClose(t *testing.T) {
	h := newHost(t)
	for _, cfg := range []Config{{Network: "test"}, {Host: h}, {Host: h, Network: "a/b"}} {
		if _, err := New(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("New(%+v) returned %v", cfg, err)
		}
	}
	r := newRouter(t, h)
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := r.Run(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Run after Close: %v", err)
	}
	if got, open := <-r.Join(t.Context(), dhttest.Key(t, 0)); open {
		t.Errorf("a closed router found %v", got)
	}
}

// A host that listens on loopback alone says nothing on any other interface.
func TestLoopbackStaysThere(t *testing.T) {
	r := newRouter(t, newHost(t))
	for _, l := range r.networks() {
		if !l.prefix.Addr().IsLoopback() {
			t.Errorf("speaks on %s %v", l.iface.Name, l.prefix)
		}
	}
	if a, b := r.service(), fmt.Sprintf("%.15s", r.service()); a == "" || b == "" || len(a) > 21 {
		t.Errorf("the service is called %q", a)
	}
}
