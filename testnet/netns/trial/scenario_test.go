//go:build linux

package trial

import (
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/testnet/netns"
)

func TestBounds(t *testing.T) {
	const size = 5e6 // 2 s at 20 Mbit/s, 1 s at 40
	line := netns.Line{Up: 20 * netns.Mbit, Down: 40 * netns.Mbit}
	for _, test := range []struct {
		name           string
		s              Scenario
		makespan, mean time.Duration
	}{
		{"one waits for the origin", Scenario{Peers: 1, Size: size}, 2 * time.Second, 2 * time.Second},
		{"a crowd that can share waits for the origin", Scenario{Size: size}, 2 * time.Second, 2 * time.Second},
		{"without uploads of peers worth the name, each copy in turn",
			Scenario{Peers: 3, Size: size, Peer: netns.Line{Up: 1, Down: 40 * netns.Mbit}}, 6 * time.Second, 4 * time.Second},
		{"who comes late needs its own line", Scenario{Peers: 2, Size: size, Peer: line, Gap: 10 * time.Second}, 11 * time.Second, 1500 * time.Millisecond},
	} {
		makespan, mean := test.s.Bounds()
		if (makespan-test.makespan).Abs() > time.Millisecond || (mean-test.mean).Abs() > time.Millisecond {
			t.Errorf("%s: makespan %v, mean %v; want %v, %v", test.name, makespan, mean, test.makespan, test.mean)
		}
	}
}
