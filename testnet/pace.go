package testnet

import (
	"context"
	"net"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// paceChunk is how much goes out at once: small enough that many connections
// share a rate fairly, and that little has left when a client hangs up.
const paceChunk = 8 << 10

// Pace limits all that is written to connections of one listener, together, to
// a rate, and counts it. It stands for the uplink of a machine.
type Pace struct {
	limiter *rate.Limiter
	sent    atomic.Int64
}

// NewPace returns a limit of octets a second; zero is no limit.
func NewPace(octets int64) *Pace {
	p := &Pace{limiter: rate.NewLimiter(rate.Inf, paceChunk)}
	p.SetRate(octets)
	return p
}

// SetRate changes the limit; zero is none.
func (p *Pace) SetRate(octets int64) {
	limit := rate.Limit(octets)
	if octets <= 0 {
		limit = rate.Inf
	}
	p.limiter.SetLimit(limit)
}

// Sent returns how many octets went out.
func (p *Pace) Sent() int64 { return p.sent.Load() }

// Listener returns l with its connections' writes under the limit. Closing it
// closes l.
func (p *Pace) Listener(l net.Listener) net.Listener { return pacedListener{l, p} }

type pacedListener struct {
	net.Listener
	pace *Pace
}

func (l pacedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.pace.Conn(c), nil
}

// Conn returns c with its writes under the limit. A write that waits for its
// turn ends when c is closed.
func (p *Pace) Conn(c net.Conn) net.Conn {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetWriteBuffer(64 << 10) // what is in the kernel has not left the machine
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &pacedConn{Conn: c, pace: p, ctx: ctx, cancel: cancel}
}

type pacedConn struct {
	net.Conn
	pace   *Pace
	ctx    context.Context
	cancel context.CancelFunc
}

func (c *pacedConn) Close() error {
	c.cancel()
	return c.Conn.Close()
}

func (c *pacedConn) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		part := b[:min(len(b), paceChunk)]
		if err := c.pace.limiter.WaitN(c.ctx, len(part)); err != nil {
			return n, net.ErrClosed
		}
		m, err := c.Conn.Write(part)
		n += m
		c.pace.sent.Add(int64(m))
		if err != nil {
			return n, err
		}
		b = b[m:]
	}
	return n, nil
}
