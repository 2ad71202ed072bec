package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// OR1: a body that ends early is never one that ends well.
func TestBodyThatFailsMidwayAborts(t *testing.T) {
	o := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sized" {
			w.Header().Set("Content-Length", "1000000")
		}
		io.WriteString(w, strings.Repeat("x", 100_000))
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	tw := newTwin(t)
	addr := start(t, Config{Fetcher: tw})
	for _, path := range []string{"/sized", "/chunked"} {
		c := dial(t, addr)
		c.send("GET " + o.URL + path + " HTTP/1.1\r\nHost: h\r\n\r\n")
		resp, body, err := c.response("GET")
		if resp.StatusCode != 200 || err == nil {
			t.Errorf("%s: status %d, %d octets and %v, want an aborted 200", path, resp.StatusCode, len(body), err)
		}
	}
}

// failing is a whole body that breaks at an offset.
type failing struct {
	memory
	at  int64
	err error
}

func (f failing) Read(p []byte) (int, error) {
	at, _ := f.Seek(0, io.SeekCurrent)
	if at >= f.at {
		return 0, f.err
	}
	return f.memory.Read(p[:min(int64(len(p)), f.at-at)])
}

// The same for bodies of which any part may be read, whatever is asked of them.
func TestSeekableBodyThatFailsAborts(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	for name, tc := range map[string]struct {
		header http.Header
		fields string
		at     int64
		err    error
	}{
		"whole":        {nil, "", 1 << 17, fetch.ErrNotDelivered},
		"ends early":   {nil, "", 1 << 17, io.EOF},
		"range":        {nil, "Range: bytes=100-200000\r\n", 1 << 17, fetch.ErrNotDelivered},
		"two ranges":   {nil, "Range: bytes=0-1,100000-200000\r\n", 1 << 17, fetch.ErrNotDelivered},
		"coded":        {http.Header{"Content-Encoding": {"gzip"}}, "", 1 << 17, fetch.ErrNotDelivered},
		"coded and if": {http.Header{"Content-Encoding": {"gzip"}, "Etag": {`"e"`}}, "If-Match: \"e\"\r\n", 1 << 17, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			addr := start(t, Config{Fetcher: stored(tc.header, func() io.ReadCloser {
				return failing{memory{bytes.NewReader(data)}, tc.at, tc.err}
			})})
			c := dial(t, addr)
			c.send("GET http://h.example/ HTTP/1.1\r\nHost: h\r\n" + tc.fields + "\r\n")
			resp, body, err := c.response("GET")
			if resp.StatusCode/100 != 2 || err == nil {
				t.Errorf("status %d, %d octets and %v, want an aborted one", resp.StatusCode, len(body), err)
			}
		})
	}
}

// A body that fails before any of it went out can still be named.
func TestBodyThatFailsAtOnceIsNamed(t *testing.T) {
	why := &fetch.Failure{Cause: fetch.Incomplete, Err: errors.New("gone")}
	for name, body := range map[string]io.ReadCloser{
		"stream":   io.NopCloser(failing{memory{bytes.NewReader(nil)}, 0, why}),
		"seekable": failing{memory{bytes.NewReader(make([]byte, 1000))}, 0, why},
		"ends":     failing{memory{bytes.NewReader(make([]byte, 1000))}, 0, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			do := stored(http.Header{"Etag": {`"e"`}, "Content-Type": {"x/y"}}, func() io.ReadCloser { return body })
			resp, text := ask(t, start(t, Config{Fetcher: do}), "GET http://h.example/ HTTP/1.1\r\nHost: h\r\n\r\n")
			wantStatus(t, resp, text, 502, "http_response_incomplete")
			if resp.Header.Get("Etag") != "" || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("header of the response that failed: %v", resp.Header)
			}
		})
	}
}

func TestTrailersBothWays(t *testing.T) {
	var got http.Header
	o := origin(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		got = r.Trailer
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
	})
	addr := start(t, Config{Fetcher: newTwin(t)})
	c := dial(t, addr)
	c.send("POST " + o.URL + "/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Up\r\n\r\n" +
		"4\r\nwiki\r\n0\r\nX-Up: 7\r\nX-Smuggled: 1\r\n\r\n")
	resp, body, err := c.response("POST")
	if err != nil || body != "body" || resp.Trailer.Get("X-Sum") != "42" {
		t.Errorf("body %q, trailer %v, %v", body, resp.Trailer, err)
	}
	if len(got) != 1 || got.Get("X-Up") != "7" {
		t.Errorf("trailer at the origin: %v", got)
	}
}

