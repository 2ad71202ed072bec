package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// What the lines between hosts are made of.
const (
	// segment is what takes its turn on a line: those of many connections
	// share it evenly.
	segment = 16 << 10
	// Octets of headers (Ethernet, IPv4, TCP with time stamps) for each so many
	// of payload.
	payload = 1448
	headers = 66
	// window is how far a sender may be ahead of what the receiver has read.
	window = 1 << 20
	// socketBuffer is how much a sender may write that has not left yet.
	socketBuffer = 64 << 10
	// queue is how long a downlink may be behind before senders slow down, as
	// by the loss of packets.
	queue = 100 * time.Millisecond
)

// line is one direction of a host's line.
type line struct {
	mu   sync.Mutex // guards following
	rate float64    // octets a second
	free time.Time
	sent int64 // octets of payload
}

// pass books the line for n octets that are there from at on, and returns when
// they have passed.
func (l *line) pass(n int, at time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.free.Before(at) {
		l.free = at
	}
	wire := n + (n+payload-1)/payload*headers
	l.free = l.free.Add(max(time.Duration(float64(wire)/l.rate*float64(time.Second)), 1))
	l.sent += int64(n)
	return l.free
}

func (l *line) carried() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent
}

// internet is all hosts.
type internet struct {
	mu    sync.Mutex // guards following
	hosts map[netip.Addr]*host
}

// host is a machine on a line of its own. Nobody dials into one behind a NAT.
type host struct {
	net      *internet
	addr     netip.Addr
	delay    time.Duration // its half of a round trip, one way
	nat      bool
	up, down line

	mu        sync.Mutex // guards following
	listeners map[uint16]*listener
	conns     map[*conn]bool
	port      uint16 // the last that was given to a connection
	off       bool
}

func (n *internet) host(addr netip.Addr, up, down float64, delay time.Duration) *host {
	h := &host{
		net: n, addr: addr, delay: delay, up: line{rate: up}, down: line{rate: down},
		listeners: map[uint16]*listener{}, conns: map[*conn]bool{}, port: 20_000,
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hosts == nil {
		n.hosts = map[netip.Addr]*host{}
	}
	n.hosts[addr] = h
	return h
}

func (n *internet) find(addr netip.Addr) *host {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.hosts[addr]
}

// unplug takes the host off the net: whatever was under way is reset, and
// nobody hears of it any more.
func (h *host) unplug() {
	h.mu.Lock()
	h.off = true
	conns := h.conns
	h.conns = map[*conn]bool{}
	h.mu.Unlock()
	for c := range conns {
		c.out.reset()
		c.in.reset()
	}
}

// listen opens a port; the caller closes it.
func (h *host) listen(port uint16) (*listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listeners[port] != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: syscall.EADDRINUSE}
	}
	l := &listener{h: h, port: port, queue: make(chan *conn, 1024), closed: make(chan struct{})}
	h.listeners[port] = l
	return l, nil
}

// dial connects to a port of another host: a round trip, then it is open, and
// half of one later the other side has it.
func (h *host) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	peer := h.net.find(to.Addr())
	if peer == nil {
		return nil, h.failed(to, syscall.EHOSTUNREACH)
	}
	oneWay := h.delay + peer.delay
	if err := pause(ctx, 2*oneWay); err != nil {
		return nil, h.failed(to, err)
	}
	h.mu.Lock()
	off := h.off
	h.port++
	from := netip.AddrPortFrom(h.addr, h.port)
	h.mu.Unlock()
	peer.mu.Lock()
	l := peer.listeners[to.Port()]
	silent := off || peer.off || peer.nat
	peer.mu.Unlock()
	if silent {
		<-ctx.Done() // nobody answers
		return nil, h.failed(to, ctx.Err())
	}
	if l == nil {
		return nil, h.failed(to, syscall.ECONNREFUSED)
	}
	there, back := newFlow(h, peer, oneWay), newFlow(peer, h, oneWay)
	mine := &conn{host: h, in: back, out: there, local: from, remote: to}
	theirs := &conn{host: peer, in: there, out: back, local: to, remote: from}
	h.keep(mine)
	peer.keep(theirs)
	select {
	case l.queue <- theirs:
		return mine, nil
	case <-l.closed:
	default:
	}
	mine.Close()
	theirs.Close()
	return nil, h.failed(to, syscall.ECONNREFUSED)
}

func (h *host) failed(to netip.AddrPort, err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: err}
}

func (h *host) keep(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns[c] = true
}

func (h *host) forget(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
}

// DialContext makes a host a dialer of net/http and of the origin client.
func (h *host) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("stack: dial: %w", err)
	}
	return h.dial(ctx, to)
}

// pause lasts for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// listener is an open port.
type listener struct {
	h      *host
	port   uint16
	queue  chan *conn
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.h.mu.Lock()
		defer l.h.mu.Unlock()
		delete(l.h.listeners, l.port)
	})
	return nil
}

func (l *listener) Addr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(l.h.addr, l.port))
}

// conn is one end of a connection.
type conn struct {
	host          *host
	in, out       *flow
	local, remote netip.AddrPort
}

func (c *conn) Read(p []byte) (int, error)         { return c.in.read(p) }
func (c *conn) Write(p []byte) (int, error)        { return c.out.write(p) }
func (c *conn) LocalAddr() net.Addr                { return net.TCPAddrFromAddrPort(c.local) }
func (c *conn) RemoteAddr() net.Addr               { return net.TCPAddrFromAddrPort(c.remote) }
func (c *conn) SetReadDeadline(t time.Time) error  { return c.in.setDeadline(&c.in.readBy, t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.out.setDeadline(&c.out.writeBy, t) }

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite ends what this end sends, in good order.
func (c *conn) CloseWrite() error {
	c.out.finish()
	return nil
}

func (c *conn) Close() error {
	c.host.forget(c)
	c.out.finish()
	c.in.abandon()
	return nil
}

var errDeadline = os.ErrDeadlineExceeded
