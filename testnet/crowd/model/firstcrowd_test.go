package model

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"github.com/flashcrowd/flashcrowd/testnet/crowd"
)

var seeds = flag.Int("seeds", 1, "how many seeds the first crowds are played with")

// limits of a first crowd: makespan and mean over their bounds, the origin's copies,
// and the copies that each member sends.
type limits struct{ makespan, mean, copies, leastSent, mostSent float64 }

// firstCrowd plays a crowd of which nobody has the file: 32 MiB, an origin with
// 20 Mbit/s, members with 20 up and 40 down.
func firstCrowd(t *testing.T, yaml string, l limits) {
	t.Helper()
	for seed := range *seeds {
		s, err := crowd.Parse(fmt.Appendf(nil, "{seed: %d, object: {size: 32MiB}, peers: {up: 20Mbit, down: 40Mbit}, %s}", seed, yaml))
		if err != nil {
			t.Fatal(err)
		}
		w, err := newWorld(s.WithDefaults(), true)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var sent []float64
		for _, n := range w.nodes {
			sent = append(sent, n.uploaded/w.size)
		}
		r := w.result()
		got := limits{float64(r.BoundRatio), float64(r.Mean) / crowd.MeanBound(w.size, w.server.up.rate/frame, w.lines()).Seconds(), r.OriginCopies, slices.Min(sent), slices.Max(sent)}
		t.Logf("%s, seed %d: %.3f of the bound, mean %.3f of its own, %.3f copies; a member sends %.2f to %.2f (Jain %.3f)",
			yaml, seed, got.makespan, got.mean, got.copies, got.leastSent, got.mostSent, r.Fairness)
		if got.makespan > l.makespan || got.mean > l.mean || got.copies > l.copies || got.leastSent < l.leastSent || got.mostSent > l.mostSent || r.Failed > 0 {
			t.Errorf("%s, seed %d: %+v, %d failed, want %+v", yaml, seed, got, r.Failed, l)
		}
	}
}

// TestFirstCrowdSharesOneCopy: nobody has the file, all come at once or one after
// another. The origin sends little more than one copy of it, each member about as
// much, and all are done near the bound.
func TestFirstCrowdSharesOneCopy(t *testing.T) {
	const origin = "origin: {up: 20Mbit}, "
	firstCrowd(t, origin+"nodes: 8", limits{1.17, 1.16, 1.08, .15, 1.1})
	firstCrowd(t, origin+"nodes: 16", limits{1.22, 1.21, 1.09, .6, 1.15})
	firstCrowd(t, origin+"nodes: 32", limits{1.24, 1.22, 1.1, .7, 1.15})
	firstCrowd(t, origin+"nodes: 8, arrival: 'every:2s'", limits{1.15, 1.4, 1.12, .3, 1.35})
	firstCrowd(t, "origin: {up: 20Mbit, dies_at: 20s}, nodes: 8, arrival: 'every:2s'", limits{1.15, 1.4, 1.12, .3, 1.35})
}
