//go:build system && linux

package testnet

import (
	"encoding/json"
	"math"
	"os/exec"
	"testing"

	"github.com/flashcrowd/flashcrowd/testnet/crowd"
	"github.com/flashcrowd/flashcrowd/testnet/netns"
	"github.com/flashcrowd/flashcrowd/testnet/netns/trial"
)

// agreement is how far a rehearsal may be from what happens over real sockets.
const agreement = 0.15

// TestRehearsalsAgreeWithSockets plays one crowd of 8 over real sockets, with
// the real program behind shaped lines, and with both engines. The lines are
// slow, so that a busy machine can keep up with them.
func TestRehearsalsAgreeWithSockets(t *testing.T) {
	real, err := trial.Run(t.Context(), trial.Scenario{
		Name: "agree", Peers: 8, Size: 8 << 20,
		Origin: netns.Line{Up: 5 * netns.Mbit}, Peer: netns.Line{Up: 5 * netns.Mbit, Down: 10 * netns.Mbit},
	}, trial.Flashcrowd)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("sockets: %.2f s, %.3f copies", real.Makespan, real.OriginCopies)
	if real.Failed > 0 || real.Wrong > 0 {
		t.Fatalf("%d failed, %d wrong: %v", real.Failed, real.Wrong, real.Errors)
	}
	for _, engine := range []string{"model", "stack"} {
		r := rehearsal(t, "--engine", engine, "--nodes", "8", "--size", "8MiB", "--origin-up", "5Mbit", "--peer-up", "5Mbit", "--peer-down", "10Mbit", "--rtt", "2ms")
		t.Logf("%s: %.2f s, %.3f copies", engine, float64(r.Makespan), r.OriginCopies)
		if apart(float64(r.Makespan), real.Makespan) > agreement || apart(r.OriginCopies, real.OriginCopies) > agreement {
			t.Errorf("%s: %.2f s and %.3f copies; over sockets %.2f s and %.3f", engine, float64(r.Makespan), r.OriginCopies, real.Makespan, real.OriginCopies)
		}
	}
}

// rehearsal is what the program says of a rehearsal.
func rehearsal(t *testing.T, args ...string) (r crowd.Result) {
	t.Helper()
	program, err := trial.Binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, append([]string{"testnet", "crowd", "--json"}, args...)...).Output()
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		t.Fatalf("rehearsal %v: %v", args, err)
	}
	return r
}

func apart(a, b float64) float64 { return math.Abs(a-b) / b }
