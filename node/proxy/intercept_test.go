package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	web "github.com/flashcrowd/flashcrowd/fetch/origin"
	"github.com/flashcrowd/flashcrowd/node/authority"
)

// outward is a Fetcher that asks the real client towards web servers each time
// and keeps nothing.
type outward struct{ *web.Client }

func (o outward) Do(ctx context.Context, req *fetch.Request) (*fetch.Response, error) {
	ans, err := o.Send(ctx, req, nil)
	if err != nil {
		return nil, err
	}
	return &fetch.Response{
		Status: ans.Meta.Status, Header: ans.Meta.Header, Length: ans.Meta.Length, Body: ans.Body, Trailer: ans.Trailer,
		Served: fetch.Served{Forward: "uri-miss", Detail: "origin"}, Done: func(int64) {},
	}, nil
}

// stand is a proxy that intercepts *.test, and the web behind it.
type stand struct {
	web    *fetchtest.PKI
	ca     *authority.Authority
	exempt *authority.Exempt
	addr   string // of the proxy
	proxy  *Proxy

	mu     sync.Mutex
	minted []string
	vetted int
}

func newStand(t *testing.T) *stand {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ca")
	ca, _, err := authority.Open(dir, []string{"*.test"})
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{web: fetchtest.NewPKI(t, nil), ca: ca, exempt: authority.OpenExempt(dir)}
	pins := map[string][]netip.Addr{}
	for _, host := range []string{"a", "b", "plain", "pinned", "mutual"} {
		pins[host+".test"] = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	}
	pins["unlisted.example"] = pins["a.test"]
	client := web.New(web.Config{Resolve: pins, RootCAs: s.web.Pool()})
	t.Cleanup(client.Close)
	s.proxy = New(Config{
		Fetcher: outward{client}, Name: "fc-x", Upgrade: client.Upgrade,
		Dial: func(ctx context.Context, _, hostport string) (net.Conn, error) {
			return client.DialTunnel(ctx, hostport)
		},
		Intercept: &Interception{
			Wants: func(host string) bool { return strings.HasSuffix(host, ".test") },
			Vet: func(ctx context.Context, hostport string) (bool, error) {
				s.mu.Lock()
				s.vetted++
				s.mu.Unlock()
				return client.Vet(ctx, hostport)
			},
			Leaf: func(host string) (*tls.Certificate, error) {
				s.mu.Lock()
				s.minted = append(s.minted, host)
				s.mu.Unlock()
				return ca.Leaf(host)
			},
			Exempt: s.exempt.Has,
			Spare:  func(host, why string) { s.exempt.Add(host, why) },
		},
	})
	t.Cleanup(s.proxy.Close)
	s.addr = listen(t, s.proxy, s.proxy.Handler())
	return s
}

func (s *stand) leaves() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.minted...)
}

// site serves h by TLS with cert and returns its port.
func (s *stand) site(t *testing.T, cert tls.Certificate, h http.HandlerFunc) (port string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = nil
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	_, port, _ = net.SplitHostPort(srv.Listener.Addr().String())
	return port
}

// browser returns a client behind the proxy that trusts roots.
func (s *stand) browser(t *testing.T, h2 bool, roots *x509.CertPool) *http.Client {
	c := through(t, s.addr)
	tr := c.Transport.(*http.Transport)
	tr.TLSClientConfig = &tls.Config{RootCAs: roots}
	tr.ForceAttemptHTTP2 = h2
	return c
}

// own trusts the authority of the node alone.
func (s *stand) own() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(s.ca.Certificate())
	return pool
}

func fetchText(t *testing.T, c *http.Client, u string) (*http.Response, string) {
	t.Helper()
	resp, err := c.Get(u)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Alt-Svc", `h3=":443"`)
		w.Header().Set("Strict-Transport-Security", "max-age=1")
		fmt.Fprintf(w, "%s %s %s", text, r.Proto, r.Host)
	}
}

func TestInterceptAnswersByBothVersions(t *testing.T) {
	s := newStand(t)
	port := s.site(t, s.web.Issue(t, nil, "a.test"), say("hello"))
	for _, h2 := range []bool{false, true} {
		resp, body := fetchText(t, s.browser(t, h2, s.own()), "https://a.test:"+port+"/x?y")
		if want := map[bool]int{false: 1, true: 2}[h2]; resp.ProtoMajor != want {
			t.Errorf("client got HTTP/%d, want %d", resp.ProtoMajor, want)
		}
		if want := "hello HTTP/2.0 a.test:" + port; body != want {
			t.Errorf("origin said %q, want %q", body, want)
		}
		if got := resp.Header.Get("Cache-Status"); !strings.HasPrefix(got, "flashcrowd") {
			t.Errorf("Cache-Status %q", got)
		}
		if resp.Header.Get("Alt-Svc") != "" || resp.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("fields %v", resp.Header)
		}
	}
	if s.vetted != 1 {
		t.Errorf("vetted %d times within a moment", s.vetted)
	}
}

// TestInterceptLeavesUnlistedHostsAlone is TL4: the client sees the
// certificate of the origin itself.
func TestInterceptLeavesUnlistedHostsAlone(t *testing.T) {
	s := newStand(t)
	cert := s.web.Issue(t, nil, "unlisted.example")
	port := s.site(t, cert, say("hello"))
	resp, _ := fetchText(t, s.browser(t, true, s.web.Pool()), "https://unlisted.example:"+port+"/")
	if !resp.TLS.PeerCertificates[0].Equal(cert.Leaf) || resp.Header.Get("Via") != "" || resp.Header.Get("Alt-Svc") == "" {
		t.Error("not the origin's own answer")
	}
	if got := s.leaves(); len(got) != 0 {
		t.Errorf("minted for %q", got)
	}
}

