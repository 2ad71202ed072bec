package proxy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// dialTimeout is for the whole of a CONNECT up to its answer.
const dialTimeout = 30 * time.Second

// connect answers CONNECT (RFC 9110 section 9.3.6).
func (p *Proxy) connect(v *visit) error {
	v.face = "connect"
	hostport, port, err := parseAuthority(v.r)
	if err != nil {
		return err
	}
	switch {
	case isLoop(v.r.Header, p.cfg.Name):
		return &fetch.Failure{Cause: fetch.Loop, Err: errLoop}
	case p.cfg.Dial == nil:
		return &fetch.Failure{Cause: fetch.Denied, Err: errNoDial}
	case !p.cfg.ConnectPorts(port):
		return refuse(portDenied, "port %d", port)
	case p.owner(v.r, &url.URL{Host: hostport}) != nobodys:
		return refuse(misdirected, "%s is a listener of this node", hostport)
	}
	if err := p.denied(hostOf(hostport)); err != nil {
		return err
	}
	t := p.tunnels.open()
	if t == nil {
		return refuse(tooManyTunnels, "no more than %d tunnels", p.cfg.MaxTunnels)
	}
	defer p.tunnels.done(t)
	if !p.paused() && p.interceptor.wants(hostOf(hostport), port) {
		return p.intercept(v, t, hostport)
	}
	return p.tunnel(v, t, hostport)
}

// parseAuthority reads the target of a CONNECT, "host:port".
func parseAuthority(r *http.Request) (hostport string, port uint16, err error) {
	raw := r.RequestURI
	host, digits, err := net.SplitHostPort(raw)
	if err != nil || host == "" || strings.ContainsAny(raw, "/?#@ ") {
		return "", 0, badRequest("CONNECT wants host:port")
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 {
		return "", 0, badRequest("CONNECT to port %.40q", digits)
	}
	if r.ContentLength != 0 {
		return "", 0, badRequest("CONNECT with a body")
	}
	return net.JoinHostPort(host, digits), uint16(n), nil
}

// tunnel connects and carries octets until either end has had enough.
func (p *Proxy) tunnel(v *visit, t *tunnel, hostport string) error {
	ctx, cancel := context.WithTimeout(v.r.Context(), dialTimeout)
	defer cancel()
	defer context.AfterFunc(p.tunnels.ctx, cancel)()
	far, err := p.cfg.Dial(ctx, "tcp", hostport)
	if err != nil {
		return err
	}
	defer far.Close()
	near, early, err := v.establish()
	if err != nil {
		return err
	}
	v.outcome, v.w.status, v.w.first = "tunnel", http.StatusOK, time.Now()
	v.w.octets = t.carry(near, far, early, p.cfg.TunnelIdle)
	return nil
}

// takeOver takes the client's connection from the server, with what the client
// has sent already.
func (v *visit) takeOver() (net.Conn, []byte, error) {
	conn, buffered, err := v.w.rc.Hijack()
	if err != nil {
		return nil, nil, &fetch.Failure{Cause: fetch.InternalFailure, Err: fmt.Errorf("take over connection: %w", err)}
	}
	v.hijacked = true
	early, err := buffered.Reader.Peek(buffered.Reader.Buffered())
	if err != nil {
		early = nil
	}
	if strict, ok := conn.(*strictConn); ok {
		beneath, ahead := strict.release()
		return beneath, append(early, ahead...), nil
	}
	return conn, early, nil
}
