package model

import (
	"fmt"
	"testing"
)

// TestLiarsDelayNobody: a quarter of a first crowd lies of what it took from the
// origin, or says that it has all, and a third of the crowd leaves: the others are
// done within half as long again as without, and the origin sends at most half a
// copy more. Before liars were found out as they spoke, it was 5 times as long, and
// 4 copies.
func TestLiarsDelayNobody(t *testing.T) {
	const lines = "object: {size: 16MiB}, origin: {up: 20Mbit}, peers: {up: 20Mbit, down: 40Mbit"
	for _, nodes := range []int{8, 24} {
		for seed := range *seeds {
			honest := rehearse(t, fmt.Sprintf("{seed: %d, nodes: %d, %s}}", seed, nodes, lines))
			for _, churn := range []float64{0, .3} {
				r := rehearse(t, fmt.Sprintf("{seed: %d, nodes: %d, %s, churn: %v, liars: {share: 0.25, kind: claim}}}", seed, nodes, lines, churn))
				slower, copies := float64(r.Makespan)/float64(honest.Makespan), r.OriginCopies-honest.OriginCopies
				t.Logf("%d nodes, churn %v, seed %d: %.2f times the honest makespan, %+.2f copies", nodes, churn, seed, slower, copies)
				if slower > 1.5 || copies > .5 || r.WrongBytes != 0 || r.HonestBanned != 0 || r.Failed > 0 {
					t.Errorf("%d nodes, churn %v, seed %d: %d wrong octets, %d honest banned, %d failed", nodes, churn, seed, r.WrongBytes, r.HonestBanned, r.Failed)
				}
			}
		}
	}
}
