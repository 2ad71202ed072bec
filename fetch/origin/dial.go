package origin

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// pins are the addresses that the user gave for names in their normal form.
type pins map[string][]netip.Addr

func pinsOf(resolve map[string][]netip.Addr) pins {
	p := make(pins, len(resolve))
	for host, addrs := range resolve {
		host = normalName(host)
		p[host] = append(p[host], addrs...)
	}
	return p
}

func (p pins) has(host string) bool { return len(p[normalName(host)]) > 0 }

// dialer opens connections under one guard. Its errors are *fetch.Failure.
type dialer struct {
	cfg   Config
	guard Guard
	pins  pins
	tls   *tls.Config
	// spares were opened by Vet.
	spares spares
}

func newDialer(cfg Config, g Guard, p pins) *dialer {
	return &dialer{cfg: cfg, guard: g, pins: p, tls: &tls.Config{
		RootCAs:          cfg.RootCAs,
		MinVersion:       tls.VersionTLS12,
		NextProtos:       []string{"h2", "http/1.1"},
		VerifyConnection: checkChain,
	}}
}

// DialTunnel opens a TCP connection to hostport for CONNECT, as the local user
// could: to private addresses too, to forbidden ones never. Errors are
// *fetch.Failure, or ctx's own. Whoever called closes the connection.
func (c *Client) DialTunnel(ctx context.Context, hostport string) (net.Conn, error) {
	conn, err := c.local.dialer.dial(ctx, "tcp", hostport)
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("dial tunnel: %w", ctx.Err())
	}
	return conn, err
}

func (d *dialer) dial(ctx context.Context, network, hostport string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.DialTimeout)
	defer cancel()
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, &fetch.Failure{Cause: fetch.BadRequest, Err: fmt.Errorf("split host and port: %w", err)}
	}
	var conn net.Conn
	if addrs := d.pins[normalName(host)]; len(addrs) > 0 {
		conn, err = d.dialPinned(ctx, network, host, port, addrs)
	} else {
		conn, err = d.dialOne(ctx, network, host, hostport)
	}
	if err != nil {
		return nil, &fetch.Failure{Cause: dialCause(err), Err: fmt.Errorf("dial: %w", err)}
	}
	return conn, nil
}

// dialBulk is dial for a connection that carries bodies.
func (d *dialer) dialBulk(ctx context.Context, network, hostport string) (net.Conn, error) {
	conn, err := d.dial(ctx, network, hostport)
	if err != nil {
		return nil, err
	}
	return fetch.BatchReads(conn), nil
}

// dialPinned tries the addresses of a pinned host in turn and returns the
// first error when all fail.
func (d *dialer) dialPinned(ctx context.Context, network, host, port string, addrs []netip.Addr) (net.Conn, error) {
	var first error
	for _, a := range addrs {
		conn, err := d.dialOne(ctx, network, host, net.JoinHostPort(a.String(), port))
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// dialOne connects to hostport on behalf of host. The guard sees each address
// at the moment when it is dialled, so it does not matter what DNS said
// before, or says next.
func (d *dialer) dialOne(ctx context.Context, network, host, hostport string) (net.Conn, error) {
	if d.cfg.Dial != nil {
		return d.dialInstead(ctx, network, host, hostport)
	}
	nd := net.Dialer{
		Resolver: d.cfg.Resolver,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("parse address: %w", err)
			}
			return d.guard.Check(host, to.Addr())
		},
	}
	return nd.DialContext(ctx, network, hostport)
}

// dialInstead uses Config.Dial and judges where it led.
func (d *dialer) dialInstead(ctx context.Context, network, host, hostport string) (net.Conn, error) {
	conn, err := d.cfg.Dial(ctx, network, hostport)
	if err != nil {
		return nil, err
	}
	if to, ok := addrOf(conn.RemoteAddr()); ok {
		if err := d.guard.Check(host, to); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

func addrOf(a net.Addr) (netip.Addr, bool) {
	if a == nil {
		return netip.Addr{}, false
	}
	ap, err := netip.ParseAddrPort(a.String())
	return ap.Addr(), err == nil
}
