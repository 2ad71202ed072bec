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
// and what each member sends, over what it would if all sent the same for each
// second that they are there.
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
		sent := evenness(w)
		r := w.result()
		got := limits{float64(r.BoundRatio), float64(r.Mean) / crowd.MeanBound(w.size, w.server.up.rate/frame, w.lines()).Seconds(), r.OriginCopies, slices.Min(sent), slices.Max(sent)}
		t.Logf("%s, seed %d: %.3f of the bound, mean %.3f of its own, %.3f copies; a member sends %.2f to %.2f of its share (Jain %.3f)",
			yaml, seed, got.makespan, got.mean, got.copies, got.leastSent, got.mostSent, r.Fairness)
		if got.makespan > l.makespan || got.mean > l.mean || got.copies > l.copies || got.leastSent < l.leastSent || got.mostSent > l.mostSent || r.Failed > 0 {
			t.Errorf("%s, seed %d: %+v, %d failed, want %+v", yaml, seed, got, r.Failed, l)
		}
	}
}

// evenness is how much each member has sent, over its share by the time that it was
// there.
func evenness(w *world) (out []float64) {
	end, all, there := 0.0, 0.0, 0.0
	for _, n := range w.nodes {
		end = max(end, n.doneAt.Seconds())
		all += n.uploaded
	}
	for _, n := range w.nodes {
		there += end - n.at.Seconds()
	}
	for _, n := range w.nodes {
		out = append(out, n.uploaded/(all*(end-n.at.Seconds())/there))
	}
	return out
}

// TestFirstCrowdSharesOneCopy: nobody has the file, all come at once or one after
// another. The origin sends little more than one copy of it, each member about as
// much, and all are done near the bound.
func TestFirstCrowdSharesOneCopy(t *testing.T) {
	const origin = "origin: {up: 20Mbit}, "
	firstCrowd(t, origin+"nodes: 8", limits{1.17, 1.16, 1.08, .85, 1.15})
	firstCrowd(t, origin+"nodes: 16", limits{1.22, 1.2, 1.09, .64, 1.2})
	firstCrowd(t, origin+"nodes: 32", limits{1.24, 1.22, 1.1, .72, 1.18})
	firstCrowd(t, origin+"nodes: 8, arrival: 'every:2s'", limits{1.15, 1.3, 1.12, .5, 1.2})
	firstCrowd(t, "origin: {up: 20Mbit, dies_at: 20s}, nodes: 8, arrival: 'every:2s'", limits{1.15, 1.3, 1.12, .5, 1.2})
}
