package origin

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

const probed = "hello world"

// hosts answer HEAD, and ranges, as servers are seen to.
var probedHosts = map[string]struct {
	head, get http.HandlerFunc
	// asks is the requests that two probes cost, ok whether the first said
	// something.
	asks string
	ok   bool
}{
	"plain":          {serve, serve, "HEAD HEAD", true},
	"405":            {status(405), serve, "HEAD GET GET", true},
	"501":            {status(501), serve, "HEAD GET GET", true},
	"signed for GET": {status(403), serve, "HEAD GET GET", true},
	"not found":      {status(404), status(404), "HEAD GET HEAD GET", false},
	"no length":      {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Transfer-Encoding", "chunked") }, serve, "HEAD GET GET", true},
	"ignores ranges": {status(405), func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Etag", `"1"`); fmt.Fprint(w, probed) }, "HEAD GET GET", true},
	"another range": {status(405), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", "bytes 1-2/11")
		w.WriteHeader(206)
		fmt.Fprint(w, "el")
	}, "HEAD GET HEAD GET", false},
	"no whole": {status(405), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", "bytes 0-0/*")
		w.WriteHeader(206)
		fmt.Fprint(w, "h")
	}, "HEAD GET HEAD GET", false},
	"error":      {status(500), serve, "HEAD HEAD", false},
	"busy":       {status(503), serve, "HEAD", false},
	"busy later": {status(405), status(429), "HEAD GET", false},
}

func serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Etag", `"1"`)
	w.Header().Set("Repr-Digest", "sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=:")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader([]byte(probed)))
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// TestProbe: what is said of the whole, by HEAD or by the first octet, for one
// small request, two at most, and none under back-off.
func TestProbe(t *testing.T) {
	for name, host := range probedHosts {
		t.Run(name, func(t *testing.T) {
			var asks []string
			srv, _ := webserver(t, false, func(w http.ResponseWriter, r *http.Request) {
				asks = append(asks, r.Method)
				if r.Header.Get("Want-Repr-Digest") == "" || r.Header.Get("If-Range")+r.Header.Get("If-None-Match") != "" {
					t.Errorf("%s with %v", r.Method, r.Header)
				}
				if r.Method == http.MethodHead {
					host.head(w, r)
					return
				}
				if r.Header.Get("Range") != "bytes=0-0" {
					t.Errorf("a GET for %q", r.Header.Get("Range"))
				}
				host.get(w, r)
			})
			c := client(t, Config{})
			req := get(t, srv.URL+"/file")
			req.Header = http.Header{"If-None-Match": {`"0"`}, "Range": {"bytes=5-"}, "If-Range": {`"0"`}}
			ans, err := c.Probe(t.Context(), req)
			if (err == nil) != host.ok {
				t.Fatalf("probe: %v", err)
			}
			if err == nil {
				checkProbed(t, name, ans)
			}
			_, _ = c.Probe(t.Context(), req)
			if got := strings.Join(asks, " "); got != host.asks {
				t.Errorf("two probes asked %q, want %q", got, host.asks)
			}
		})
	}
}

func checkProbed(t *testing.T, name string, ans *fetch.Answer) {
	t.Helper()
	m := ans.Meta
	if m.Status != http.StatusOK || m.Method != http.MethodGet || m.Length != int64(len(probed)) || m.StrongETag() == "" || m.Header.Get("Content-Range") != "" {
		t.Errorf("%+v", m)
	}
	if stated := len(m.Evidence) == 1 && m.Evidence[0].Level() == verify.E7; stated != (name != "ignores ranges") {
		t.Errorf("evidence %v", m.Evidence)
	}
}

// TestProbeOfAPart: S3 says of which size the first part was.
func TestProbeOfAPart(t *testing.T) {
	srv, _ := webserver(t, false, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead || r.URL.RawQuery != "partNumber=1" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		w.Header().Set("Etag", `"0123456789abcdef0123456789abcdef-3"`)
		w.Header().Set("Content-Range", "bytes 0-8388607/20971520")
		w.Header().Set("Content-Length", "8388608")
		w.WriteHeader(http.StatusPartialContent)
	})
	c := client(t, Config{})
	ans, err := c.Probe(t.Context(), get(t, srv.URL+"/file?partNumber=1"))
	if err != nil || ans.Part != (fetch.Span{End: 8 << 20}) || ans.Total != 20<<20 {
		t.Errorf("%+v, %v", ans, err)
	}
}

// TestProbesAreForgotten: hosts that refuse HEAD take a bounded place.
func TestProbesAreForgotten(t *testing.T) {
	var s shy
	now := time.Now()
	for i := range 3 * maxShies {
		s.add(fmt.Sprint("host", i), now)
	}
	if len(s.until) > maxShies || !s.has(fmt.Sprint("HOST", 3*maxShies-1), now) || s.has(fmt.Sprint("host", 3*maxShies-1), now.Add(shyFor)) {
		t.Errorf("%d hosts", len(s.until))
	}
}
