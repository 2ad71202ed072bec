package origin

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// What goes out is what the client said, what extra says instead, and nothing
// that was not decided here.
func TestRequestOnTheWire(t *testing.T) {
	for _, secure := range []bool{false, true} {
		var got http.Header
		var line string
		srv, cas := webserver(t, secure, func(_ http.ResponseWriter, r *http.Request) {
			got, line = r.Header.Clone(), r.Method+" "+r.RequestURI+" "+r.Host
		})
		c := client(t, Config{RootCAs: cas, Via: "1.1 fc-1a2b3c4d"})
		own := http.Header{
			"Accept-Encoding": {"identity"}, "Want-Repr-Digest": {verify.WantReprDigest}, "Via": {"1.1 fc-1a2b3c4d"},
		}
		with := func(more http.Header) http.Header {
			h := own.Clone()
			for k, v := range more {
				h[k] = v
			}
			return h
		}
		for _, tt := range []struct {
			name, method string
			header       http.Header
			extra        http.Header
			want         http.Header
		}{
			{"bare", "GET", nil, nil, own},
			{"probe", "HEAD", http.Header{"Accept-Encoding": {"br, gzip"}}, nil, with(http.Header{"Accept-Encoding": {"gzip"}})},
			{
				"all", "GET",
				http.Header{
					"User-Agent": {"curl/8"}, "Cookie": {"a=b"}, "Via": {"1.1 lan"}, "Want-Repr-Digest": {"sha-512=1"}, "Range": {"bytes=0-1"},
				},
				nil,
				with(http.Header{
					"User-Agent": {"curl/8"}, "Cookie": {"a=b"}, "Via": {"1.1 lan", "1.1 fc-1a2b3c4d"},
					"Want-Repr-Digest": {"sha-512=1"}, "Range": {"bytes=0-1"},
				}),
			},
			{
				"extra wins", "GET", http.Header{"If-None-Match": {`"1"`}, "X": {"1"}}, http.Header{"if-none-match": {`"2"`}},
				with(http.Header{"If-None-Match": {`"2"`}, "X": {"1"}}),
			},
			{
				"hop by hop", "GET", http.Header{"Connection": {"x, cookie"}, "X": {"1"}, "Proxy-Authorization": {"Basic x"}, "Cookie": {"a=b"}}, nil,
				with(http.Header{"Cookie": {"a=b"}}),
			},
			{"delete", "DELETE", nil, nil, http.Header{"Accept-Encoding": {"identity"}, "Via": {"1.1 fc-1a2b3c4d"}}},
		} {
			req := get(t, srv.URL+"/a%2Fb/./c?q=%41&r#fragment")
			req.Method, req.Header = tt.method, tt.header
			before := req.Header.Clone()
			a, err := c.Send(t.Context(), req, tt.extra)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			a.Body.Close()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("https %v: %s (-want +got)\n%s", secure, tt.name, diff)
			}
			if want := tt.method + " /a%2Fb/./c?q=%41&r " + req.URL.Host; line != want {
				t.Errorf("https %v: %s: %q, want %q", secure, tt.name, line, want)
			}
			if diff := cmp.Diff(before, req.Header); diff != "" {
				t.Errorf("%s: the request was changed\n%s", tt.name, diff)
			}
		}
	}
}

func TestBadURLs(t *testing.T) {
	c := client(t, Config{})
	for _, u := range []*url.URL{
		{Scheme: "ftp", Host: "a.example", Path: "/"},
		{Scheme: "file", Path: "/etc/passwd"},
		{Scheme: "http", Path: "/"},
		{Scheme: "http", Opaque: "x"},
		{Scheme: "http", Host: ":80", Path: "/"},
		{Scheme: "http", Host: "a.example", User: url.User("u"), Path: "/"},
		{},
	} {
		_, err := c.Send(t.Context(), &fetch.Request{Method: "GET", URL: u}, nil)
		if fetch.CauseOf(err) != fetch.BadRequest {
			t.Errorf("%v: %v", u, err)
		}
	}
}

