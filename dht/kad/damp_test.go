package kad_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/dht/dhttest"
	"github.com/flashcrowd/flashcrowd/dht/kad"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/test"
)

func randomID(t *testing.T) string {
	t.Helper()
	id, err := test.RandPeerID()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// Members that delivered proven bytes damp announcing, in proportion; members
// that are only named, however many, do not.
func TestLyingNamesSilenceNobody(t *testing.T) {
	nodes := newNet(t, 2, 4)
	n, crowded, named := nodes[0], 0, 0
	for i := range 100 {
		k := dhttest.Key(t, i)
		all(n.Join(t.Context(), k))
		for j := range 80 {
			if i%2 == 0 {
				n.Proved(k, randomID(t))
			} else {
				nodes[1].Proved(k, fmt.Sprint("no peer ", j))
			}
		}
	}
	n.Damp()
	for i := range 100 {
		if k := dhttest.Key(t, i); !n.Keeps(k) {
			t.Fatal("a damped membership was lost")
		} else if n.Announces(k) && i%2 == 0 {
			crowded++
		} else if n.Announces(k) {
			named++
		}
	}
	if named != 50 {
		t.Errorf("%d of 50 memberships without proven members are announced", named)
	}
	if crowded > 20 { // 5 expected; 21 or more has a chance of one in 10^7
		t.Errorf("%d of 50 memberships with 80 proven members each are announced", crowded)
	}
}

// Of what was kept before a restart the most useful goes first, no faster than
// the budget; what is joined meanwhile does not wait.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newInternet(t)
		first := start(t, kad.Config{Host: n.host(t), Network: "test", BucketSize: 4})
		r := start(t, kad.Config{
			Host: n.host(t), Network: "test", BucketSize: 4, Bootstrap: []peer.AddrInfo{info(first.host)},
			Budget: kad.Budget{Keys: 200, PerMinute: 60},
		})
		until(t, "network", func() bool { return r.RoutingTableSize() == 1 })
		var keys []dht.Key
		for i := range 300 {
			keys = append(keys, dhttest.Key(t, i))
		}
		r.Keep(keys...)
		joined := dhttest.Key(t, 1000)
		all(r.Join(t.Context(), joined))
		member := r.host.ID().String()
		found := func(k dht.Key) bool { _, ok := all(first.Find(t.Context(), k))[member]; return ok }
		if !found(joined) {
			t.Error("a Join waited for the budget of what is kept")
		}
		<-time.After(time.Minute)
		least := 0
		for i, k := range keys {
			if found(k) {
				least = i
			}
		}
		if least < 40 || least > 80 {
			t.Errorf("after a minute of 60 keys, the %dth is announced and no later one", least)
		}
		<-time.After(5 * time.Minute)
		announced := 0
		for _, k := range keys {
			if found(k) {
				announced++
			}
		}
		if announced != 199 { // and the joined one
			t.Errorf("announces %d kept keys, want 199", announced)
		}
	})
}
