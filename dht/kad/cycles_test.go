package kad_test

import (
	"cmp"
	"context"
	"flag"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/dht/dhttest"
	"github.com/flashcrowd/flashcrowd/dht/kad"
	"github.com/libp2p/go-libp2p/core/host"
)

// many is for a run by hand: 100 nodes take minutes of processor time.
var many = flag.Int("nodes", 0, "nodes of TestCycles beside the small networks")

// cycle is how long a membership takes to be renewed at the latest: interval
// and delay of an own network, and a minute for the writing.
const cycle = 26 * time.Minute

// living is a node of a network that changes.
type living struct {
	node
	key   dht.Key
	leave func()
}

// population is a network of real routers on simulated links in which each node
// is a member for one key.
type population struct {
	t      *testing.T
	net    *wires
	nodes  []living
	keys   int
	trips  []float64 // of the look-ups, in round trips
	missed int
}

func (p *population) add() {
	cfg := kad.Config{Host: p.net.host(p.t), Network: "test"}
	for _, n := range p.nodes[:min(len(p.nodes), 3)] {
		cfg.Bootstrap = append(cfg.Bootstrap, info(n.host))
	}
	r, err := kad.New(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(context.Background()); err != nil {
			p.t.Error(err)
		}
	})
	k := dhttest.Key(p.t, p.keys)
	p.keys++
	r.Keep(k)
	h := cfg.Host
	p.nodes = append(p.nodes, living{node{r, h}, k, sync.OnceFunc(func() {
		_ = r.Close()
		running.Wait()
		closeHost(h)
	})})
}

func closeHost(h host.Host) { _ = h.Close() }

// churn replaces a third of the nodes, and never the first, by which others
// join.
func (p *population) churn() {
	gone := len(p.nodes) * 3 / 10
	for _, n := range p.nodes[1 : 1+gone] {
		n.leave()
	}
	p.nodes = slices.Delete(p.nodes, 1, 1+gone)
	for range gone {
		p.add()
	}
}

// check looks for every live key from another node, and for the key of a node
// that is alone from itself.
func (p *population) check(when string) {
	for i, member := range p.nodes {
		asker := p.nodes[(i+1)%len(p.nodes)]
		if len(p.nodes) == 1 {
			all(asker.Find(p.t.Context(), member.key)) // ends, and finds nobody
			continue
		}
		ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
		began, found := time.Now(), false
		for m := range asker.Find(ctx, member.key) {
			if m.ID == member.host.ID().String() {
				found = true
				break
			}
		}
		cancel()
		if found {
			p.trips = append(p.trips, float64(time.Since(began))/float64(2*linkDelay))
		} else {
			p.missed++
			p.t.Errorf("%s: %d nodes: the key of node %d is not found", when, len(p.nodes), i)
		}
	}
}

// TestCycles: what is announced once is found over three cycles of renewal, in
// networks that are too small for their buckets too, and while three of ten
// nodes are replaced in each cycle.
func TestCycles(t *testing.T) {
	sizes := []int{1, 2, 3, 5, 8}
	if *many > 0 {
		sizes = append(sizes, *many)
	}
	for _, size := range sizes {
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
			<-time.After(2 * time.Minute)
			p.check("at first")
			for range 3 {
				<-time.After(cycle)
				p.check("renewed")
			}
			for range 3 {
				p.churn()
				<-time.After(cycle)
				p.check("after churn")
			}
			slices.SortFunc(p.trips, cmp.Compare[float64])
			if n := len(p.trips); n > 0 {
				t.Logf("%d nodes: %d look-ups, %d missed, round trips p50 %.1f, p95 %.1f", size, n+p.missed, p.missed, p.trips[n/2], p.trips[n*95/100])
			}
		})
	}
}
