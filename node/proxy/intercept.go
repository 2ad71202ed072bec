package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// Interception is how a node answers in the place of hosts that its user
// listed. All functions are required, and may be called at once from many
// goroutines. Hosts are in lower case, without port, brackets and last dot.
type Interception struct {
	// Wants reports whether the user listed host.
	Wants func(host string) bool
	// Vet verifies the certificate of hostport and reports whether the server
	// asked for a certificate of its client. Its errors are *fetch.Failure.
	Vet func(ctx context.Context, hostport string) (clientCert bool, err error)
	// Leaf returns a certificate for host, which Vet has just verified.
	Leaf func(host string) (*tls.Certificate, error)
	// Exempt reports whether host could not be intercepted before, and Spare
	// notes that it cannot be.
	Exempt func(host string) bool
	Spare  func(host, why string)
}

const (
	// vettedFor is how long a verified certificate lets leaves be shown. Each
	// connection for a request verifies it anew.
	vettedFor = 5 * time.Minute
	maxVetted = 4096
	// handshakeTimeout is for the client's side of TLS.
	handshakeTimeout = 30 * time.Second
	// quickEnd is how soon a client that does not trust a certificate, and
	// has no alert for that, ends the connection after the handshake.
	quickEnd = 2 * time.Second
	// quickEnds in a row mean that no client trusts it.
	quickEnds = 3
)

// interceptor serves the connections that are intercepted.
type interceptor struct {
	Interception
	p      *Proxy
	server *http.Server
	conns  chan net.Conn
	done   chan struct{} // closed when nothing is accepted any more
	once   sync.Once
	wg     sync.WaitGroup

	mu     sync.Mutex           // guards following
	vetted map[string]time.Time // by hostport
	quick  map[string]int       // quick ends in a row, by host
}

// newInterceptor starts to serve. close ends it.
func newInterceptor(p *Proxy, in Interception) *interceptor {
	ic := &interceptor{
		Interception: in, p: p, conns: make(chan net.Conn), done: make(chan struct{}),
		vetted: make(map[string]time.Time), quick: make(map[string]int),
	}
	door := p.door(ic.answer)
	ic.server = p.Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		interceptedIn(r.Context()).used.Store(true)
		door.ServeHTTP(w, r)
	}))
	ic.server.Protocols.SetHTTP2(true)
	ic.server.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 100}
	outer := ic.server.ConnContext
	ic.server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if outer != nil {
			ctx = outer(ctx, c)
		}
		return context.WithValue(ctx, interceptedKey{}, interceptedOf(c))
	}
	ic.wg.Go(func() { ic.server.Serve(ic) })
	return ic
}

func (ic *interceptor) close() {
	ic.server.Close()
	ic.wg.Wait()
}

// Accept, Close and Addr make a listener of it, whose connections are handed
// over by serve.
func (ic *interceptor) Accept() (net.Conn, error) {
	select {
	case c := <-ic.conns:
		return c, nil
	case <-ic.done:
		return nil, net.ErrClosed
	}
}

func (ic *interceptor) Close() error {
	ic.once.Do(func() { close(ic.done) })
	return nil
}

func (ic *interceptor) Addr() net.Addr { return &net.TCPAddr{} }

// wants reports whether a CONNECT to host is to be intercepted. Port 80 is for
// what is no TLS.
func (ic *interceptor) wants(host string, port uint16) bool {
	return ic != nil && port != 80 && ic.Wants(host) && !ic.Exempt(host)
}

// intercept answers CONNECT in the place of hostport, whose certificate is
// verified before. Where that cannot be done honestly the client gets a tunnel,
// as if the host were not listed.
func (p *Proxy) intercept(v *visit, t *tunnel, hostport string) error {
	ic, host := p.interceptor, hostOf(hostport)
	if !ic.isVetted(hostport) {
		ctx, cancel := context.WithTimeout(v.r.Context(), dialTimeout)
		defer cancel()
		defer context.AfterFunc(p.tunnels.ctx, cancel)()
		clientCert, err := ic.Vet(ctx, hostport)
		switch {
		case clientCert:
			ic.spare(host, "the server asks for a certificate of its client")
			return p.tunnel(v, t, hostport)
		case fetch.CauseOf(err) == fetch.TLSProtocol:
			return p.tunnel(v, t, hostport) // no TLS, or one that only the client speaks
		case err != nil:
			return err
		}
		ic.vet(hostport)
	}
	cert, err := ic.Leaf(host)
	if err != nil {
		return &fetch.Failure{Cause: fetch.InternalFailure, Err: err}
	}
	near, early, err := v.establish()
	if err != nil {
		return err
	}
	v.outcome, v.w.status, v.w.first = "tunnel", http.StatusOK, time.Now()
	ic.serve(v, t, newIntercepted(near, early, hostport), cert)
	return nil
}

