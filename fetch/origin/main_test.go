package origin

import (
	"bufio"
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flashcrowd/flashcrowd/fetch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long anything here may take before it counts as hung.
const patience = 20 * time.Second

// client returns a client that is closed before the servers that the test
// started earlier.
func client(t testing.TB, cfg Config) *Client {
	c := New(cfg)
	t.Cleanup(c.Close)
	return c
}

func get(t testing.TB, rawURL string) *fetch.Request {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return &fetch.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}
}

// send sends and fails the test if there is no answer.
func send(t testing.TB, c *Client, req *fetch.Request) *fetch.Answer {
	t.Helper()
	a, err := c.Send(t.Context(), req, nil)
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	t.Cleanup(func() { a.Body.Close() })
	return a
}

func readAll(t testing.TB, a *fetch.Answer) string {
	t.Helper()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatalf("read body: %v", err)
	}
	return string(b)
}

// webserver starts a server; secure ones speak HTTP/2, and cas trusts them.
func webserver(t testing.TB, secure bool, h http.HandlerFunc) (srv *httptest.Server, cas *x509.CertPool) {
	srv = httptest.NewUnstartedServer(h)
	if !secure {
		srv.Start()
	} else {
		srv.EnableHTTP2 = true
		srv.StartTLS()
		cas = x509.NewCertPool()
		cas.AddCert(srv.Certificate())
	}
	t.Cleanup(srv.Close)
	return srv, cas
}

// script starts a server that reads a request and then does as told with the
// bare connection, which it closes afterwards. It returns the server's URL.
func script(t testing.TB, act func(conn net.Conn, req *http.Request)) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		serveScript(ctx, ln, act)
	}()
	t.Cleanup(func() {
		cancel()
		ln.Close()
		<-done
	})
	return "http://" + ln.Addr().String()
}

func serveScript(ctx context.Context, ln net.Listener, act func(net.Conn, *http.Request)) {
	running := make(chan struct{}, 64)
	for {
		conn, err := ln.Accept()
		if err != nil {
			break
		}
		running <- struct{}{}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		go func() {
			defer func() { <-running }()
			defer stop()
			defer conn.Close()
			r := bufio.NewReader(conn)
			for {
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				act(conn, req)
				if req.Close || !strings.Contains(req.Header.Get("X-Script"), "again") {
					return
				}
			}
		}()
	}
	for range cap(running) {
		running <- struct{}{}
	}
}

// says is a script that answers always the same.
func says(answer string) func(net.Conn, *http.Request) {
	return func(conn net.Conn, _ *http.Request) { io.WriteString(conn, answer) }
}

// untilGone is what a script does to keep a connection open in silence.
func untilGone(conn net.Conn) { io.Copy(io.Discard, conn) }

// elsewhere is a connection that claims another remote address.
type elsewhere struct {
	net.Conn
	at net.Addr
}

func (e elsewhere) RemoteAddr() net.Addr { return e.at }

// pretend returns a Config.Dial that leads everywhere to real, as if to the
// address that it claims.
func pretend(t testing.TB, real, claimed string) func(context.Context, string, string) (net.Conn, error) {
	at, err := net.ResolveTCPAddr("tcp", claimed)
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, real)
		if err != nil {
			return nil, err
		}
		return elsewhere{conn, at}, nil
	}
}
