package dht_test

import (
	"fmt"
	"testing"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/dht/dhttest"
)

// Two networks of routers, each node on both, keep the contract of one.
func TestSeveralConform(t *testing.T) {
	dhttest.Conformance(t, func(_ *testing.T, n int) []dhttest.Node {
		var near, far dht.Memory
		var nodes []dhttest.Node
		for i := range n {
			self := dht.Member{ID: fmt.Sprint("node ", i)}
			nodes = append(nodes, dhttest.Node{ID: self.ID, Router: dht.Several(near.Router(self), far.Router(self))})
		}
		return nodes
	})
}

// A quiet node finds others and is not found.
func TestQuiet(t *testing.T) {
	var net dht.Memory
	k := dhttest.Key(t, 0)
	quiet := true
	a := dht.Quiet(net.Router(dht.Member{ID: "a"}), func() bool { return quiet })
	b := net.Router(dht.Member{ID: "b"})
	b.Join(t.Context(), k)
	a.Keep(k)
	if m := <-a.Join(t.Context(), k); m.ID != "b" {
		t.Errorf("a quiet node found %q", m.ID)
	}
	if m, ok := <-b.Find(t.Context(), k); ok {
		t.Errorf("a quiet node was found: %v", m)
	}
	quiet = false
	a.Join(t.Context(), k)
	if m := <-b.Find(t.Context(), k); m.ID != "a" {
		t.Errorf("a node that is not quiet any more is not found, but %q", m.ID)
	}
}
