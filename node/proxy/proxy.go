package proxy

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// Fetcher answers requests; *fetch.Fetcher does.
type Fetcher interface {
	Do(ctx context.Context, req *fetch.Request) (*fetch.Response, error)
}

// Config wires a Proxy. Only Fetcher is required.
type Config struct {
	Fetcher Fetcher
	// Dial opens the connections of CONNECT. The policy about addresses is
	// its own, and its errors are *fetch.Failure. If nil, CONNECT is denied.
	Dial func(ctx context.Context, network, hostport string) (net.Conn, error)
	// Name is the pseudonym of this node in Via, such as "fc-1a2b3c4d", by
	// which it knows a request that comes round again. If empty, it is
	// "flashcrowd", and two such nodes in one chain are taken for a loop.
	Name string
	// ConnectPorts reports whether CONNECT may reach a port. If nil, it may
	// reach 80, 443 and 1024 to 65535.
	ConnectPorts func(port uint16) bool
	// Allow are the clients that may use this node beside those on loopback.
	Allow []netip.Prefix
	// Login reports whether password is that of user. If it is set every
	// client has to say who it is, those on loopback too, and Allow empty
	// means from everywhere. If nil, nobody is asked.
	Login func(ctx context.Context, user, password string) bool
	// Token is what commands of this machine may show in place of a password;
	// if empty, nothing is.
	Token string
	// Hosts are names by which clients may call gateway and mirrors beside
	// localhost and the addresses of the listeners, without port.
	Hosts []string
	// Own are other listeners of this node, such as the dashboard: requests
	// for them are not proxied. The listener that a request came in by need
	// not be among them.
	Own []netip.AddrPort
	// Upgrade asks an origin to go on by another protocol, such as that of
	// WebSocket, as Upgrade of fetch/origin. If nil, the wish is not passed on.
	Upgrade func(ctx context.Context, req *fetch.Request, protocol string) (*fetch.Answer, io.ReadWriteCloser, error)
	// Bypass reports whether requests for a host go straight to it; nil means
	// none do. Deny reports whether nobody may reach it; nil means all may.
	Bypass, Deny func(host string) bool
	// Paused reports whether all requests go straight to their origins for
	// now and nothing is intercepted; nil means never.
	Paused func() bool
	// PAC are the patterns of hosts that /proxy.pac sends through this node.
	PAC []string
	// Intercept is whom this node answers for; nil is nobody.
	Intercept *Interception
	// MaxTunnels is how many CONNECT tunnels there may be at once; 0 is 4096.
	MaxTunnels int
	// TunnelIdle is how long a tunnel may carry nothing in either direction;
	// 0 is 10 min.
	TunnelIdle time.Duration
	// Logger; nil is silent. Metrics; nil registers nothing.
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// Proxy is the HTTP face of a node. Its methods may be called at once from
// many goroutines.
type Proxy struct {
	cfg     Config
	log     *slog.Logger
	stats   *stats
	tunnels *tunnels
	// interceptor is nil where nothing is intercepted.
	interceptor *interceptor
	stranger    atomic.Bool // a client that is not allowed was logged
	wait        waits
}

// New returns a Proxy. Whoever calls New calls Close.
func New(cfg Config) *Proxy {
	if cfg.Name == "" {
		cfg.Name = "flashcrowd"
	}
	if cfg.ConnectPorts == nil {
		cfg.ConnectPorts = func(port uint16) bool { return port == 80 || port == 443 || port >= 1024 }
	}
	if cfg.MaxTunnels == 0 {
		cfg.MaxTunnels = 4096
	}
	if cfg.TunnelIdle == 0 {
		cfg.TunnelIdle = 10 * time.Minute
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Proxy{
		cfg: cfg, log: cfg.Logger, stats: newStats(cfg.Metrics), wait: waits{uploadIdle, lingering, headerTimeout},
		tunnels: newTunnels(cfg.MaxTunnels),
	}
	if cfg.Intercept != nil {
		p.interceptor = newInterceptor(p, *cfg.Intercept)
	}
	return p
}

// Close ends all tunnels and intercepted connections and waits for them; no
// new ones are opened. Other requests end with the servers that carry them.
func (p *Proxy) Close() {
	p.tunnels.close()
	if p.interceptor != nil {
		p.interceptor.close()
	}
}

// Handler returns the face of the main listener: forward proxy, CONNECT and
// gateway.
func (p *Proxy) Handler() http.Handler { return p.door(p.main) }

// Mirror returns the face of a listener that stands for origin: an absolute
// http or https URL, whose path is put before that of each request.
func (p *Proxy) Mirror(origin *url.URL) http.Handler {
	return p.door(func(v *visit) error { return p.mirror(v, newMirror(origin)) })
}

// door is what holds for every request on every listener. next answers the
// visit, or fails before anything was written.
func (p *Proxy) door(next func(*visit) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := p.begin(w, r)
		defer v.end()
		err := p.admit(r)
		if err == nil {
			err = p.login(r)
		}
		if err == nil {
			err = next(v)
		}
		if err != nil {
			v.fail(err)
		}
	})
}

// main classifies by the request target as it was sent (RFC 9112 section 3.2),
// which no router has cleaned: "//" within a URL is part of its name.
func (p *Proxy) main(v *visit) error {
	switch raw := v.r.RequestURI; {
	case v.r.Method == http.MethodConnect:
		return p.connect(v)
	case raw != "" && raw[0] == '/':
		return p.local(v, raw)
	default:
		return p.forward(v, raw)
	}
}

// forward answers a request in absolute form.
func (p *Proxy) forward(v *visit, raw string) error {
	v.face = "forward"
	target, err := parseTarget(raw)
	if err != nil {
		return err
	}
	switch p.owner(v.r, target) {
	case thisListener:
		return p.local(v, localPart(raw))
	case otherListener:
		return refuse(misdirected, "%s is a listener of this node", target.Host)
	}
	return p.relay(v, target, way{face: fetch.Forward})
}

// way is what differs between the faces once the target is known. Both
// functions may be nil.
type way struct {
	face fetch.Face
	// request changes the fields that go to the origin.
	request func(h http.Header)
	// response changes the fields that go to the client.
	response func(h http.Header)
}

// relay is the journey of one request: in, answered, out.
func (p *Proxy) relay(v *visit, target *url.URL, w way) error {
	if isLoop(v.r.Header, p.cfg.Name) {
		return &fetch.Failure{Cause: fetch.Loop, Err: errLoop}
	}
	if v.lastHop() {
		return v.allowed()
	}
	if err := p.denied(hostOf(target.Host)); err != nil {
		return err
	}
	if protocol := upgradeOf(v.r); protocol != "" && p.cfg.Upgrade != nil && w.face != fetch.Gateway {
		return p.upgrade(v, target, w, protocol)
	}
	req := v.request(target, w)
	p.switches(req)
	defer v.leaveBody()
	req.Interim = v.early.pass(v, w)
	resp, err := p.cfg.Fetcher.Do(v.r.Context(), req)
	v.early.end()
	if err != nil {
		return err
	}
	return v.deliver(resp, w)
}
