package stack

import (
	"math"
	"testing"
	"testing/synctest"

	"github.com/flashcrowd/flashcrowd/testnet/crowd"
)

func rehearsed(t *testing.T, yaml string) (r crowd.Result) {
	t.Helper()
	s, err := crowd.Parse([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		if r, err = rehearse(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	})
	return r
}

// TestFirstCrowd: nobody has the file, and the real stack shares little more
// than one copy; a second rehearsal of the seed says the same, as nearly as is
// promised.
func TestFirstCrowd(t *testing.T) {
	const y = "{nodes: 6, object: {size: 4MiB}, origin: {up: 20Mbit}, peers: {up: 20Mbit, down: 40Mbit}}"
	r := rehearsed(t, y)
	if r.Completed != 6 || r.WrongBytes != 0 || r.HonestBanned != 0 || r.OriginCopies > 2.5 || r.Makespan >= r.Direct.Makespan {
		t.Errorf("%d completed, %d wrong octets, %d honest banned, %.2f copies, %.1f s beside %.1f s direct",
			r.Completed, r.WrongBytes, r.HonestBanned, r.OriginCopies, float64(r.Makespan), float64(r.Direct.Makespan))
	}
	again := rehearsed(t, y)
	for what, pair := range map[string][2]float64{
		"makespan": {float64(r.Makespan), float64(again.Makespan)}, "copies": {r.OriginCopies, again.OriginCopies},
	} {
		if apart := math.Abs(pair[0]-pair[1]) / pair[0]; apart > Tolerance {
			t.Errorf("%s: %.3f and then %.3f", what, pair[0], pair[1])
		}
	}
}

// TestLyingMembers: liars of each kind are among the crowd, and nobody reads a
// wrong octet.
func TestLyingMembers(t *testing.T) {
	for _, kind := range []crowd.LiarKind{crowd.Flip, crowd.Length, crowd.Stall, crowd.Trickle, crowd.Claim, crowd.Sybil} {
		t.Run(string(kind), func(t *testing.T) {
			r := rehearsed(t, "{nodes: 5, object: {size: 2MiB}, arrival: 'every:500ms', peers: {liars: {share: 0.4, kind: "+string(kind)+"}}}")
			if r.WrongBytes != 0 || r.HonestBanned != 0 || r.Completed != 3 {
				t.Errorf("%d wrong octets, %d honest banned, %d completed", r.WrongBytes, r.HonestBanned, r.Completed)
			}
			if kind == crowd.Flip && r.LiarsBanned == 0 {
				t.Error("no liar is banned")
			}
		})
	}
}

// TestTroubles: an origin that refuses and dies, peers behind NATs and some that
// leave, many files. It comes to an end, and what was counted adds up.
func TestTroubles(t *testing.T) {
	r := rehearsed(t, "{nodes: 6, site: {files: 8, median: 200KiB, sigma: 1}, origin: {up: 20Mbit, per_request: 5ms, dies_at: 20s}, peers: {nat: 0.3, churn: 0.3}, arrival: 'every:200ms'}")
	if r.Completed+r.Failed+r.Left != 6 || r.Completed < 3 || r.WrongBytes != 0 {
		t.Errorf("%d completed, %d failed, %d left, %d wrong octets", r.Completed, r.Failed, r.Left, r.WrongBytes)
	}
	r = rehearsed(t, "{nodes: 3, object: {size: 1MiB}, origin: {refuse_after: 1MiB, digest: etag-md5}, arrival: 'every:2s'}")
	if r.Completed != 1 || r.Direct.Completed != 1 {
		t.Errorf("%d completed, direct %d, of an origin that refuses after the first", r.Completed, r.Direct.Completed)
	}
}