func TestMeta(t *testing.T) {
	sum := sha256.Sum256([]byte("hello"))
	repr := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	digest, err := verify.NewDigest(verify.SHA256, sum[:], 5)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, method, answer string
		status               int
		length               int64
		evidence             bool
	}{
		{"get", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nRepr-Digest: " + repr + "\r\n\r\nhello", 200, 5, true},
		{"head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nRepr-Digest: " + repr + "\r\n\r\n", 200, 5, true},
		{"head without length", "HEAD", "HTTP/1.1 200 OK\r\nRepr-Digest: " + repr + "\r\n\r\n", 200, -1, false},
		{"chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nRepr-Digest: " + repr + "\r\n\r\n0\r\n\r\n", 200, -1, false},
		{"part", "GET", "HTTP/1.1 206 Partial Content\r\nContent-Length: 2\r\nContent-Range: bytes 1-2/5\r\nRepr-Digest: " + repr + "\r\n\r\nel", 206, 2, true},
		{"part of unknown", "GET", "HTTP/1.1 206 Partial Content\r\nContent-Length: 2\r\nContent-Range: bytes 1-2/*\r\nRepr-Digest: " + repr + "\r\n\r\nel", 206, 2, false},
		{"not modified", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nEtag: \"1\"\r\n\r\n", 304, 0, false},
		{"no content", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, 0, false},
		{"error", "GET", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 500, 0, false},
		{"redirect", "GET", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n", 302, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := script(t, says(tt.answer))
			c := client(t, Config{})
			req := get(t, at+"/x?y#z")
			req.Method = tt.method
			before := time.Now()
			m := send(t, c, req).Meta
			if m.Status != tt.status || m.Length != tt.length || m.Method != tt.method || m.URL != at+"/x?y" {
				t.Errorf("got %d, length %d, %s %s", m.Status, m.Length, m.Method, m.URL)
			}
			if id, err := dht.URLID(req.URL); err != nil || m.ID != id {
				t.Errorf("id %v, %v", m.ID, err)
			}
			if m.RequestTime.Before(before) || m.ResponseTime.Before(m.RequestTime) || m.ResponseTime.After(time.Now()) {
				t.Errorf("times %v, %v", m.RequestTime, m.ResponseTime)
			}
			if m.PublicOrigin || m.Shared || m.Authorized {
				t.Errorf("too open: %+v", m)
			}
			if found := len(m.Evidence) == 1 && m.Evidence[0].Digest() == digest; found != tt.evidence {
				t.Errorf("evidence %v", m.Evidence)
			}
			if tt.evidence && !m.Evidence[0].At().Equal(m.ResponseTime) {
				t.Errorf("evidence of %v", m.Evidence[0].At())
			}
		})
	}
}

func TestMetaOfRequest(t *testing.T) {
	srv, _ := webserver(t, false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Vary", "Accept-Encoding, Accept-Language, Want-Repr-Digest, Via, User-Agent")
		w.Header().Set("Connection", "X-Private, Cache-Control")
		w.Header().Set("X-Private", "1")
		w.Header().Set("Cache-Control", "no-store")
	})
	c := client(t, Config{Via: "1.1 fc-1"})
	req := get(t, srv.URL)
	req.Header = http.Header{"Accept-Encoding": {"br,gzip"}, "Accept-Language": {"de"}, "Authorization": {"Basic x"}}
	m := send(t, c, req).Meta
	// What this node adds to each request is no variant of the client's.
	want := http.Header{"Accept-Encoding": {"gzip"}, "Accept-Language": {"de"}}
	if diff := cmp.Diff(want, m.Vary); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if !m.Authorized {
		t.Error("the request carried Authorization")
	}
	if m.Header.Get("Cache-Control") != "no-store" || m.Header.Get("X-Private") != "" || m.Header.Get("Connection") != "" {
		t.Errorf("fields %v", m.Header)
	}
}

