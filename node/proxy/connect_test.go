package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// peer is a TCP server whose connections the test handles.
func peer(t *testing.T) (addr string, conns <-chan *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ch := make(chan *net.TCPConn)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(ch)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(patience))
			ch <- c.(*net.TCPConn)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		for c := range ch {
			c.Close()
		}
		<-done
	})
	return l.Addr().String(), ch
}

func plainDial(ctx context.Context, network, hostport string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, hostport)
	if err != nil {
		return nil, &fetch.Failure{Cause: causeOf(err), Err: err}
	}
	return c, nil
}

// connect opens a tunnel to addr through the proxy at via.
func connect(t *testing.T, via, addr string) *client {
	t.Helper()
	c := dial(t, via)
	c.send("CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\n\r\n")
	if resp, err := http.ReadResponse(c.r, nil); err != nil || resp.StatusCode != 200 {
		t.Fatalf("connect: %v, %+v", err, resp)
	}
	return c
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("read: %v", err)
	}
	return string(b)
}

func TestConnectCarriesBothWaysAndHalfCloses(t *testing.T) {
	to, conns := peer(t)
	c := connect(t, start(t, Config{Fetcher: newTwin(t), Dial: plainDial}), to)
	far := <-conns
	defer far.Close()
	c.send("question")
	c.Conn.(*net.TCPConn).CloseWrite()
	if got := readAll(t, far); got != "question" {
		t.Errorf("far end read %q", got)
	}
	// The client has ended its side; the other one still speaks.
	answer := strings.Repeat("answer ", 100_000)
	io.WriteString(far, answer)
	far.CloseWrite()
	if got := readAll(t, c.r); got != answer {
		t.Errorf("client read %d octets, want %d", len(got), len(answer))
	}
}

func TestConnectPassesFarHalfCloseOn(t *testing.T) {
	to, conns := peer(t)
	c := connect(t, start(t, Config{Fetcher: newTwin(t), Dial: plainDial}), to)
	far := <-conns
	defer far.Close()
	io.WriteString(far, "bye")
	far.CloseWrite()
	if got := readAll(t, c.r); got != "bye" {
		t.Errorf("client read %q", got)
	}
	c.send("still here")
	c.Close()
	if got := readAll(t, far); got != "still here" {
		t.Errorf("far end read %q", got)
	}
}

// What the client sends before it has read 200 belongs to the tunnel.
func TestConnectForwardsEarlyOctets(t *testing.T) {
	to, conns := peer(t)
	c := dial(t, start(t, Config{Fetcher: newTwin(t), Dial: plainDial}))
	c.send("CONNECT " + to + " HTTP/1.1\r\nHost: x\r\n\r\nearly")
	far := <-conns
	defer far.Close()
	c.send(" late")
	c.Conn.(*net.TCPConn).CloseWrite()
	if got := readAll(t, far); got != "early late" {
		t.Errorf("far end read %q", got)
	}
}

