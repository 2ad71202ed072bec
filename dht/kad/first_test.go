package kad_test

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/dht/dhttest"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// alive is a protocol by which a member shows that it is there.
const alive = "/flashcrowd/test/alive"

// meetsLive joins k, asks again after 1, 2, 4 and 8 s as a download does, and
// returns after how long a member has answered it, or 0 when none does.
func meetsLive(ctx context.Context, n node, k dht.Key) time.Duration {
	ctx, cancel := context.WithCancel(ctx)
	began := time.Now()
	met := make(chan time.Duration, 1)
	var work sync.WaitGroup
	hear := func(members <-chan dht.Member) {
		for m := range members {
			work.Go(func() {
				if answers(ctx, n, m) {
					select {
					case met <- time.Since(began):
					default:
					}
				}
			})
		}
	}
	work.Go(func() { hear(n.Join(ctx, k)) })
	work.Go(func() {
		for _, at := range []time.Duration{1, 2, 4, 8} {
			select {
			case <-time.After(time.Until(began.Add(at * time.Second))):
				work.Go(func() { hear(n.Find(ctx, k)) })
			case <-ctx.Done():
				return
			}
		}
	})
	var after time.Duration
	select {
	case after = <-met:
	case <-time.After(20 * time.Second):
	}
	<-time.After(time.Second) // lets the announcement go out
	cancel()
	work.Wait()
	return after
}

func answers(ctx context.Context, n node, m dht.Member) bool {
	id, err := peer.Decode(m.ID)
	if err != nil {
		return false
	}
	ai := peer.AddrInfo{ID: id}
	for _, text := range m.Addrs {
		if a, err := ma.NewMultiaddr(text); err == nil {
			ai.Addrs = append(ai.Addrs, a)
		}
	}
	if n.host.Connect(ctx, ai) != nil {
		return false
	}
	s, err := n.host.NewStream(ctx, id, alive)
	if err != nil {
		return false
	}
	defer s.Reset()
	_, err = io.ReadFull(s, make([]byte, 1))
	return err == nil
}

// quantiles says where the times lie.
func quantiles(times []time.Duration) (p50, p95 time.Duration) {
	slices.Sort(times)
	return times[len(times)/2], times[len(times)*95/100]
}

// TestFirstMember: from the moment at which a download knows what it is for, a
// live member of its crowd is there within 0.3 s: one that was announced
// before, and one of two who come at the same moment.
func TestFirstMember(t *testing.T) {
	const limit = 300 * time.Millisecond
	size := max(30, *many)
	synctest.Test(t, func(t *testing.T) {
		p := &population{t: t, net: new(wires)}
		defer func() {
			for _, n := range p.nodes {
				n.leave()
			}
		}()
		for range size {
			p.add()
		}
		for _, n := range p.nodes {
			n.host.SetStreamHandler(alive, func(s network.Stream) { _, _ = s.Write([]byte{1}); s.Close() })
		}
		<-time.After(2 * time.Minute)
		var late, together []time.Duration
		for i := range 60 {
			a, b, c := p.nodes[i%size].node, p.nodes[(i*7+3)%size].node, p.nodes[(i*7+11)%size].node
			if a.Router == b.Router || b.Router == c.Router || a.Router == c.Router {
				continue
			}
			k := dhttest.Key(t, 1_000_000+i)
			var pair [2]time.Duration
			var both sync.WaitGroup
			both.Go(func() { pair[0] = meetsLive(t.Context(), a, k) })
			both.Go(func() { pair[1] = meetsLive(t.Context(), b, k) })
			both.Wait()
			after := meetsLive(t.Context(), c, k)
			if pair[0] == 0 || pair[1] == 0 || after == 0 {
				t.Errorf("key %d: %v and %v, then %v: somebody meets nobody", i, pair[0], pair[1], after)
				continue
			}
			together, late = append(together, min(pair[0], pair[1])), append(late, after)
		}
		for what, times := range map[string][]time.Duration{"the first of two at once": together, "who comes later": late} {
			p50, p95 := quantiles(times)
			t.Logf("%d nodes, round trip %v: %s meets a live member after %v (p50), %v (p95)", size, 2*linkDelay, what, p50, p95)
			if p95 > limit {
				t.Errorf("%s meets a live member after %v (p95), over %v", what, p95, limit)
			}
		}
	})
}
