package origin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

func reprDigest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// describe returns what a HEAD said of the resource at req.
func describe(t testing.TB, c *Client, req *fetch.Request) *fetch.Meta {
	t.Helper()
	head := *req
	head.Method = http.MethodHead
	return send(t, c, &head).Meta
}

func TestSourceConformance(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, validator := range []string{"etag", "digest"} {
			mark := func(w http.ResponseWriter, body []byte) {
				if validator == "etag" {
					w.Header().Set("Etag", `"1"`)
				} else {
					w.Header().Set("Repr-Digest", reprDigest(body))
				}
			}
			far := fetchtest.Sources{
				AnySpan: true,
				Serve: func(t *testing.T, body []byte) fetch.Source {
					return sourceOf(t, secure, func(w http.ResponseWriter, r *http.Request) {
						mark(w, body)
						http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
					})
				},
				Cut: func(t *testing.T, body []byte, octets int) fetch.Source {
					return sourceOf(t, secure, func(w http.ResponseWriter, r *http.Request) {
						mark(w, body)
						part := &limited{ResponseWriter: w, left: octets}
						http.ServeContent(part, r, "", time.Time{}, bytes.NewReader(body))
						http.NewResponseController(w).Flush()
						if r.Method == http.MethodGet {
							panic(http.ErrAbortHandler)
						}
					})
				},
				Stall: func(t *testing.T, body []byte, octets int) (fetch.Source, <-chan struct{}) {
					gone := make(chan struct{}, 16)
					return sourceOf(t, secure, func(w http.ResponseWriter, r *http.Request) {
						mark(w, body)
						part := &limited{ResponseWriter: w, left: octets}
						http.ServeContent(part, r, "", time.Time{}, bytes.NewReader(body))
						if r.Method != http.MethodGet {
							return
						}
						http.NewResponseController(w).Flush()
						<-r.Context().Done()
						gone <- struct{}{}
					}), gone
				},
			}
			t.Run(fmt.Sprintf("https=%v/%s", secure, validator), func(t *testing.T) { fetchtest.Source(t, far) })
		}
	}
}

