package testnet

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/flashcrowd/flashcrowd/dht/kad"
	"github.com/flashcrowd/flashcrowd/fetch/swarm"
	"github.com/flashcrowd/flashcrowd/node"
)

// bucket is small, so that in forty nodes nobody knows everybody.
const bucket = 4

// startDHT starts n bare DHT nodes on the network of the tests and returns a
// bootstrap address of each.
func startDHT(t *testing.T, n int) []string {
	t.Helper()
	var addrs []string
	var infos []peer.AddrInfo
	for i := range n {
		h, err := swarm.NewHost(swarm.HostConfig{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
		if err != nil {
			t.Fatal(err)
		}
		var boot []peer.AddrInfo
		if i > 0 {
			boot = infos[i/2 : i/2+1]
		}
		startRouter(t, h, boot)
		infos = append(infos, peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()})
		addrs = append(addrs, fmt.Sprintf("%s/p2p/%s", h.Addrs()[0], h.ID()))
	}
	return addrs
}

func startRouter(t *testing.T, h host.Host, boot []peer.AddrInfo) {
	t.Helper()
	r, err := kad.New(kad.Config{Host: h, Network: Network, Bootstrap: boot, BucketSize: bucket})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		h.Close()
	})
}

func TestNodeFindsAPeerThatItDoesNotKnow(t *testing.T) {
	addrs := startDHT(t, 38)
	joinBy := func(addr string) *Net {
		return testNet(t, Config{Configure: func(_ int, c *node.Config) {
			c.Bootstrap, c.BucketSize = []string{addr}, bucket
		}})
	}
	o := testOrigin(t)
	body := Random(64<<20, 40)
	o.Put("/big.bin", File{Body: body})
	url := o.URL + "/big.bin"

	provider := joinBy(addrs[37]).Nodes[0]
	fetchBody(t, provider, url, body)
	o.Pace.SetRate(uplink)
	for i := range 8 {
		asker := joinBy(addrs[i]).Nodes[0]
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := waitFor(ctx, func() bool { return asker.Status().RoutingTable > 0 }); err != nil {
			t.Fatal(err)
		}
		if asker.Connected(provider.PeerID()) {
			continue // met by chance: another one
		}
		r, _ := fetchBody(t, asker, url, body)
		if got := from(r, "peer"); got < int64(len(body))*9/10 {
			t.Errorf("peers delivered %d of %d octets: %+v", got, len(body), r)
		}
		if metric(asker, "flashcrowd_first_member_seconds_count") != "1" {
			t.Error("the time to the first member is not measured")
		}
		t.Logf("the first member answered %s s after the header fields", metric(asker, "flashcrowd_first_member_seconds_sum"))
		return
	}
	t.Error("every asker was connected to the provider from the start: the network is too small for this test")
}
