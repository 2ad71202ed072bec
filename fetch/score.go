package fetch

import (
	"math"
	"slices"
	"sync"
	"time"
)

const (
	// maxScores bounds how many peers are remembered; the oldest go first.
	maxScores = 4096
	// scoreLife is how long what a peer did says something of what it will do.
	scoreLife = 24 * time.Hour
)

// score is how a peer did in earlier flights. Liars have none: they are
// banned.
type score struct {
	rate float64 // octets a second, the mean of past flights, later ones weigh more
	at   time.Time
}

// scores remembers how fast peers were, so that a new flight begins with the
// best. The zero value is ready.
type scores struct {
	mu     sync.Mutex // guards following
	byPeer map[string]score
	order  []string
}

// rate returns what is remembered of peer, 0 for nothing.
func (s *scores) rate(peer string, now time.Time) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.byPeer[peer]
	if now.Sub(known.at) > scoreLife {
		return 0
	}
	return known.rate
}

// note takes in that peer gave rate in a flight; 0 for one that was left.
func (s *scores) note(peer string, rate float64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byPeer == nil {
		s.byPeer = make(map[string]score)
	}
	known, ok := s.byPeer[peer]
	if !ok {
		s.order = append(s.order, peer)
		known.rate = rate
	}
	s.byPeer[peer] = score{rate: (known.rate + rate) / 2, at: now}
	for len(s.order) > maxScores {
		delete(s.byPeer, s.order[0])
		s.order = s.order[1:]
	}
}

// usual keeps how long orders took for each of their pieces. The zero value is
// ready; it is not safe for concurrent use.
type usual struct {
	times [64]time.Duration
	n     int
}

func (u *usual) add(d time.Duration) {
	u.times[u.n%len(u.times)] = d
	u.n++
}

// hedgeQuantile is the share of orders that are on time: one in twenty is
// worth asking another peer for, too.
const hedgeQuantile = 0.95

// quantile returns the time a piece that hedgeQuantile of the latest orders
// kept to, 0 while too few are known.
func (u *usual) quantile() time.Duration {
	if u.n < 8 {
		return 0
	}
	seen := slices.Sorted(slices.Values(u.times[:min(u.n, len(u.times))]))
	return seen[int(math.Ceil(hedgeQuantile*float64(len(seen))))-1]
}
