package kad_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// wires are simulated connections for networks of a hundred nodes: what is
// written is there linkDelay later, and nothing is sealed or lost. Idle
// connections, of which such a network has thousands, cost nothing, while
// those of [internet] keep themselves alive.
type wires struct {
	mu        sync.Mutex // guards the fields below
	hosts     int
	listeners map[string]*wireListener // by what they listen on
}

// host returns a host that speaks TCP over wires, at an address of its own /16.
func (w *wires) host(t *testing.T, more ...libp2p.Option) host.Host {
	t.Helper()
	w.mu.Lock()
	w.hosts++
	n := w.hosts
	w.mu.Unlock()
	mux := *yamux.DefaultTransport
	mux.EnableKeepAlive = false
	mux.MeasureRTTInterval = 24 * time.Hour
	h, err := libp2p.New(append(more,
		libp2p.ListenAddrStrings(fmt.Sprintf("/ip4/%d.%d.1.1/tcp/8000", 20+n/200, 1+n%200)),
		libp2p.Transport(func(u transport.Upgrader, r network.ResourceManager) transport.Transport {
			return &wireTransport{w, u, r, fmt.Sprintf("%d.%d.1.1:9000", 20+n/200, 1+n%200)}
		}),
		libp2p.Muxer(yamux.ID, &mux),
		libp2p.NoSecurity,
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
		libp2p.DisableIdentifyAddressDiscovery(),
	)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// wireTransport is TCP of one host.
type wireTransport struct {
	wires    *wires
	upgrader transport.Upgrader
	rcmgr    network.ResourceManager
	from     string
}

func (*wireTransport) CanDial(a ma.Multiaddr) bool {
	return len(a) == 2 && a[0].Protocol().Code == ma.P_IP4 && a[1].Protocol().Code == ma.P_TCP
}
func (*wireTransport) Protocols() []int { return []int{ma.P_TCP} }
func (*wireTransport) Proxy() bool      { return false }

func (t *wireTransport) Dial(ctx context.Context, to ma.Multiaddr, p peer.ID) (transport.CapableConn, error) {
	scope, err := t.rcmgr.OpenConnection(network.DirOutbound, true, to)
	if err != nil {
		return nil, err
	}
	_, at, err := manet.DialArgs(to)
	if err != nil {
		return nil, err
	}
	raw, err := t.wires.dial(ctx, t.from, at)
	if err != nil {
		return nil, err
	}
	c, err := manet.WrapNetConn(raw)
	if err != nil {
		return nil, err
	}
	return t.upgrader.Upgrade(ctx, t, c, network.DirOutbound, p, scope)
}

func (t *wireTransport) Listen(a ma.Multiaddr) (transport.Listener, error) {
	_, at, err := manet.DialArgs(a)
	if err != nil {
		return nil, err
	}
	l, err := manet.WrapNetListener(t.wires.listen(at))
	if err != nil {
		return nil, err
	}
	return t.upgrader.UpgradeGatedMaListener(t, t.upgrader.GateMaListener(l)), nil
}

type wireListener struct {
	wires  *wires
	at     string
	queue  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (w *wires) listen(at string) *wireListener {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listeners == nil {
		w.listeners = make(map[string]*wireListener)
	}
	l := &wireListener{wires: w, at: at, queue: make(chan net.Conn, 1024), closed: make(chan struct{})}
	w.listeners[at] = l
	return l
}

func (l *wireListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *wireListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.wires.mu.Lock()
		defer l.wires.mu.Unlock()
		delete(l.wires.listeners, l.at)
	})
	return nil
}

func (l *wireListener) Addr() net.Addr { return tcpAddr(l.at) }

func tcpAddr(at string) net.Addr {
	a, _ := net.ResolveTCPAddr("tcp", at) // literal addresses
	return a
}

// dial takes a round trip, also to learn that nobody listens.
func (w *wires) dial(ctx context.Context, from, to string) (net.Conn, error) {
	select {
	case <-time.After(2 * linkDelay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	w.mu.Lock()
	l := w.listeners[to]
	w.mu.Unlock()
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: tcpAddr(to), Err: syscall.ECONNREFUSED}
	}
	there, back := newPostal(), newPostal()
	mine := &wire{in: back, out: there, local: from, remote: to}
	select {
	case l.queue <- &wire{in: there, out: back, local: to, remote: from}:
		return mine, nil
	case <-l.closed:
		return nil, syscall.ECONNREFUSED
	}
}

// wire is one end of a connection.
type wire struct {
	in, out       *postal
	local, remote string
}

func (c *wire) Read(p []byte) (int, error)     { return c.in.read(p) }
func (c *wire) Write(p []byte) (int, error)    { return c.out.write(p) }
func (c *wire) LocalAddr() net.Addr            { return tcpAddr(c.local) }
func (c *wire) RemoteAddr() net.Addr           { return tcpAddr(c.remote) }
func (*wire) SetWriteDeadline(time.Time) error { return nil } // writes never wait
func (c *wire) SetDeadline(t time.Time) error  { return c.SetReadDeadline(t) }
func (c *wire) SetReadDeadline(t time.Time) error {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.readBy = t
	c.in.wakeLocked()
	return nil
}

func (c *wire) Close() error {
	c.out.end()
	c.in.abandon()
	return nil
}

// postal carries octets one way.
type postal struct {
	mu     sync.Mutex // guards the fields below
	parcel []parcel
	readBy time.Time
	ended  bool          // nothing more is written
	gone   bool          // nobody reads any more
	wake   chan struct{} // closed when the fields above change
}

type parcel struct {
	at    time.Time
	bytes []byte
}

func newPostal() *postal { return &postal{wake: make(chan struct{})} }

func (f *postal) wakeLocked() {
	close(f.wake)
	f.wake = make(chan struct{})
}

func (f *postal) write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended || f.gone {
		return 0, syscall.EPIPE
	}
	f.parcel = append(f.parcel, parcel{time.Now().Add(linkDelay), append([]byte(nil), p...)})
	f.wakeLocked()
	return len(p), nil
}

func (f *postal) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.wakeLocked()
}

// abandon ends a read at once: yamux waits for that with a mutex held, during
// which the clock of a bubble stands still.
func (f *postal) abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone, f.parcel = true, nil
	f.wakeLocked()
}

func (f *postal) read(p []byte) (int, error) {
	for {
		n, wake, wait, err := f.take(p)
		if n > 0 || err != nil {
			return n, err
		}
		if wait <= 0 {
			<-wake
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-wake:
		}
		t.Stop()
	}
}

// take copies what has arrived, or says how long to wait: zero is until wake.
func (f *postal) take(p []byte) (n int, wake chan struct{}, wait time.Duration, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return 0, nil, 0, net.ErrClosed
	}
	now := time.Now()
	if !f.readBy.IsZero() {
		if wait = f.readBy.Sub(now); wait <= 0 {
			return 0, nil, 0, os.ErrDeadlineExceeded
		}
	}
	for len(f.parcel) > 0 && n < len(p) && !f.parcel[0].at.After(now) {
		m := copy(p[n:], f.parcel[0].bytes)
		n += m
		if f.parcel[0].bytes = f.parcel[0].bytes[m:]; len(f.parcel[0].bytes) == 0 {
			f.parcel = f.parcel[1:]
		}
	}
	switch {
	case n > 0:
		return n, nil, 0, nil
	case len(f.parcel) > 0:
		if d := f.parcel[0].at.Sub(now); wait == 0 || d < wait {
			wait = d
		}
	case f.ended:
		return 0, nil, 0, io.EOF
	}
	return 0, f.wake, wait, nil
}