func TestConnectRefuses(t *testing.T) {
	var dialled atomic.Int64
	deny := func(ctx context.Context, network, hostport string) (net.Conn, error) {
		dialled.Add(1)
		return nil, &fetch.Failure{Cause: fetch.DeniedAddress, Err: errors.New("no")}
	}
	addr := start(t, Config{Fetcher: newTwin(t), Dial: deny, Name: "fc-x", Own: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:3129")}})
	for name, tc := range map[string]struct {
		raw    string
		status int
		cause  string
	}{
		"port 25":     {"CONNECT h.example:25 HTTP/1.1\r\nHost: h\r\n\r\n", 403, "http_request_denied"},
		"port 22":     {"CONNECT h.example:22 HTTP/1.1\r\nHost: h\r\n\r\n", 403, "http_request_denied"},
		"port 1023":   {"CONNECT h.example:1023 HTTP/1.1\r\nHost: h\r\n\r\n", 403, "http_request_denied"},
		"no port":     {"CONNECT h.example HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"port 0":      {"CONNECT h.example:0 HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"port 65536":  {"CONNECT h.example:65536 HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"no host":     {"CONNECT :443 HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"path":        {"CONNECT /x HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"userinfo":    {"CONNECT u@h.example:443 HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"body":        {"CONNECT h.example:443 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxx", 400, "http_request_error"},
		"loop":        {"CONNECT h.example:443 HTTP/1.1\r\nHost: h\r\nVia: 1.1 fc-x\r\n\r\n", 502, "proxy_loop_detected"},
		"ourselves":   {"CONNECT " + addr + " HTTP/1.1\r\nHost: h\r\n\r\n", 421, "http_request_denied"},
		"dashboard":   {"CONNECT localhost:3129 HTTP/1.1\r\nHost: h\r\n\r\n", 421, "http_request_denied"},
		"the address": {"CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: h\r\n\r\n", 403, "destination_ip_prohibited"},
	} {
		t.Run(name, func(t *testing.T) {
			dialled.Store(0)
			resp, body := ask(t, addr, tc.raw)
			wantStatus(t, resp, body, tc.status, tc.cause)
			if (dialled.Load() > 0) != (name == "the address") {
				t.Errorf("dialled %d times", dialled.Load())
			}
		})
	}
}

func TestConnectNamesFailures(t *testing.T) {
	addr := start(t, Config{Fetcher: newTwin(t), Dial: plainDial})
	resp, body := ask(t, addr, "CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: h\r\n\r\n")
	wantStatus(t, resp, body, 403, "http_request_denied") // port 1
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := l.Addr().String()
	l.Close()
	resp, body = ask(t, addr, "CONNECT "+free+" HTTP/1.1\r\nHost: h\r\n\r\n")
	wantStatus(t, resp, body, 502, "connection_refused")

	resp, body = ask(t, start(t, Config{Fetcher: newTwin(t)}), "CONNECT h.example:443 HTTP/1.1\r\nHost: h\r\n\r\n")
	wantStatus(t, resp, body, 403, "http_request_denied")
}

// PX6: one tunnel too many is refused, and the others live.
func TestConnectCapsTunnels(t *testing.T) {
	to, conns := peer(t)
	p := New(Config{Fetcher: newTwin(t), Dial: plainDial, MaxTunnels: 2})
	defer p.Close()
	addr := listen(t, p, p.Handler())
	a := connect(t, addr, to)
	farA := <-conns
	defer farA.Close()
	b := connect(t, addr, to)
	farB := <-conns
	defer farB.Close()
	resp, body := ask(t, addr, "CONNECT "+to+" HTTP/1.1\r\nHost: h\r\n\r\n")
	wantStatus(t, resp, body, 503, "connection_limit_reached")
	io.WriteString(farB, "alive\n")
	if got, _ := b.r.ReadString('\n'); got != "alive\n" {
		t.Errorf("read %q", got)
	}
	// A place that is left can be taken.
	a.Close()
	readAll(t, farA)
	farA.Close()
	eventually(t, func() bool { return p.open() == 1 })
	connect(t, addr, to)
	(<-conns).Close()
}

func (p *Proxy) open() int {
	p.tunnels.mu.Lock()
	defer p.tunnels.mu.Unlock()
	return len(p.tunnels.all)
}

// eventually polls until ok holds.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("it did not happen")
		}
	}
}

func TestCloseEndsTunnels(t *testing.T) {
	to, conns := peer(t)
	dialling := make(chan struct{})
	slow := func(ctx context.Context, network, hostport string) (net.Conn, error) {
		if hostport == to {
			return plainDial(ctx, network, hostport)
		}
		close(dialling)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	p := New(Config{Fetcher: newTwin(t), Dial: slow})
	addr := listen(t, p, p.Handler())
	c := connect(t, addr, to)
	far := <-conns
	defer far.Close()
	waiting := dial(t, addr)
	waiting.send("CONNECT h.example:443 HTTP/1.1\r\nHost: h\r\n\r\n")
	<-dialling
	p.Close()
	if _, err := c.r.ReadByte(); err == nil {
		t.Error("the tunnel lives")
	}
	if resp, _, _ := waiting.response("CONNECT"); resp.StatusCode < 500 {
		t.Errorf("status %d for the one that was dialling", resp.StatusCode)
	}
	resp, body := ask(t, addr, "CONNECT "+to+" HTTP/1.1\r\nHost: h\r\n\r\n")
	wantStatus(t, resp, body, 503, "connection_limit_reached")
}

func TestTunnelIdle(t *testing.T) {
	to, conns := peer(t)
	const idle = time.Second
	c := connect(t, start(t, Config{Fetcher: newTwin(t), Dial: plainDial, TunnelIdle: idle}), to)
	far := <-conns
	defer far.Close()
	begin := time.Now()
	// One octet now and then in one direction keeps both.
	tick := time.NewTicker(idle / 10)
	defer tick.Stop()
	for ; time.Since(begin) < 2*idle; <-tick.C {
		c.send("x")
		if _, err := far.Read(make([]byte, 1)); err != nil {
			t.Fatalf("cut after %v although in use: %v", time.Since(begin), err)
		}
	}
	still := time.Now()
	if _, err := far.Read(make([]byte, 1)); err == nil {
		t.Error("read an octet that nobody sent")
	}
	if took := time.Since(still); took < idle/2 || took > 5*idle {
		t.Errorf("cut after %v of silence, want about %v", took, idle)
	}
}

// Both ends stuck in a write are idle too.
func TestTunnelStuck(t *testing.T) {
	near, a := net.Pipe()
	far, b := net.Pipe()
	defer near.Close()
	defer far.Close()
	go near.Write([]byte("nobody reads this"))
	go far.Write([]byte("nor this"))
	done := make(chan struct{})
	go func() {
		(&tunnel{}).carry(a, b, nil, 50*time.Millisecond)
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("the tunnel hangs")
	}
}

func TestStrangersAreRefusedAndLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	p := New(Config{Fetcher: newTwin(t), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	defer p.Close()
	for i := range 3 {
		r := httptest.NewRequest("GET", "http://h.example/", nil)
		r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i+1)
		w := httptest.NewRecorder()
		p.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			t.Errorf("status %d, want 403", w.Code)
		}
	}
	if n := strings.Count(log.String(), "msg=rejected"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, &log)
	}
}

// BenchmarkTunnel shows whether the kernel moves the octets: then hardly any
// are allocated for.
func BenchmarkTunnel(b *testing.B) {
	pair := func() (x, y net.Conn) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		x, err = net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		y, err = l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		return x, y
	}
	client, near := pair()
	far, server := pair()
	done := make(chan struct{})
	go func() {
		(&tunnel{}).carry(near, far, nil, time.Minute)
		close(done)
	}()
	const chunk = 1 << 20
	go func() {
		buf := make([]byte, chunk)
		for {
			if _, err := server.Write(buf); err != nil {
				return
			}
		}
	}()
	b.SetBytes(chunk)
	buf := make([]byte, chunk)
	for b.Loop() {
		if _, err := io.ReadFull(client, buf); err != nil {
			b.Fatal(err)
		}
	}
	client.Close()
	server.Close()
	<-done
}