// TestInterceptFallsBackOnPinning is TL2.
func TestInterceptFallsBackOnPinning(t *testing.T) {
	s := newStand(t)
	port := s.site(t, s.web.Issue(t, nil, "pinned.test"), say("hello"))
	c := s.browser(t, true, s.web.Pool()) // knows the origin's authority alone
	if resp, err := c.Get("https://pinned.test:" + port + "/"); err == nil {
		resp.Body.Close()
		t.Fatal("a client that pins took our certificate")
	}
	eventually(t, func() bool { return s.exempt.Has("pinned.test") })
	resp, body := fetchText(t, c, "https://pinned.test:"+port+"/")
	if resp.Header.Get("Via") != "" || !strings.HasPrefix(body, "hello") {
		t.Errorf("not tunnelled: %q", body)
	}
}

// TestInterceptFallsBackOnQuietDistrust: some clients have no alert, and end
// the connection when the handshake is done.
func TestInterceptFallsBackOnQuietDistrust(t *testing.T) {
	s := newStand(t)
	port := s.site(t, s.web.Issue(t, nil, "pinned.test"), say("hello"))
	for range quickEnds {
		if s.exempt.Has("pinned.test") {
			t.Fatal("gave up too early")
		}
		c := connect(t, s.addr, "pinned.test:"+port)
		secure := tls.Client(c.Conn, &tls.Config{ServerName: "pinned.test", RootCAs: s.own()})
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		secure.Close()
		eventually(t, func() bool {
			s.proxy.tunnels.mu.Lock()
			defer s.proxy.tunnels.mu.Unlock()
			return len(s.proxy.tunnels.all) == 0
		})
	}
	eventually(t, func() bool { return s.exempt.Has("pinned.test") })
}

// TestInterceptTunnelsClientCertificates is TL3, for servers that ask and for
// those that insist.
func TestInterceptTunnelsClientCertificates(t *testing.T) {
	for _, auth := range []tls.ClientAuthType{tls.RequestClientCert, tls.RequireAnyClientCert} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			s := newStand(t)
			srv := httptest.NewUnstartedServer(say("hello"))
			srv.TLS = &tls.Config{
				Certificates: []tls.Certificate{s.web.Issue(t, nil, "mutual.test")}, ClientAuth: auth, MaxVersion: version,
			}
			srv.StartTLS()
			t.Cleanup(srv.Close)
			_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
			c := s.browser(t, false, s.web.Pool())
			c.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{s.web.Issue(t, nil, "client")}
			if _, body := fetchText(t, c, "https://mutual.test:"+port+"/"); !strings.HasPrefix(body, "hello") {
				t.Errorf("auth %v version %x: %q", auth, version, body)
			}
			if !s.exempt.Has("mutual.test") || len(s.leaves()) != 0 {
				t.Errorf("auth %v version %x: not remembered, or minted for %q", auth, version, s.leaves())
			}
		}
	}
}

func TestInterceptTunnelsWhatIsNoTLS(t *testing.T) {
	s := newStand(t)
	plain := portOf(origin(t, echo))
	c := connect(t, s.addr, "plain.test:"+plain)
	c.send("GET /raw HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n")
	if resp, body, _ := c.response("GET"); resp.StatusCode != 200 || !strings.HasPrefix(body, "GET") {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	// The server speaks TLS, the client does not: its octets go to the server.
	port := s.site(t, s.web.Issue(t, nil, "b.test"), say("hello"))
	c = connect(t, s.addr, "b.test:"+port)
	c.send("GET / HTTP/1.1\r\nHost: b.test\r\n\r\n")
	if resp, body, _ := c.response("GET"); resp.StatusCode != 400 || !strings.Contains(body, "HTTPS server") {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

func portOf(s *httptest.Server) string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return port
}

// TestInterceptedConnectionIsForItsHost: a page that may ask one host gets no
// other by the same connection.
func TestInterceptedConnectionIsForItsHost(t *testing.T) {
	s := newStand(t)
	port := s.site(t, s.web.Issue(t, nil, "a.test"), say("hello"))
	for target, host := range map[string]string{
		"/":                       "b.test:" + port,
		"https://b.test:" + port:  "a.test:" + port,
		"http://a.test:" + port:   "a.test:" + port,
		"/two":                    "127.0.0.1:" + port,
		"https://a.test:1/":       "a.test:" + port,
		"/https://b.test:" + port: "b.test:" + port,
	} {
		c := connect(t, s.addr, "a.test:"+port)
		secure := tls.Client(c.Conn, &tls.Config{ServerName: "a.test", RootCAs: s.own()})
		fmt.Fprintf(secure, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host)
		resp, err := http.ReadResponse(bufio.NewReader(secure), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 421 && resp.StatusCode != 400 {
			t.Errorf("%s for %s: %s", target, host, resp.Status)
		}
		secure.Close()
	}
}

func TestCloseEndsInterceptedConnections(t *testing.T) {
	s := newStand(t)
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	port := s.site(t, s.web.Issue(t, nil, "a.test"), func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	})
	for _, h2 := range []bool{false, true} {
		resp, err := s.browser(t, h2, s.own()).Get("https://a.test:" + port + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
	}
	done := make(chan struct{})
	go func() { defer close(done); s.proxy.Close() }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("Close does not return")
	}
}
