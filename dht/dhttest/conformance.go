package dhttest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
)

// patience is how long anything may take that the contract promises without a
// time; prompt is how long what it promises at once may take.
const (
	patience = 30 * time.Second
	prompt   = 2 * time.Second
)

// Node is one router under test.
type Node struct {
	// ID is what other nodes know the router as.
	ID     string
	Router dht.Router

	// Keeps reports whether the router means to announce k again. If nil,
	// nothing is checked about it.
	Keeps func(k dht.Key) bool
}

// Network returns n nodes, each of which can find the others. It leaves
// nothing behind when t has ended, which it arranges with t.Cleanup.
type Network func(t *testing.T, n int) []Node

// Conformance tests that the routers of network keep the contract of
// [dht.Router].
func Conformance(t *testing.T, network Network) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, nodes []Node)
		n    int
	}{
		{"JoinThenFind", joinThenFind, 4},
		{"Newcomers", newcomers, 4},
		{"Crowd", crowd, 6},
		{"UnknownKeyEnds", unknownKeyEnds, 3},
		{"AloneEnds", aloneEnds, 1},
		{"CancelCloses", cancelCloses, 3},
		{"UndrainedLeaksNothing", undrainedLeaksNothing, 3},
		{"NeverSelf", neverSelf, 3},
		{"JoinOutlivesContext", joinOutlivesContext, 3},
		{"KeepThenFind", keepThenFind, 3},
		{"Leave", leave, 2},
		{"Concurrent", concurrent, 3},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, network(t, c.n)) })
	}
}

func joinThenFind(t *testing.T, nodes []Node) {
	k := Key(t, 0)
	all(t, nodes[0].Router.Join(t.Context(), k))
	for _, n := range nodes[1:] {
		eventually(t, n, k, nodes[0].ID)
	}
}

// Of two newcomers that join at once, at least one sees the other.
func newcomers(t *testing.T, nodes []Node) {
	a, b := nodes[0], nodes[len(nodes)-1]
	for i := range 8 {
		k := Key(t, i)
		fromA, fromB := a.Router.Join(t.Context(), k), b.Router.Join(t.Context(), k)
		sawB, sawA := has(all(t, fromA), b.ID), has(all(t, fromB), a.ID)
		if !sawA && !sawB {
			t.Errorf("key %d: neither newcomer saw the other", i)
		}
	}
}

// Whoever joins when others have joined sees all of them.
func crowd(t *testing.T, nodes []Node) {
	k := Key(t, 0)
	for i, n := range nodes {
		seen := all(t, n.Router.Join(t.Context(), k))
		for _, earlier := range nodes[:i] {
			if !has(seen, earlier.ID) {
				eventually(t, n, k, earlier.ID)
			}
		}
	}
}

func unknownKeyEnds(t *testing.T, nodes []Node) {
	if got := all(t, nodes[0].Router.Find(t.Context(), Key(t, 0))); len(got) != 0 {
		t.Errorf("found %v under a key that nobody joined", got)
	}
}

func aloneEnds(t *testing.T, nodes []Node) {
	k := Key(t, 0)
	if got := all(t, nodes[0].Router.Join(t.Context(), k)); len(got) != 0 {
		t.Errorf("Join alone yielded %v", got)
	}
	if got := all(t, nodes[0].Router.Find(t.Context(), k)); len(got) != 0 {
		t.Errorf("Find alone yielded %v", got)
	}
	nodes[0].Router.Keep(Key(t, 1))
	nodes[0].Router.Leave(k, Key(t, 1))
}

func cancelCloses(t *testing.T, nodes []Node) {
	k := Key(t, 0)
	all(t, nodes[0].Router.Join(t.Context(), k))
	for _, search := range []func(context.Context, dht.Key) <-chan dht.Member{
		nodes[1].Router.Find, nodes[1].Router.Join,
	} {
		ctx, cancel := context.WithCancel(t.Context())
		members := search(ctx, k)
		cancel()
		closesWithin(t, members, prompt)
		closesWithin(t, search(ctx, k), prompt)
	}
}

func neverSelf(t *testing.T, nodes []Node) {
	k := Key(t, 0)
	for _, n := range nodes {
		all(t, n.Router.Join(t.Context(), k))
	}
	for _, n := range nodes {
		for _, search := range []<-chan dht.Member{
			n.Router.Find(t.Context(), k), n.Router.Join(t.Context(), k),
		} {
			for _, m := range all(t, search) {
				if m.ID == n.ID {
					t.Errorf("%s found itself", n.ID)
				}
				for _, a := range m.Addrs {
					if strings.HasSuffix(a, "/p2p/"+m.ID) {
						t.Errorf("address %s of a member says who it is", a)
					}
				}
			}
		}
	}
}

// A Join whose context ends at once makes a member all the same.
func joinOutlivesContext(t *testing.T, nodes []Node) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k := Key(t, 0)
	closesWithin(t, nodes[0].Router.Join(ctx, k), prompt)
	eventually(t, nodes[1], k, nodes[0].ID)
}

func keepThenFind(t *testing.T, nodes []Node) {
	var keys []dht.Key
	for i := range 20 {
		keys = append(keys, Key(t, i))
	}
	nodes[0].Router.Keep(keys...)
	nodes[0].Router.Keep(keys[0])
	for _, k := range keys {
		eventually(t, nodes[1], k, nodes[0].ID)
	}
}

func leave(t *testing.T, nodes []Node) {
	n, joined, kept := nodes[0], Key(t, 0), Key(t, 1)
	n.Router.Leave(joined, kept) // of no membership: harmless
	for range 2 {
		all(t, n.Router.Join(t.Context(), joined))
		n.Router.Keep(kept)
		keeps(t, n, joined, true)
		keeps(t, n, kept, true)
		n.Router.Leave(joined, kept)
		keeps(t, n, joined, false)
		keeps(t, n, kept, false)
	}
}

// All methods at once on few keys; the race detector is the judge.
func concurrent(t *testing.T, nodes []Node) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var work sync.WaitGroup
	for i := range 4 * len(nodes) {
		n, k := nodes[i%len(nodes)], Key(t, i%2)
		work.Go(func() {
			members := n.Router.Join(ctx, k)
			n.Router.Keep(k, Key(t, 2))
			for range n.Router.Find(ctx, k) {
			}
			n.Router.Leave(Key(t, 2))
			for range members {
			}
		})
	}
	work.Wait()
	if ctx.Err() != nil {
		t.Errorf("searches did not end in %v", patience)
	}
}