// HC16: whatever became of Expect, the next request on the connection is whole.
func TestExpectContinue(t *testing.T) {
	o := origin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(417)
			return
		}
		echo(w, r)
	})
	addr := start(t, Config{Fetcher: newTwin(t)})
	c := dial(t, addr)
	for range 2 {
		c.send("PUT " + o.URL + "/ HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
		resp, err := http.ReadResponse(c.r, &http.Request{Method: "PUT"})
		if err != nil || resp.StatusCode != 100 {
			t.Fatalf("%v, %v, want 100", resp, err)
		}
		c.send("data")
		if resp, body, err := c.response("PUT"); err != nil || resp.StatusCode != 200 || body != "PUT data" {
			t.Fatalf("status %d, %q, %v", resp.StatusCode, body, err)
		}
		c.send("GET " + o.URL + "/ HTTP/1.1\r\nHost: h\r\n\r\n")
		if resp, body, err := c.response("GET"); err != nil || body != "GET " {
			t.Fatalf("next request: status %d, %q, %v", resp.StatusCode, body, err)
		}
	}
	// Refused: no 100, and the body that was not sent cannot be taken for the
	// next request, because there is none.
	c.send("PUT " + o.URL + "/no HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
	resp, _, err := c.response("PUT")
	if err != nil || resp.StatusCode != 417 || !resp.Close {
		t.Fatalf("status %d, close %v, %v, want 417 and close", resp.StatusCode, resp.Close, err)
	}
	c.send("GET /never HTTP/1.1\r\nHost: h\r\n\r\n")
	if b, err := c.r.ReadByte(); err == nil {
		t.Errorf("read %q on a connection that is over", b)
	}
}

// An origin may answer while the request is on its way, and read on.
func TestBodiesFlowAtOnce(t *testing.T) {
	o := origin(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		buf := make([]byte, 1)
		for {
			if _, err := io.ReadFull(r.Body, buf); err != nil {
				return
			}
			w.Write(bytes.ToUpper(buf))
			http.NewResponseController(w).Flush()
		}
	})
	c := dial(t, start(t, Config{Fetcher: newTwin(t)}))
	c.send("POST " + o.URL + "/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
	resp, err := http.ReadResponse(c.r, &http.Request{Method: "POST"})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1)
	for _, in := range "bcd" {
		if _, err := io.ReadFull(resp.Body, buf); err != nil || buf[0] != byte(in)-1-'a'+'A' {
			t.Fatalf("read %q, %v before %q", buf, err, in)
		}
		c.send("1\r\n" + string(in) + "\r\n")
	}
	c.send("0\r\n\r\n")
	if rest := readAll(t, resp.Body); rest != "D" || !resp.Close {
		t.Errorf("rest %q, close %v", rest, resp.Close)
	}
}

// An origin that answers without reading leaves a body that nobody wants. What
// the server beneath has to say of it is nothing. The origin is no net/http
// server: with EnableFullDuplex, without which it reads first, that panics when
// its handler leaves a body behind.
func TestEarlyResponseToALongBody(t *testing.T) {
	o, conns := peer(t)
	log := &locked{}
	p := New(Config{Fetcher: newTwin(t), Logger: slog.New(slog.NewTextHandler(log, nil))})
	defer p.Close()
	p.wait.linger = 50 * time.Millisecond
	addr := listen(t, p, p.Handler())
	for _, length := range []string{"100000000", "100"} {
		c := dial(t, addr)
		c.send("POST http://" + o + "/ HTTP/1.1\r\nHost: h\r\nContent-Length: " + length + "\r\n\r\nbegin")
		blunt := <-conns
		if _, err := http.ReadRequest(bufio.NewReader(blunt)); err != nil {
			t.Fatal(err)
		}
		io.WriteString(blunt, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
		resp, _, err := c.response("POST")
		if err != nil || resp.StatusCode != 413 || !resp.Close {
			t.Fatalf("status %d, close %v, %v", resp.StatusCode, resp.Close, err)
		}
		if _, err := c.r.ReadByte(); err != io.EOF {
			t.Errorf("%s octets announced: %v, want the connection closed", length, err)
		}
		blunt.Close()
	}
	if said := log.String(); said != "" {
		t.Errorf("logged: %s", said)
	}
}

// HC5, HC14: what is wrong with the client's body is the client's fault.
func TestBodyOfTheRequestFails(t *testing.T) {
	o := origin(t, echo)
	p := New(Config{Fetcher: newTwin(t)})
	defer p.Close()
	p.wait.idle = 50 * time.Millisecond
	addr := listen(t, p, p.Handler())
	for name, tc := range map[string]struct {
		raw    string
		status int
	}{
		"bad chunk": {"Transfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n", 400},
		"too slow":  {"Content-Length: 10\r\n\r\nabc", 408},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := ask(t, addr, "POST "+o.URL+"/ HTTP/1.1\r\nHost: h\r\n"+tc.raw)
			wantStatus(t, resp, body, tc.status, "http_request_error")
			if !resp.Close {
				t.Error("the connection is kept")
			}
		})
	}
}

