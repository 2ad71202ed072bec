//go:build system && linux

package trial

import "testing"

// TestRunGivesRightOctets plays a small crowd with real nodes, and directly:
// the tool itself is what is tested, times are for benchmarks.
func TestRunGivesRightOctets(t *testing.T) {
	s := Scenario{Name: "small", Peers: 3, Size: 2 << 20}
	for _, way := range []Way{Direct, Flashcrowd} {
		r, err := Run(t.Context(), s, way)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", r)
		if r.Failed > 0 || r.Wrong > 0 {
			t.Errorf("%s: %d failed, %d wrong: %v", way, r.Failed, r.Wrong, r.Errors)
		}
		if r.BoundRatio < 1 || r.LineCopies < r.OriginCopies || r.OriginRequests < 1 {
			t.Errorf("%s: faster than possible, or counted wrong: %+v", way, r)
		}
		if r.OriginCopies < 1 || r.OriginCopies > 3.3 {
			t.Errorf("%s: the origin sent %.2f copies", way, r.OriginCopies)
		}
	}
}
