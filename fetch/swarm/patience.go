package swarm

import (
	"io"
	"time"
)

// deadline is the read or write deadline of a stream.
type deadline struct {
	set func(time.Time) error
	at  time.Time
}

// in moves the deadline to d from now. To move one costs a timer, so it may
// come early by up to a sixteenth of d.
func (l *deadline) in(d time.Duration) error {
	at := time.Now().Add(d)
	if ahead := at.Sub(l.at); ahead >= 0 && ahead < d/16 {
		return nil
	}
	l.at = at
	return l.set(at)
}

// patience reads from a stream and keeps its read deadline: the first octet
// must come in time, and from then on leastProgress octets within each idle.
// Only the time in Read counts, never that of a consumer between two.
type patience struct {
	st    io.Reader
	until deadline
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
	if err := p.until.in(p.left); err != nil {
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
