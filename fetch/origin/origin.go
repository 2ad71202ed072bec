package origin

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Limits of design.md section 12.
const (
	maxHeaderBytes = 64 << 10
	maxFields      = 256
	// max1xx is how many interim responses one request may draw. Real ones
	// send one or two; net/http itself limits only their size.
	max1xx = 32
)

// Config is how a Client behaves. The zero Config works.
type Config struct {
	// Resolve pins host names to addresses, instead of DNS; names in any
	// case, with no port. A pinned name may lead to a private address on any
	// face, and what comes from it is never taken to be public.
	Resolve map[string][]netip.Addr
	// Via is appended to the Via field of each request, such as
	// "1.1 fc-1a2b3c4d". If empty, none is.
	Via string
	// RootCAs are whom TLS trusts; nil means the system's.
	RootCAs *x509.CertPool
	// Resolver looks names up; nil means net.DefaultResolver.
	Resolver *net.Resolver
	// Dial replaces the network, for tests and simulations: it is given
	// host:port as the URL has them. The guard then judges the RemoteAddr of
	// the connection, if that is an IP address, before it is used. If nil,
	// TCP is dialled.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// DialTimeout is for name look-up and connecting. Default 10 s.
	DialTimeout time.Duration
	// TLSTimeout is for the TLS handshake. Default 10 s.
	TLSTimeout time.Duration
	// WaitTimeout is for a free connection when MaxConnsPerHost are busy, look-up,
	// connecting and handshake included. Default 2 min.
	WaitTimeout time.Duration
	// FirstByteTimeout is from the end of the request to the end of the
	// response's header section. Default 60 s.
	FirstByteTimeout time.Duration
	// IdleTimeout is how long an origin may send no octet of a body, or take
	// none, while one is wanted; there is no limit on the whole. Default 60 s.
	IdleTimeout time.Duration

	// MaxConnsPerHost is how many connections a host gets, once for the
	// gateway and once for all other faces. Default 6.
	MaxConnsPerHost int
	// StreamWindow is how much of a body an origin may send over HTTP/2
	// before it is read: what an unread body costs the origin and this node.
	// It bounds a stream's rate to StreamWindow a round trip. Default 1 MiB:
	// 200 Mbit/s at 40 ms. It must be less than 4 MiB.
	StreamWindow int

	// Profiles of entity tags, by which some are read as digests; nil reads
	// none so.
	Profiles *verify.Profiles

	// Logger gets msg=origin_backoff; nil is silent.
	Logger *slog.Logger
}

func (cfg Config) withDefaults() Config {
	orDefault(&cfg.DialTimeout, 10*time.Second)
	orDefault(&cfg.TLSTimeout, 10*time.Second)
	orDefault(&cfg.WaitTimeout, 2*time.Minute)
	orDefault(&cfg.FirstByteTimeout, time.Minute)
	orDefault(&cfg.IdleTimeout, time.Minute)
	orDefault(&cfg.MaxConnsPerHost, 6)
	orDefault(&cfg.StreamWindow, 1<<20)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return cfg
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Client is the client towards web servers. All methods may be called at once
// from many goroutines.
type Client struct {
	cfg     Config
	pins    pins
	backoff backoff
	shy     shy
	// Connections of the two never mix: one that the local user's request
	// opened to a private address must not serve a request of a web page.
	local, gateway side
	upgrades       *http.Transport // for Upgrade, under the guard of local
}

var _ fetch.Origin = (*Client)(nil)

// side is the connections made under one guard.
type side struct {
	dialer    *dialer
	transport *http.Transport
}

// New returns a client. Whoever calls closes it.
func New(cfg Config) *Client {
	cfg = cfg.withDefaults()
	c := &Client{cfg: cfg, pins: pinsOf(cfg.Resolve), backoff: backoff{log: cfg.Logger}}
	c.local = c.sideOf(Guard{})
	c.upgrades = upgradesOf(c.local.dialer, cfg)
	c.gateway = c.sideOf(Guard{Gateway: true, Pinned: c.pins.has})
	return c
}

// Close closes the connections that nobody uses. Requests under way end with
// their own contexts, and their connections with them.
func (c *Client) Close() {
	c.local.dialer.spares.close()
	c.local.transport.CloseIdleConnections()
	c.gateway.transport.CloseIdleConnections()
}

func (c *Client) sideOf(g Guard) side {
	d := newDialer(c.cfg, g, c.pins)
	return side{d, &http.Transport{
		DialContext:           d.dialBulk,
		DialTLSContext:        d.dialTLS,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true,
		MaxConnsPerHost:       c.cfg.MaxConnsPerHost,
		MaxIdleConnsPerHost:   c.cfg.MaxConnsPerHost,
		MaxIdleConns:          100,
		IdleConnTimeout:       90 * time.Second,
		ResponseHeaderTimeout: c.cfg.FirstByteTimeout,
		// RFC 9110 section 10.1.1: a client that waits for 100 should not
		// wait for ever, since older servers never send it.
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeaderBytes,
		HTTP2: &http.HTTP2Config{
			// The window of the connection stays at its default of 1 GiB: a
			// smaller one would let readers that pause stop all others.
			MaxReceiveBufferPerStream: c.cfg.StreamWindow,
			MaxReadFrameSize:          64 << 10,
			// A pooled connection may have died unseen while the machine
			// slept or changed its network.
			SendPingTimeout: 15 * time.Second,
			PingTimeout:     15 * time.Second,
		},
	}}
}

func (c *Client) side(f fetch.Face) *side {
	if f == fetch.Forward || f == fetch.Mirror {
		return &c.local
	}
	return &c.gateway
}
