package kad_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/dht/dhttest"
	"github.com/flashcrowd/flashcrowd/dht/kad"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/test"
	ma "github.com/multiformats/go-multiaddr"
)

// A key that 10,000 want to be members of stays under the caps, whether they
// mean it or not, and is found as fast as one with 10.
func TestLyingThousandsAtOneKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t)
		// The provider of kad-dht holds a lock while it starts, for which the
		// clock of a bubble does not wait when it is closed at once.
		defer func() { <-time.After(5 * time.Minute) }()
		holder := start(t, kad.Config{Host: n.host(t), Network: "test"})
		asker := start(t, kad.Config{Host: n.host(t), Network: "test", Bootstrap: []peer.AddrInfo{info(holder.host)}})
		until(t, "network", func() bool { return asker.RoutingTableSize() == 1 && holder.RoutingTableSize() == 1 })
		took := make(map[int]time.Duration)
		for i, members := range []int{10, 10_000} {
			k := dhttest.Key(t, i)
			for j := range members {
				id, err := test.RandPeerID()
				if err != nil {
					t.Fatal(err)
				}
				group := fmt.Sprintf("%d.%d.1", 50+j/250, j%250)
				m := peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{ma.StringCast("/ip4/" + group + ".1/tcp/3130")}}
				if err := holder.Told(k, m, group); err != nil {
					t.Fatal(err)
				}
			}
			if held := holder.Records(k); held < 10 || held > 200 {
				t.Errorf("of %d members %d are held", members, held)
			}
			began := time.Now()
			ctx, cancel := context.WithCancel(t.Context())
			if _, ok := <-asker.Find(ctx, k); !ok {
				t.Errorf("of %d members none is found", members)
			}
			took[members] = time.Since(began)
			cancel()
		}
		t.Logf("first of 10 after %v, of 10,000 after %v", took[10], took[10_000])
		if took[10_000] > took[10]+2*linkDelay {
			t.Errorf("first of 10 after %v, of 10,000 after %v", took[10], took[10_000])
		}
	})
}
