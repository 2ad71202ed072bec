package dht_test

import (
	"fmt"
	"testing"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/dht/dhttest"
)

// TestPausableConforms: before, and after a pause.
func TestPausableConforms(t *testing.T) {
	for _, paused := range []bool{false, true} {
		t.Run(fmt.Sprint("paused before ", paused), func(t *testing.T) {
			dhttest.Conformance(t, func(_ *testing.T, n int) []dhttest.Node {
				var net dht.Memory
				var nodes []dhttest.Node
				for i := range n {
					self := dht.Member{ID: fmt.Sprint("node ", i)}
					p := dht.NewPausable(net.Router(self))
					if paused {
						p.Pause()
						p.Resume()
					}
					nodes = append(nodes, dhttest.Node{ID: self.ID, Router: p})
				}
				return nodes
			})
		})
	}
}

// TestPausedNodeIsSilent: it is not announced, whenever it joined, and asks
// nobody; afterwards it is where it was, but for what it has left.
func TestPausedNodeIsSilent(t *testing.T) {
	var net dht.Memory
	before, during, left := dhttest.Key(t, 0), dhttest.Key(t, 1), dhttest.Key(t, 2)
	p := dht.NewPausable(net.Router(dht.Member{ID: "p"}))
	other := net.Router(dht.Member{ID: "other"})
	other.Join(t.Context(), before)
	p.Join(t.Context(), before)
	p.Keep(left)
	p.Pause()
	p.Pause() // again changes nothing
	if m, ok := <-p.Join(t.Context(), during); ok {
		t.Errorf("a paused node found %v", m)
	}
	if m, ok := <-p.Find(t.Context(), before); ok {
		t.Errorf("a paused node asked and found %v", m)
	}
	p.Keep(left)
	p.Leave(left)
	for _, k := range []dht.Key{before, during, left} {
		if m, ok := <-other.Find(t.Context(), k); ok {
			t.Errorf("a paused node was found: %v", m)
		}
	}
	p.Resume()
	for k, want := range map[dht.Key]bool{before: true, during: true, left: false} {
		if m, ok := <-other.Find(t.Context(), k); ok != want {
			t.Errorf("after the pause: %v %t, want %t", m, ok, want)
		}
	}
	if m := <-p.Find(t.Context(), before); m.ID != "other" {
		t.Errorf("after the pause it found %q", m.ID)
	}
}
