package swarm

import (
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// patience reads from a stream and keeps its read deadline: the first octet
// must come in time, and from then on leastProgress octets within each idle.
// Only the time in Read counts, never that of a consumer between two.
type patience struct {
	st    network.Stream
	idle  time.Duration
	left  time.Duration // until the deadline, while Read is not running
	since int           // octets since left was filled up
	// began is when the first octet began to be waited for; zero after it
	// came, and then trip is how long it took.
	began time.Time
	trip  time.Duration
}

// begin starts to wait for a first octet.
func (p *patience) begin(firstByte time.Duration) {
	p.left, p.since, p.began = firstByte, 0, time.Now()
}

func (p *patience) Read(b []byte) (int, error) {
	start := time.Now()
	if err := p.st.SetReadDeadline(start.Add(p.left)); err != nil {
		return 0, err
	}
	n, err := p.st.Read(b)
	now := time.Now()
	p.left -= now.Sub(start)
	p.since += n
	switch {
	case n > 0 && !p.began.IsZero():
		p.trip, p.began = now.Sub(p.began), time.Time{}
		fallthrough
	case p.since >= leastProgress:
		p.left, p.since = p.idle, 0
	}
	return n, err
}