// The body is what the origin coded, never decoded.
func TestCodedBody(t *testing.T) {
	var coded bytes.Buffer
	z := gzip.NewWriter(&coded)
	z.Write([]byte("hello"))
	z.Close()
	srv, _ := webserver(t, false, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") == "gzip" {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(coded.Bytes())
			return
		}
		fmt.Fprint(w, "hello")
	})
	c := client(t, Config{})
	req := get(t, srv.URL)
	if a := send(t, c, req); readAll(t, a) != "hello" || a.Meta.Coding() != "" {
		t.Error("a client that takes no coding got one")
	}
	req.Header.Set("Accept-Encoding", "gzip")
	a := send(t, c, req)
	if got := readAll(t, a); got != coded.String() || a.Meta.Coding() != "gzip" || a.Meta.Length != int64(coded.Len()) {
		t.Errorf("got %d octets, coding %q, length %d", len(got), a.Meta.Coding(), a.Meta.Length)
	}
}

func TestNoProxyNoCookies(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	var requests atomic.Int32
	srv, _ := webserver(t, false, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.Header.Get("Cookie") != "" {
			t.Error("a cookie was kept")
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	c := client(t, Config{})
	for range 2 {
		if a := send(t, c, get(t, srv.URL)); a.Meta.Status != http.StatusFound {
			t.Errorf("status %d", a.Meta.Status)
		}
	}
	if requests.Load() != 2 {
		t.Errorf("%d requests", requests.Load())
	}
}

func TestUpload(t *testing.T) {
	for _, secure := range []bool{false, true} {
		srv, cas := webserver(t, secure, func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%d %d %v %s", len(b), r.ContentLength, err, r.Trailer.Get("X-Sum"))
		})
		c := client(t, Config{RootCAs: cas})
		body := strings.Repeat("a", 1<<20)
		for _, tt := range []struct {
			name    string
			body    io.Reader
			length  int64
			trailer http.Header
			want    string
		}{
			{"known length", strings.NewReader(body), 1 << 20, nil, "1048576 1048576 <nil> "},
			{"unknown length", strings.NewReader(body), -1, nil, "1048576 -1 <nil> "},
			{"trailer", strings.NewReader(body), -1, http.Header{"X-Sum": {"7"}}, "1048576 -1 <nil> 7"},
			{"empty", strings.NewReader(""), 0, nil, "0 0 <nil> "},
			{"none", nil, 0, nil, "0 0 <nil> "},
		} {
			req := get(t, srv.URL)
			req.Method, req.Body, req.Length, req.Trailer = "POST", tt.body, tt.length, tt.trailer
			if got := readAll(t, send(t, c, req)); got != tt.want {
				t.Errorf("https %v: %s: %q, want %q", secure, tt.name, got, tt.want)
			}
		}
	}
}

func TestUploadFails(t *testing.T) {
	at := script(t, func(conn net.Conn, _ *http.Request) { <-time.After(time.Second) }) // reads the fields only
	c := client(t, Config{IdleTimeout: 50 * time.Millisecond})
	req := get(t, at)
	req.Method, req.Body, req.Length = "PUT", io.LimitReader(zeros{}, 1<<30), 1<<30
	if _, err := c.Send(t.Context(), req, nil); fetch.CauseOf(err) != fetch.ReadTimeout {
		t.Errorf("an origin that takes nothing: %v", err)
	}

	at = script(t, func(conn net.Conn, req *http.Request) { io.Copy(io.Discard, req.Body) })
	req = get(t, at)
	away := errors.New("client went away")
	req.Method, req.Body, req.Length = "PUT", io.MultiReader(strings.NewReader("abc"), broken{away}), 10
	if _, err := c.Send(t.Context(), req, nil); fetch.CauseOf(err) != fetch.BadRequest || !errors.Is(err, away) {
		t.Errorf("a client that goes away: %v", err)
	}
}

// A client that pauses in its upload is not the origin's fault, and what the
// origin answers early comes through.
func TestUploadPauses(t *testing.T) {
	const idle = 500 * time.Millisecond
	srv, _ := webserver(t, false, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, len(b))
	})
	c := client(t, Config{IdleTimeout: idle})
	pr, pw := io.Pipe()
	go func() {
		pw.Write([]byte("a"))
		<-time.After(idle + idle/2)
		pw.Write([]byte("b"))
		pw.Close()
	}()
	req := get(t, srv.URL)
	req.Method, req.Body, req.Length = "PUT", pr, -1
	if got := readAll(t, send(t, c, req)); got != "2" {
		t.Errorf("got %q", got)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func TestTrailer(t *testing.T) {
	for _, secure := range []bool{false, true} {
		srv, cas := webserver(t, secure, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/plain" {
				w.Header().Set("Content-Length", "2")
				fmt.Fprint(w, "ok")
				return
			}
			w.Header().Set("Trailer", "Repr-Digest, Set-Cookie")
			fmt.Fprint(w, "ok")
			http.NewResponseController(w).Flush()
			w.Header().Set("Repr-Digest", "sha-256=:AA==:")
			w.Header().Set("Set-Cookie", "a=b")
			w.Header().Set(http.TrailerPrefix+"X-Late", "1")
		})
		c := client(t, Config{RootCAs: cas})
		a := send(t, c, get(t, srv.URL))
		if a.Trailer == nil {
			t.Fatal("no trailer")
		}
		readAll(t, a)
		want := http.Header{"Repr-Digest": {"sha-256=:AA==:"}, "X-Late": {"1"}}
		if diff := cmp.Diff(want, a.Trailer()); diff != "" {
			t.Errorf("https %v (-want +got)\n%s", secure, diff)
		}
		if a := send(t, c, get(t, srv.URL+"/plain")); a.Trailer != nil {
			t.Error("a trailer where there can be none")
		}
	}
}

