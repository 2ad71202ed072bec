package fetch

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSpans holds Union and Missing against sets of octets.
func TestSpans(t *testing.T) {
	const n = 40
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		var spans []Span
		var set [n]bool
		for range r.IntN(8) {
			s := Span{r.Int64N(n), r.Int64N(n + 1)}
			spans = append(spans, s)
			for i := s.Offset; i < s.End; i++ {
				set[i] = true
			}
		}
		want := Span{r.Int64N(n), r.Int64N(n + 1)}
		held := Union(spans...)
		if diff := cmp.Diff(runs(0, n, func(i int64) bool { return set[i] }), held); diff != "" {
			t.Fatalf("Union(%v): %s", spans, diff)
		}
		if diff := cmp.Diff(runs(want.Offset, want.End, func(i int64) bool { return !set[i] }), Missing(want, held)); diff != "" {
			t.Fatalf("Missing(%v, %v): %s", want, held, diff)
		}
	}
}

// runs returns the longest spans of [from, to) for whose octets in holds.
func runs(from, to int64, in func(int64) bool) (out []Span) {
	for i := from; i < to; i++ {
		if !in(i) {
			continue
		}
		if last := len(out) - 1; last >= 0 && out[last].End == i {
			out[last].End++
		} else {
			out = append(out, Span{i, i + 1})
		}
	}
	return out
}