// limited swallows what is written beyond left octets.
type limited struct {
	http.ResponseWriter
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	part := p[:min(len(p), l.left)]
	l.left -= len(part)
	if len(part) > 0 {
		if _, err := l.ResponseWriter.Write(part); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func sourceOf(t *testing.T, secure bool, h http.HandlerFunc) fetch.Source {
	srv, cas := webserver(t, secure, h)
	c := client(t, Config{RootCAs: cas})
	req := get(t, srv.URL+"/file")
	return c.Source(req, describe(t, c, req))
}

// The request for a range is the request that the representation was the
// answer to, but for the range and its condition.
func TestRangeRequest(t *testing.T) {
	var got http.Header
	srv, _ := webserver(t, false, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		w.Header().Set("Vary", "Accept-Encoding, Accept-Language")
		w.Header().Set("Etag", `"1"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("hello world"))
	})
	c := client(t, Config{})
	req := get(t, srv.URL)
	req.Header = http.Header{
		"Accept-Encoding": {"br, gzip"}, "Accept-Language": {"de"}, "Cookie": {"a=b"}, "User-Agent": {"x"},
		"If-None-Match": {`"0"`}, "If-Modified-Since": {"Sun, 01 Mar 2026 12:00:30 GMT"}, "Range": {"bytes=0-0"},
	}
	a := send(t, c, req)
	m := *a.Meta
	m.Length = 11
	// Another member of the flight may have asked in another language.
	req.Header.Set("Accept-Language", "en")
	r, err := c.Source(req, &m).Open(t.Context(), fetch.Span{Offset: 6, End: 11})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); string(b) != "world" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	want := http.Header{
		"Accept-Encoding": {"gzip"}, "Accept-Language": {"de"}, "Cookie": {"a=b"}, "User-Agent": {"x"},
		"Range": {"bytes=6-10"}, "If-Range": {`"1"`}, "Want-Repr-Digest": {verify.WantReprDigest},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for coding, accept := range map[string]string{"": "identity", "gzip": "gzip"} {
		h := rangeRequest(req, &fetch.Meta{Header: http.Header{"Content-Encoding": {coding}}}).Header
		if got := h.Get("Accept-Encoding"); got != accept || h.Get("If-Range") != "" {
			t.Errorf("coding %q: asks for %q if %q", coding, got, h.Get("If-Range"))
		}
	}
}

// OR5, OR6, OR7: only octets of the very representation get through.
func TestRangeAnswers(t *testing.T) {
	body, other := []byte("0123456789"), []byte("9876543210")
	strong, digest := http.Header{"Etag": {`"1"`}}, http.Header{"Repr-Digest": {reprDigest(body)}}
	both := http.Header{"Etag": {`"1"`}, "Repr-Digest": {reprDigest(body)}}
	const tag, repr = "Etag: \"1\"\r\n", "Repr-Digest: %R\r\n"
	part := func(fields string) string {
		return "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-4/10\r\nContent-Length: 3\r\n" + fields + "\r\n234"
	}
	whole := func(fields string) string {
		return "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n" + fields + "\r\n0123456789"
	}
	ranged := func(r, fields string) string {
		return "HTTP/1.1 206 Partial Content\r\nContent-Range: " + r + "\r\n" + fields + tag + "\r\n234"
	}
	for _, tt := range []struct {
		name   string
		was    http.Header
		answer string
		want   error
	}{
		{"same tag", strong, part(tag), nil},
		{"same digest", digest, part(repr), nil},
		{"same digest and now a tag", digest, part(repr + tag), nil},
		{"same tag, no digest", both, part(tag), nil},
		{"tag gone, same digest", both, part(repr), nil},
		{"no content-length", strong, ranged("bytes 2-4/10", "Connection: close\r\n"), nil},
		{"another tag", strong, part("Etag: \"2\"\r\n"), fetch.ErrChanged},
		{"weak tag", strong, part("Etag: W/\"1\"\r\n"), fetch.ErrNoRanges},
		{"no tag", strong, part(""), fetch.ErrNoRanges},
		{"another digest", digest, part("Repr-Digest: %O\r\n"), fetch.ErrChanged},
		{"same tag, another digest", both, part(tag + "Repr-Digest: %O\r\n"), fetch.ErrChanged},
		{"no digest", digest, part(""), fetch.ErrNoRanges},
		{"nothing to go by", nil, part(repr), fetch.ErrNoRanges},
		{"coded", strong, part(tag + "Content-Encoding: gzip\r\n"), fetch.ErrChanged},
		{"other total", strong, ranged("bytes 2-4/11", ""), fetch.ErrChanged},
		{"unknown total", strong, ranged("bytes 2-4/*", ""), fetch.ErrNoRanges},
		{"other offset", strong, ranged("bytes 3-5/10", ""), fetch.ErrNoRanges},
		{"shorter", strong, ranged("bytes 2-3/10", ""), fetch.ErrNoRanges},
		{"longer", strong, ranged("bytes 2-9/10", ""), fetch.ErrNoRanges},
		{"no such range", strong, ranged("bytes 4-2/10", ""), fetch.ErrNoRanges},
		{"other unit", strong, ranged("lines 2-4/10", ""), fetch.ErrNoRanges},
		{"other content-length", strong, ranged("bytes 2-4/10", "Content-Length: 2\r\n"), fetch.ErrNoRanges},
		{"no content-range", strong, "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n" + tag + "\r\n234", fetch.ErrNoRanges},
		{"several parts", strong, part(tag + "Content-Type: multipart/byteranges; boundary=x\r\n"), fetch.ErrNoRanges},
		{"whole, same tag", strong, whole(tag), fetch.ErrNoRanges},
		{"whole, another tag", strong, whole("Etag: \"2\"\r\n"), fetch.ErrChanged},
		{"whole, no tag", strong, whole(""), fetch.ErrChanged},
		{"whole, same digest", digest, whole(repr), fetch.ErrNoRanges},
		{"whole, another digest", digest, whole("Repr-Digest: %O\r\n"), fetch.ErrChanged},
		{"whole, no digest", digest, whole(""), fetch.ErrNoRanges},
		{"whole, other length", strong, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + tag + "\r\n01", fetch.ErrChanged},
		{"not satisfiable", strong, "HTTP/1.1 416 No\r\nContent-Range: bytes */3\r\nContent-Length: 0\r\n\r\n", fetch.ErrChanged},
		{"not found", strong, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", fetch.ErrChanged},
		{"moved", strong, "HTTP/1.1 302 No\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", errAny},
		{"error", strong, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", errAny},
		{"forbidden", strong, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", errAny},
		{"not modified", strong, "HTTP/1.1 304 No\r\n\r\n", errAny},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer := strings.NewReplacer("%R", reprDigest(body), "%O", reprDigest(other)).Replace(tt.answer)
			req := get(t, script(t, says(answer)))
			c := client(t, Config{})
			r, err := c.Source(req, madeMeta(req, tt.was, body)).Open(t.Context(), fetch.Span{Offset: 2, End: 5})
			if err == nil {
				defer r.Close()
				got, err := io.ReadAll(r)
				if tt.want != nil || string(got) != "234" || err != nil {
					t.Errorf("got %q, %v, want %v", got, err, tt.want)
				}
				return
			}
			known := errors.Is(err, fetch.ErrChanged) || errors.Is(err, fetch.ErrNoRanges)
			if tt.want == errAny && known || tt.want != errAny && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

var errAny = errors.New("neither changed nor without ranges")

// madeMeta is what a 200 with these fields would have said.
func madeMeta(req *fetch.Request, h http.Header, body []byte) *fetch.Meta {
	h = h.Clone()
	if h == nil {
		h = http.Header{}
	}
	return &fetch.Meta{
		URL: req.URL.String(), Method: "GET", Status: 200, Header: h, Length: int64(len(body)),
		Evidence: verify.Read(verify.Exchange{URL: req.URL, Method: "GET", Status: 200, Header: h, Length: int64(len(body))}),
	}
}

// A chunked range that is longer than it said is not ended in silence, nor is
// one octet of the surplus delivered.
func TestRangeLongerThanAnnounced(t *testing.T) {
	req := get(t, script(t, says("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-4/10\r\nEtag: \"1\"\r\n"+
		"Transfer-Encoding: chunked\r\n\r\n5\r\n23456\r\n0\r\n\r\n")))
	c := client(t, Config{})
	r, err := c.Source(req, madeMeta(req, http.Header{"Etag": {`"1"`}}, make([]byte, 10))).Open(t.Context(), fetch.Span{Offset: 2, End: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); string(got) != "234" || fetch.CauseOf(err) != fetch.Protocol {
		t.Errorf("%q, %v", got, err)
	}
}

func TestRangesOfUnknownLength(t *testing.T) {
	c := client(t, Config{})
	s := c.Source(get(t, "http://127.0.0.1:1/"), &fetch.Meta{Header: http.Header{}, Length: -1})
	if _, err := s.Open(t.Context(), fetch.Span{Offset: 0, End: 1}); err == nil {
		t.Error("a range of what has no length")
	}
}

// Back-off is honoured by ranges of the whole host, and not by what the client
// itself asks.
func TestSourceBacksOff(t *testing.T) {
	var requests atomic.Int32
	var after atomic.Value
	after.Store("3600")
	srv, _ := webserver(t, false, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Retry-After", after.Load().(string))
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	c := client(t, Config{})
	open := func(path string) error {
		req := get(t, srv.URL+path)
		r, err := c.Source(req, madeMeta(req, nil, make([]byte, 10))).Open(t.Context(), fetch.Span{Offset: 0, End: 10})
		if err == nil {
			r.Close()
		}
		return err
	}
	for i, path := range []string{"/a", "/a", "/b?c"} {
		err := open(path)
		var be interface{ RetryAfter() time.Duration }
		if !errors.As(err, &be) || be.RetryAfter() < 59*time.Minute || be.RetryAfter() > time.Hour {
			t.Errorf("%s: %v", path, err)
		}
		if n := requests.Load(); n != 1 {
			t.Errorf("range %d: %d requests", i, n)
		}
		if strings.Contains(err.Error(), "/a") {
			t.Errorf("the error tells the path: %v", err)
		}
	}
	if a := send(t, c, get(t, srv.URL+"/a")); a.Meta.Status != http.StatusServiceUnavailable || requests.Load() != 2 {
		t.Errorf("the client's own request: %d, %d requests", a.Meta.Status, requests.Load())
	}

	// What the client's own request draws counts as well.
	c = client(t, Config{})
	after.Store("0")
	send(t, c, get(t, srv.URL))
	before := requests.Load()
	if err := open("/a"); err == nil || requests.Load() != before+1 {
		t.Errorf("after no time at all: %v", err)
	}
	after.Store("600")
	send(t, c, get(t, srv.URL))
	before = requests.Load()
	if err := open("/a"); err == nil || requests.Load() != before {
		t.Errorf("after 10 minutes were asked for: %v, %d requests", err, requests.Load()-before)
	}
}

// Ranges read to their end, and not beyond, leave their connection to the
// next. net/http gives one up now and then when the machine is busy.
func TestRangesReuseConnection(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 16<<10)
	var mu sync.Mutex
	conns := map[string]bool{}
	srv, _ := webserver(t, false, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		conns[r.RemoteAddr] = true
		mu.Unlock()
		w.Header().Set("Etag", `"1"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	})
	c := client(t, Config{})
	req := get(t, srv.URL)
	s := c.Source(req, describe(t, c, req))
	const size = 8 << 10
	for i := range int64(32) {
		r, err := s.Open(t.Context(), fetch.Span{Offset: i * size, End: (i + 1) * size})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, size)); err != nil {
			t.Error(err)
		}
		r.Close()
	}
	if len(conns) > 6 {
		t.Errorf("32 ranges took %d connections", len(conns))
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	c := client(t, Config{Dial: hang})
	req := get(t, "http://a.example.com/")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := c.Source(req, madeMeta(req, nil, make([]byte, 10))).Open(ctx, fetch.Span{Offset: 0, End: 10})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