// A request that waits for one of the connections of its host does not wait
// for ever.
func TestConnectionsPerHost(t *testing.T) {
	var open, most atomic.Int32
	release := make(chan struct{})
	at := script(t, func(conn net.Conn, _ *http.Request) {
		most.Store(max(most.Load(), open.Add(1)))
		defer open.Add(-1)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
		<-release
		io.WriteString(conn, "ok")
	})
	c := client(t, Config{MaxConnsPerHost: 2, WaitTimeout: 500 * time.Millisecond})
	a, b := send(t, c, get(t, at)), send(t, c, get(t, at))
	if _, err := c.Send(t.Context(), get(t, at), nil); fetch.CauseOf(err) != fetch.Timeout {
		t.Errorf("got %v, want %s", err, fetch.Timeout)
	}
	close(release)
	if readAll(t, a)+readAll(t, b) != "okok" || most.Load() != 2 {
		t.Errorf("%d connections", most.Load())
	}
}

func TestConnectionIsReused(t *testing.T) {
	for _, secure := range []bool{false, true} {
		var conns atomic.Int32
		srv, cas := webserver(t, secure, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
		real := srv.Listener.Addr().String()
		c := client(t, Config{RootCAs: cas, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			conns.Add(1)
			return (&net.Dialer{}).DialContext(ctx, network, real)
		}})
		for range 32 {
			a := send(t, c, get(t, srv.URL))
			readAll(t, a)
			a.Body.Close()
		}
		if conns.Load() > 6 { // see TestRangesReuseConnection
			t.Errorf("https %v: %d connections", secure, conns.Load())
		}
	}
}

// Connections that end free their place, also those of HTTP/2, however they
// end.
func TestEndedConnectionsFreeTheirPlace(t *testing.T) {
	for _, secure := range []bool{false, true} {
		srv, cas := webserver(t, secure, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/close" {
				w.Header().Set("Connection", "close") // over HTTP/2: GOAWAY
			}
			fmt.Fprint(w, "ok")
		})
		c := client(t, Config{RootCAs: cas, MaxConnsPerHost: 2, WaitTimeout: 5 * time.Second})
		for i := range 8 {
			a := send(t, c, get(t, srv.URL+"/close"))
			readAll(t, a)
			a.Body.Close()
			if i%2 == 1 {
				srv.CloseClientConnections()
			}
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	for _, secure := range []bool{false, true} {
		srv, cas := webserver(t, secure, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
		c := client(t, Config{RootCAs: cas, MaxConnsPerHost: 2, WaitTimeout: 10 * time.Second})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				a, err := c.Send(t.Context(), get(t, srv.URL), nil)
				if err != nil {
					t.Errorf("https %v: %v", secure, err)
					return
				}
				defer a.Body.Close()
				if b, err := io.ReadAll(a.Body); string(b) != "ok" || err != nil {
					t.Errorf("https %v: %q, %v", secure, b, err)
				}
			})
		}
		wg.Wait()
	}
}
