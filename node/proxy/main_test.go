package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flashcrowd/flashcrowd/fetch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// twin is a Fetcher that asks the origin each time and keeps nothing.
type twin struct {
	transport *http.Transport
	// change, if set, may alter a response.
	change func(*fetch.Response)

	mu   sync.Mutex // guards following
	seen []*fetch.Request
	sent []int64 // what Done was called with
}

func newTwin(t *testing.T) *twin {
	tw := &twin{transport: &http.Transport{DisableCompression: true, ExpectContinueTimeout: 5 * time.Second}}
	t.Cleanup(tw.transport.CloseIdleConnections)
	return tw
}

func (tw *twin) Do(ctx context.Context, req *fetch.Request) (*fetch.Response, error) {
	tw.mu.Lock()
	tw.seen = append(tw.seen, req)
	tw.mu.Unlock()
	out := (&http.Request{
		Method: req.Method, URL: req.URL, Host: req.URL.Host, Header: req.Header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: req.Length, Trailer: req.Trailer,
	}).WithContext(ctx)
	if req.Body != nil {
		out.Body = io.NopCloser(req.Body)
	}
	resp, err := tw.transport.RoundTrip(out)
	if err != nil {
		return nil, &fetch.Failure{Cause: causeOf(err), Err: err}
	}
	answer := &fetch.Response{
		Status: resp.StatusCode, Header: resp.Header, Length: resp.ContentLength, Body: resp.Body,
		Served: fetch.Served{Forward: "uri-miss", Detail: "origin"},
		Done: func(n int64) {
			tw.mu.Lock()
			defer tw.mu.Unlock()
			tw.sent = append(tw.sent, n)
		},
	}
	if resp.ContentLength < 0 {
		answer.Trailer = func() http.Header { return resp.Trailer }
	}
	if tw.change != nil {
		tw.change(answer)
	}
	return answer, nil
}

func causeOf(err error) fetch.Cause {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return fetch.DNS
	case errors.Is(err, syscall.ECONNREFUSED):
		return fetch.Refused
	default:
		return fetch.Terminated
	}
}

// requests returns the URLs that were asked for.
func (tw *twin) requests() []string {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	var urls []string
	for _, r := range tw.seen {
		urls = append(urls, r.Method+" "+r.URL.String())
	}
	return urls
}

func (tw *twin) last(t *testing.T) *fetch.Request {
	t.Helper()
	tw.mu.Lock()
	defer tw.mu.Unlock()
	if len(tw.seen) == 0 {
		t.Fatal("nothing was fetched")
	}
	return tw.seen[len(tw.seen)-1]
}

// fetchFunc is a Fetcher for one answer.
type fetchFunc func(ctx context.Context, req *fetch.Request) (*fetch.Response, error)

func (f fetchFunc) Do(ctx context.Context, req *fetch.Request) (*fetch.Response, error) {
	return f(ctx, req)
}

// memory is a whole body that can be read at any place.
type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// stored answers every request with body as a cache would.
func stored(header http.Header, body func() io.ReadCloser) fetchFunc {
	return func(context.Context, *fetch.Request) (*fetch.Response, error) {
		return &fetch.Response{
			Status: 200, Header: header.Clone(), Length: -1, Body: body(),
			Served: fetch.Served{Hit: true, TTL: time.Minute, HasTTL: true, Age: 90 * time.Second, Detail: "origin"},
			Done:   func(int64) {},
		}, nil
	}
}

// start runs a proxy on loopback until the test ends and returns its address.
func start(t *testing.T, cfg Config) (addr string) {
	t.Helper()
	p := New(cfg)
	t.Cleanup(p.Close)
	return listen(t, p, p.Handler())
}

func listen(t *testing.T, p *Proxy, h http.Handler) (addr string) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.Config, s.Listener = p.Server(h), p.Strict(s.Listener)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func origin(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Set("X-Uri", r.RequestURI)
	w.Header().Set("X-Host", r.Host)
	io.WriteString(w, r.Method+" "+string(body))
}

// client is a connection on which raw octets are sent.
type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) send(raw string) {
	c.t.Helper()
	if _, err := io.WriteString(c, raw); err != nil {
		c.t.Fatal(err)
	}
}

// response reads the answer to a request with method, and its body.
func (c *client) response(method string) (*http.Response, string, error) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("read response: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// ask sends raw on a new connection and returns the answer.
func ask(t *testing.T, addr, raw string) (*http.Response, string) {
	t.Helper()
	c := dial(t, addr)
	defer c.Close()
	c.send(raw)
	method, _, _ := strings.Cut(raw, " ")
	resp, body, err := c.response(method)
	if err != nil {
		t.Fatalf("read body: %v", err)
	}
	return resp, body
}

// through returns a client that uses the proxy at addr.
func through(t *testing.T, addr string) *http.Client {
	transport := &http.Transport{
		Proxy:              func(*http.Request) (*url.URL, error) { return &url.URL{Scheme: "http", Host: addr}, nil },
		DisableCompression: true, ExpectContinueTimeout: 5 * time.Second,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func wantStatus(t *testing.T, resp *http.Response, body string, status int, cause string) {
	t.Helper()
	if resp.StatusCode != status {
		t.Errorf("status %d, want %d; body %q", resp.StatusCode, status, body)
	}
	got := resp.Header.Get("Proxy-Status")
	if cause == "" && got != "" || cause != "" && !strings.HasPrefix(got, "flashcrowd;error="+cause) {
		t.Errorf("Proxy-Status %q, want error %q", got, cause)
	}
}
