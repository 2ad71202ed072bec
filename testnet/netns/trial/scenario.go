//go:build linux

package trial

import (
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/testnet/crowd"
	"github.com/flashcrowd/flashcrowd/testnet/netns"
)

// Scenario is what is played. The zero value is a crowd of 8 that wants 32 MiB
// from an origin with 20 Mbit/s at once, each with 20 Mbit/s up and 40 down.
type Scenario struct {
	Name string
	// Peers is how many come; zero is 8.
	Peers int
	// Size of the file in octets; zero is 32 MiB.
	Size int64
	// Origin and Peer are the lines of the origin and of each peer. A zero Line
	// is that of the zero Scenario.
	Origin, Peer netns.Line
	// Gap is how long after one peer the next one comes.
	Gap time.Duration
	// Arrivals are when each peer comes, instead of Gap.
	Arrivals []time.Duration
	// DiesAfter is how many copies the origin's line carries before the origin
	// goes off line for good; zero is for ever.
	DiesAfter float64
	// DiesAtFirst: the origin goes off line when the first peer is done.
	DiesAtFirst bool
}

// WithDefaults returns s with its zero fields filled in, but Name.
func (s Scenario) WithDefaults() Scenario {
	if s.Peers == 0 {
		s.Peers = 8
	}
	if s.Size == 0 {
		s.Size = 32 << 20
	}
	if s.Origin == (netns.Line{}) {
		s.Origin = netns.Line{Up: 20 * netns.Mbit}
	}
	if s.Peer == (netns.Line{}) {
		s.Peer = netns.Line{Up: 20 * netns.Mbit, Down: 40 * netns.Mbit}
	}
	if len(s.Arrivals) != s.Peers {
		s.Arrivals = make([]time.Duration, s.Peers)
		for i := range s.Arrivals {
			s.Arrivals[i] = time.Duration(i) * s.Gap
		}
	}
	return s
}

// Bounds returns what no way to share can beat, if bits cost nothing on the
// way: [crowd.Bound] of the makespan (design section 10), and [crowd.MeanBound] of
// the mean time from arrival to completion.
func (s Scenario) Bounds() (makespan, mean time.Duration) {
	s = s.WithDefaults()
	var lines []crowd.Line
	for _, at := range s.Arrivals {
		lines = append(lines, crowd.Line{At: at, Up: octets(s.Peer.Up), Down: octets(s.Peer.Down)})
	}
	size, up := float64(s.Size), octets(s.Origin.Up)
	return crowd.Bound(size, up, lines), crowd.MeanBound(size, up, lines)
}

// octets is what a line carries in a second; one without a limit more than counts.
func octets(r netns.Rate) float64 {
	if r == 0 {
		return 1e15
	}
	return float64(r) / 8
}

// takes is how long a line needs for one copy.
func (s Scenario) takes(r netns.Rate) time.Duration {
	return time.Duration(float64(s.Size) / octets(r) * float64(time.Second))
}

// patience is when a run is given up: in good time after everybody could have
// gone to the origin in turn.
func (s Scenario) patience() time.Duration {
	return time.Duration(s.Peers)*s.takes(s.Origin.Up)*3/2 + slices.Max(s.Arrivals) + 2*time.Minute
}