// The first octets, and the header itself, do not wait for more.
func TestFirstByteIsNotDelayed(t *testing.T) {
	for name, seekable := range map[string]bool{"stream": false, "seekable": true} {
		t.Run(name, func(t *testing.T) {
			header, first, rest := make(chan struct{}), make(chan struct{}), make(chan struct{})
			body := &stepped{t: t, steps: []step{{header, ""}, {first, "first "}, {rest, "rest"}}}
			do := fetchFunc(func(context.Context, *fetch.Request) (*fetch.Response, error) {
				r := &fetch.Response{Status: 200, Header: http.Header{}, Length: 10, Body: io.NopCloser(body), Done: func(int64) {}}
				if seekable {
					r.Body = body
				}
				return r, nil
			})
			c := dial(t, start(t, Config{Fetcher: do}))
			c.send("GET http://h.example/ HTTP/1.1\r\nHost: h\r\n\r\n")
			resp, err := http.ReadResponse(c.r, nil) // while the body gives nothing
			if err != nil {
				t.Fatal(err)
			}
			close(header)
			close(first)
			buf := make([]byte, 6)
			if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != "first " {
				t.Fatalf("%q, %v", buf, err)
			}
			close(rest)
			if got := readAll(t, resp.Body); got != "rest" {
				t.Errorf("rest %q", got)
			}
		})
	}
}

// stepped is a body of ten octets that gives each part when it is let.
type stepped struct {
	t     *testing.T
	steps []step
}

type step struct {
	go_  chan struct{}
	data string
}

func (s *stepped) Read(p []byte) (int, error) {
	if len(s.steps) == 0 {
		return 0, io.EOF
	}
	next := s.steps[0]
	s.steps = s.steps[1:]
	select {
	case <-next.go_:
	case <-time.After(patience):
		s.t.Error("a read waits for ever")
	}
	return copy(p, next.data), nil
}

func (s *stepped) Seek(_ int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		return 10, nil
	}
	return 0, nil
}

func (s *stepped) Close() error { return nil }

// HC15: clients that hang up leave nothing behind.
func TestClientsThatHangUp(t *testing.T) {
	data := bytes.Repeat([]byte("x"), 1<<20)
	tw := newTwin(t)
	var answered atomic.Int64
	tw.change = func(*fetch.Response) { answered.Add(1) }
	o := origin(t, func(w http.ResponseWriter, r *http.Request) { w.Write(data) })
	hit := start(t, Config{Fetcher: stored(nil, func() io.ReadCloser { return memory{bytes.NewReader(data)} })})
	miss := start(t, Config{Fetcher: tw})
	path := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	file := start(t, Config{Fetcher: stored(nil, func() io.ReadCloser {
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
		}
		return f
	})})
	// One request that nobody answers.
	stuck := make(chan struct{})
	reg := prometheus.NewRegistry()
	hung := start(t, Config{Metrics: reg, Fetcher: fetchFunc(func(ctx context.Context, _ *fetch.Request) (*fetch.Response, error) {
		<-ctx.Done()
		close(stuck)
		return nil, ctx.Err()
	})})
	before := runtime.NumGoroutine()
	const n = 200
	for i := range n {
		for addr, url := range map[string]string{hit: "http://h.example/", file: "http://h.example/", miss: o.URL + "/"} {
			c := dial(t, addr)
			c.send("GET " + url + " HTTP/1.1\r\nHost: h\r\n\r\n")
			io.CopyN(io.Discard, c.r, int64(i*len(data)/n))
			c.Close()
		}
	}
	c := dial(t, hung)
	c.send("GET http://h.example/ HTTP/1.1\r\nHost: h\r\n\r\n")
	c.Close()
	<-stuck
	eventually(t, func() bool { return counts(t, reg, "flashcrowd_requests_total")["aborted"] == 1 })
	eventually(t, func() bool {
		tw.transport.CloseIdleConnections()
		return runtime.NumGoroutine() <= before
	})
	eventually(t, func() bool {
		tw.mu.Lock()
		defer tw.mu.Unlock()
		return len(tw.sent) == int(answered.Load()) // Done, once for each
	})
}