// serve shakes hands with the client, lets the server answer the requests that
// come, and returns when the connection has ended.
func (ic *interceptor) serve(v *visit, t *tunnel, in *intercepted, cert *tls.Certificate) {
	defer in.Close()
	t.hold(in)
	in.SetReadDeadline(time.Now().Add(handshakeTimeout))
	if first, err := in.peek(); err != nil || first != recordHandshake {
		in.SetReadDeadline(time.Time{})
		if err == nil { // no TLS comes: the client gets what it would get
			v.err = ic.p.through(t, in)
		}
		return
	}
	secure := tls.Server(in, &tls.Config{
		Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		SessionTicketsDisabled: true, // each connection has its own policy
	})
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		v.err = err
		if isDistrust(err) {
			ic.spare(in.host, "a client does not accept the certificate: "+err.Error())
		}
		return
	}
	in.SetReadDeadline(time.Time{})
	began := time.Now()
	select {
	case ic.conns <- secured(secure, ic.p.wait.header):
		<-in.closed
	case <-ic.done:
	}
	ic.judge(in, time.Since(began))
}

// recordHandshake is how TLS begins (RFC 8446 section 5.1).
const recordHandshake = 0x16

// through connects a client that speaks no TLS.
func (p *Proxy) through(t *tunnel, in *intercepted) error {
	ctx, cancel := context.WithTimeout(p.tunnels.ctx, dialTimeout)
	defer cancel()
	far, err := p.cfg.Dial(ctx, "tcp", in.hostport)
	if err != nil {
		return err
	}
	t.carry(in.Conn, far, in.early, p.cfg.TunnelIdle)
	return nil
}

// judge learns from how a connection went. Some clients verify a certificate
// only after the handshake, and have no alert for one that they do not trust.
func (ic *interceptor) judge(in *intercepted, took time.Duration) {
	ic.mu.Lock()
	if in.used.Load() || took > quickEnd {
		delete(ic.quick, in.host)
		ic.mu.Unlock()
		return
	}
	if len(ic.quick) >= maxVetted {
		clear(ic.quick)
	}
	ic.quick[in.host]++
	enough := ic.quick[in.host] >= quickEnds
	ic.mu.Unlock()
	if enough {
		ic.spare(in.host, "clients end the connection when they see the certificate")
	}
}

func (ic *interceptor) spare(host, why string) {
	ic.p.log.Info("tunnelled", "host", host, "why", why)
	ic.Spare(host, why)
}

func (ic *interceptor) isVetted(hostport string) bool {
	ic.mu.Lock()
	defer ic.mu.Unlock()
	at, ok := ic.vetted[hostport]
	return ok && time.Since(at) < vettedFor
}

func (ic *interceptor) vet(hostport string) {
	ic.mu.Lock()
	defer ic.mu.Unlock()
	if len(ic.vetted) >= maxVetted {
		clear(ic.vetted)
	}
	ic.vetted[hostport] = time.Now()
}

// doubt makes the next CONNECT to hostport verify its certificate again.
func (ic *interceptor) doubt(hostport string) {
	ic.mu.Lock()
	defer ic.mu.Unlock()
	delete(ic.vetted, hostport)
}

// distrust are the alerts of a client that does not believe a certificate (RFC
// 8446 section 6.2).
var distrust = []tls.AlertError{42, 43, 44, 45, 46, 48}

// isDistrust reports whether a handshake ended with such an alert. crypto/tls
// gives it as the text of AlertError.
func isDistrust(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return false
	}
	for _, alert := range distrust {
		if op.Err.Error() == alert.Error() {
			return true
		}
	}
	return false
}

// answer is the door of the requests on an intercepted connection.
func (ic *interceptor) answer(v *visit) error {
	v.face = "intercept"
	in := interceptedIn(v.r.Context())
	target, err := in.target(v.r)
	if err != nil {
		return err
	}
	err = ic.p.relay(v, target, way{face: fetch.Forward, response: dropAltSvc})
	if fetch.CauseOf(err) == fetch.TLS {
		ic.doubt(in.hostport)
	}
	return err
}

// dropAltSvc: another protocol would lead around this node.
func dropAltSvc(h http.Header) { delete(h, "Alt-Svc") }

// target returns the URL of a request on the connection. It is for the host of
// the tunnel and no other: only for that was a certificate verified.
func (in *intercepted) target(r *http.Request) (*url.URL, error) {
	host, port, err := net.SplitHostPort(in.hostport)
	if err != nil {
		return nil, badRequest("host and port")
	}
	site := "https://" + in.hostport
	if port == "443" {
		site = "https://" + hostForURL(host)
	}
	raw := r.RequestURI
	switch {
	case r.Method == http.MethodConnect:
		return nil, refuse(wrongMethod, "CONNECT within a tunnel")
	case raw == "*":
		raw = site
	case strings.HasPrefix(raw, "/"):
		raw = site + raw
	}
	target, err := parseTarget(raw)
	if err != nil {
		return nil, err
	}
	here := &url.URL{Scheme: "https", Host: in.hostport}
	asked := &url.URL{Scheme: "https", Host: r.Host}
	if !sameSite(target, here) || !sameSite(asked, here) {
		return nil, refuse(misdirected, "this connection is for %s", in.hostport)
	}
	return target, nil
}

func hostForURL(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// establish tells the client that its tunnel stands, and returns the
// connection with what the client has sent already.
func (v *visit) establish() (net.Conn, []byte, error) {
	near, early, err := v.takeOver()
	if err != nil {
		return nil, nil, err
	}
	if _, err := io.WriteString(near, "HTTP/1.1 200 Connection Established\r\n\r\n"); err != nil {
		near.Close()
		v.err = err
		v.abort()
	}
	return near, early, nil
}
