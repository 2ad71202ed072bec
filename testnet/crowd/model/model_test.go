package model

import (
	"math"
	"reflect"
	"testing"

	"go.uber.org/goleak"

	"github.com/flashcrowd/flashcrowd/testnet/crowd"
	"github.com/flashcrowd/flashcrowd/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func rehearse(t *testing.T, yaml string) crowd.Result {
	t.Helper()
	s, err := crowd.Parse([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Play(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOneSeedGivesOneRehearsal(t *testing.T) {
	const y = "{seed: 7, nodes: 30, object: {size: 8MiB}, arrival: 'poisson:4', peers: {nat: 0.3, churn: 0.2, liars: {share: 0.2}}}"
	a, b := rehearse(t, y), rehearse(t, y)
	if !reflect.DeepEqual(a, b) {
		t.Errorf("two rehearsals of one seed:\n%+v\n%+v", a, b)
	}
	if c := rehearse(t, "{seed: 8"+y[len("{seed: 7"):]); c.Mean == a.Mean {
		t.Error("another seed gives the same")
	}
}

func TestDirectCrowdSharesTheOriginsLine(t *testing.T) {
	r := rehearse(t, "{nodes: 20, object: {size: 16MiB}, origin: {digest: none}}")
	fluid := 20 * 16 * (1 << 20) * 8 / (100e6 * frame)
	if got := float64(r.Direct.Makespan); got < fluid || got > fluid+.2 {
		t.Errorf("direct makespan %.2f s, want %.2f and two round trips", got, fluid)
	}
	if math.Abs(r.OriginCopies-20) > 1e-6 || r.Makespan != r.Direct.Makespan {
		t.Errorf("without a digest: %.3f copies, %.2f s beside %.2f direct", r.OriginCopies, r.Makespan, r.Direct.Makespan)
	}
}

// TestSabotageLetsPollutersThrough: the scenario polluters shows wrong octets
// if, and only if, nothing is verified.
func TestSabotageLetsPollutersThrough(t *testing.T) {
	s, err := crowd.Load("polluters")
	if err != nil {
		t.Fatal(err)
	}
	s.Assert = nil
	r, err := Play(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if (r.WrongBytes > 0) != verify.Credulous {
		t.Errorf("%d wrong octets, with a verifier that believes everything: %v", r.WrongBytes, verify.Credulous)
	}
}

// TestLiarsOfEveryKind lets each kind of liar loose: nobody ever reads a wrong
// octet, everybody gets the file, and no honest peer is blamed.
func TestLiarsOfEveryKind(t *testing.T) {
	for _, kind := range []crowd.LiarKind{crowd.Flip, crowd.Length, crowd.Stall, crowd.Trickle, crowd.Claim, crowd.Sybil} {
		for _, arrival := range []string{"every:2s", "all"} {
			t.Run(string(kind)+" "+arrival, func(t *testing.T) {
				r := rehearse(t, "{nodes: 20, object: {size: 4MiB}, arrival: '"+arrival+"', peers: {liars: {share: 0.3, kind: "+string(kind)+"}}}")
				if r.WrongBytes != 0 || r.HonestBanned != 0 || r.Completed != 14 {
					t.Errorf("%d wrong octets, %d honest banned, %d completed", r.WrongBytes, r.HonestBanned, r.Completed)
				}
				bannable := kind == crowd.Flip || kind == crowd.Length || kind == crowd.Claim
				if bannable != (r.LiarsBanned > 0) {
					t.Errorf("%d liars banned", r.LiarsBanned)
				}
			})
		}
	}
}