// A file reaches the server as it is, so that the kernel can send it.
func TestFilesAreNotWrapped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "body")
	data := bytes.Repeat([]byte("f"), 1<<20)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	do := stored(nil, func() io.ReadCloser {
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
		}
		return f
	})
	p := New(Config{Fetcher: do})
	defer p.Close()
	for _, fields := range []http.Header{{}, {"Range": {"bytes=5-600000"}}} {
		w := &spy{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest("GET", "http://h.example/", nil)
		r.RemoteAddr = "127.0.0.1:1"
		r.Header = fields
		p.Handler().ServeHTTP(w, r)
		l, ok := w.from.(*io.LimitedReader)
		if !ok {
			t.Fatalf("the server was given a %T", w.from)
		}
		if _, ok := l.R.(*os.File); !ok {
			t.Errorf("the server was given a %T", l.R)
		}
	}
	resp, body := ask(t, start(t, Config{Fetcher: do}), "GET http://h.example/ HTTP/1.1\r\nHost: h\r\n\r\n")
	if resp.ContentLength != int64(len(data)) || body != string(data) {
		t.Errorf("%d of %d octets", len(body), resp.ContentLength)
	}
}

type spy struct {
	*httptest.ResponseRecorder
	from io.Reader
}

func (s *spy) ReadFrom(r io.Reader) (int64, error) {
	s.from = r
	return io.Copy(s.ResponseRecorder.Body, r)
}

// A truncated file aborts as well: only net/http sees its octets.
func TestFileThatEndsEarlyAborts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(path, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := start(t, Config{Fetcher: stored(nil, func() io.ReadCloser {
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
		}
		return f
	})})
	c := dial(t, addr)
	c.send("GET http://h.example/ HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, err := c.r.Peek(1); err != nil { // it is being sent
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	resp, body, err := c.response("GET")
	if err == nil && len(body) != 8<<20 {
		t.Errorf("%d of %d octets and no error", len(body), resp.ContentLength)
	}
}

func TestNoBodyWhereNoneBelongs(t *testing.T) {
	o := origin(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		if status == 200 {
			w.Header().Set("Content-Length", "5")
		}
		w.WriteHeader(status)
		if r.Method != "HEAD" {
			io.WriteString(w, "hello")
		}
	})
	c := dial(t, start(t, Config{Fetcher: newTwin(t)}))
	for _, tc := range []struct{ method, path, body, length string }{
		{"GET", "/204", "", ""}, {"GET", "/304", "", ""}, {"HEAD", "/200", "", "5"}, {"GET", "/200", "hello", "5"}, {"GET", "/404", "hello", "5"},
	} {
		c.send(tc.method + " " + o.URL + tc.path + " HTTP/1.1\r\nHost: h\r\n\r\n")
		resp, body, err := c.response(tc.method)
		if err != nil || body != tc.body || resp.Header.Get("Content-Length") != tc.length || "/"+resp.Status[:3] != tc.path {
			t.Errorf("%s %s: %s with %q of length %q, %v", tc.method, tc.path, resp.Status, body, resp.Header.Get("Content-Length"), err)
		}
		if _, ok := resp.Header["Content-Type"]; ok && tc.path == "/204" {
			t.Errorf("%s: a Content-Type was made up", tc.path)
		}
	}
}
