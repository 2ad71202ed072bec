//go:build linux

package trial

import (
	"slices"
	"time"

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
// way: the fluid bound of the makespan (design section 10), and one of the
// mean time from arrival to completion. The k-th completion is not before k
// copies could leave all lines together, nor before the origin has sent one
// copy, nor before k peers could take one each.
func (s Scenario) Bounds() (makespan, mean time.Duration) {
	s = s.WithDefaults()
	alone := make([]time.Duration, s.Peers)
	var sum time.Duration
	for i, at := range s.Arrivals {
		alone[i] = at + s.takes(s.Peer.Down)
		sum -= at
	}
	slices.Sort(alone)
	for k := range s.Peers {
		makespan = max(s.takes(s.Origin.Up), alone[k], s.carried(k+1))
		sum += makespan
	}
	return makespan, sum / time.Duration(s.Peers)
}

// takes is how long a line needs for one copy; without a limit nothing.
func (s Scenario) takes(r netns.Rate) time.Duration {
	if r == 0 {
		return 0
	}
	return time.Duration(float64(s.Size) * 8 / float64(r) * float64(time.Second))
}

// carried is when all lines of those who have come can have sent so many
// copies.
func (s Scenario) carried(copies int) time.Duration {
	if s.Origin.Up == 0 || s.Peer.Up == 0 {
		return 0
	}
	need := float64(copies) * float64(s.Size) * 8
	rate, now := float64(s.Origin.Up), 0.0
	for _, at := range slices.Sorted(slices.Values(s.Arrivals)) {
		until := at.Seconds()
		if need <= rate*(until-now) {
			break
		}
		need -= rate * (until - now)
		now, rate = until, rate+float64(s.Peer.Up)
	}
	return time.Duration((now + need/rate) * float64(time.Second))
}

// patience is when a run is given up: in good time after everybody could have
// gone to the origin in turn.
func (s Scenario) patience() time.Duration {
	return time.Duration(s.Peers)*s.takes(s.Origin.Up)*3/2 + slices.Max(s.Arrivals) + 2*time.Minute
}
