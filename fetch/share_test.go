package fetch

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

func TestDirectives(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"no-store"}, "no-store"},
		{[]string{" No-Store ,\tmax-age = 5"}, "max-age no-store"},
		{[]string{"max-age=5", "PRIVATE"}, "max-age private"},
		{[]string{`private="set-cookie, no-store"`}, "private"},
		{[]string{`ext="a\", no-store"`}, "ext"},
		{[]string{`ext="a\\", no-store`}, "ext no-store"},
		{[]string{`ext="a\"", no-store`}, "ext no-store"}, // it was once taken for a part of the string
		{[]string{`ext="open, no-store`}, "ext no-store"},
		{[]string{`ext="open`, "no-store"}, "ext no-store"},
		{[]string{",,no-store,,"}, "no-store"},
		{[]string{"no-store;x=1"}, "no-store;x"},
		{[]string{"xno-store, no-storex"}, "no-storex xno-store"},
	} {
		if got := strings.Join(slices.Sorted(maps.Keys(directives(c.lines))), " "); got != c.want {
			t.Errorf("%q: %q, want %q", c.lines, got, c.want)
		}
	}
}

func shareable(t *testing.T) (*Request, *Meta) {
	t.Helper()
	u, err := url.Parse("https://example.com/f")
	if err != nil {
		t.Fatal(err)
	}
	return &Request{Method: http.MethodGet, URL: u, Header: http.Header{}}, &Meta{
		URL: u.String(), Method: http.MethodGet, Status: 200, Length: MinSwarmBody, PublicOrigin: true,
		Header: http.Header{"Cache-Control": {"max-age=5"}},
	}
}

func TestShareable(t *testing.T) {
	req, m := shareable(t)
	if ok, why := (Sharing{}).Shareable(req, m); !ok {
		t.Fatalf("the plain case: %q", why)
	}
	for name, spoil := range map[string]func(req *Request, m *Meta, s *Sharing){
		"HEAD":           func(req *Request, _ *Meta, _ *Sharing) { req.Method = "HEAD" },
		"206":            func(_ *Request, m *Meta, _ *Sharing) { m.Status = 206 },
		"body":           func(req *Request, _ *Meta, _ *Sharing) { req.Body, req.Length = strings.NewReader("x"), 1 },
		"unknown body":   func(req *Request, _ *Meta, _ *Sharing) { req.Body, req.Length = strings.NewReader("x"), -1 },
		"cookie":         func(req *Request, _ *Meta, _ *Sharing) { req.Header["cookie"] = []string{"a"} },
		"empty cookie":   func(req *Request, _ *Meta, _ *Sharing) { req.Header["Cookie"] = nil },
		"userinfo":       func(req *Request, _ *Meta, _ *Sharing) { req.URL.User = url.User("") },
		"Set-Cookie":     func(_ *Request, m *Meta, _ *Sharing) { m.Header["Set-Cookie"] = []string{""} },
		"private":        func(_ *Request, m *Meta, _ *Sharing) { m.Header.Add("Cache-Control", "private") },
		"no-store":       func(_ *Request, m *Meta, _ *Sharing) { m.Header.Add("Cache-Control", "No-Store") },
		"asked no-store": func(req *Request, _ *Meta, _ *Sharing) { req.Header.Set("Cache-Control", "no-store") },
		"vary":           func(_ *Request, m *Meta, _ *Sharing) { m.Header.Set("Vary", "Accept-Encoding,Origin") },
		"not fresh":      func(_ *Request, m *Meta, _ *Sharing) { m.Header.Del("Cache-Control") },
		"private origin": func(_ *Request, m *Meta, _ *Sharing) { m.PublicOrigin = false },
		"off":            func(_ *Request, _ *Meta, s *Sharing) { s.Mode = ShareOff },
	} {
		req, m := shareable(t)
		var s Sharing
		spoil(req, m, &s)
		if ok, why := s.Shareable(req, m); ok || len(why) != 1 {
			t.Errorf("%s: %v, %q", name, ok, why)
		}
	}
}

// TestFreshness: explicit, or immutable, or stated by the origin as SHA-2.
func TestFreshness(t *testing.T) {
	for line, want := range map[string]bool{
		"max-age=5": true, "s-maxage=5": true, "immutable": true, "public": false, "stale-if-error=5": false,
	} {
		req, m := shareable(t)
		m.Header.Set("Cache-Control", line)
		if got, _ := (Sharing{}).Shareable(req, m); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
	req, m := shareable(t)
	m.Header = http.Header{"Expires": {"0"}}
	if ok, _ := (Sharing{}).Shareable(req, m); !ok {
		t.Error("Expires is explicit")
	}
	d, err := verify.NewDigest(verify.SHA256, make([]byte, 32), MinSwarmBody)
	if err != nil {
		t.Fatal(err)
	}
	e, err := verify.Remember(req.URL, d, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	m.Header, m.Evidence = http.Header{}, []verify.Evidence{e}
	if ok, _ := (Sharing{}).Shareable(req, m); ok {
		t.Error("what this node remembers makes nothing fresh")
	}
}

func TestReceiptsAreCapped(t *testing.T) {
	var r receipts
	name := func(i int) string { return "https://example.com/" + string(rune('a'+i%26)) + strings.Repeat("x", i/26) }
	for i := range maxReceipts + 100 {
		r.put(Receipt{URL: name(i), Status: i})
		r.put(Receipt{URL: name(i), Status: i + 1})
	}
	if len(r.byURL) != maxReceipts || len(r.order) != maxReceipts {
		t.Errorf("%d receipts, %d in order", len(r.byURL), len(r.order))
	}
	if _, ok := r.get(name(99)); ok {
		t.Error("the oldest is still there")
	}
	for _, i := range []int{100, maxReceipts + 99} {
		if x, ok := r.get(name(i)); !ok || x.Status != i+1 {
			t.Errorf("receipt %d: %v, %v", i, x.Status, ok)
		}
	}
}

func TestFlightKey(t *testing.T) {
	key := func(rawURL string, face Face, accept ...string) string {
		u, err := url.Parse(rawURL)
		if err != nil {
			t.Fatal(err)
		}
		return flightKey(&Request{URL: u, Face: face, Header: http.Header{"Accept-Encoding": accept}})
	}
	plain := key("https://example.com/a?b=c", Forward)
	for _, same := range []string{
		key("HTTPS://EXAMPLE.com:443/a?b=c", Forward), key("https://example.com/x/../%61?b=c#frag", Forward),
		key("https://example.com/a?b=c", Forward, "identity"), key("https://example.com/a?b=c", Forward, "br, deflate;q=0.5"),
	} {
		if same != plain {
			t.Errorf("%q is not %q", same, plain)
		}
	}
	seen := map[string]bool{plain: true}
	for _, other := range []string{
		key("https://example.com/a?b=d", Forward), key("http://example.com/a?b=c", Forward), key("https://example.com:444/a?b=c", Forward),
		key("https://example.com/a?b=c", Gateway), key("https://example.com/a?b=c", Mirror), key("https://example.com/A?b=c", Forward),
		key("https://example.com/a?b=c", Forward, "gzip"), key("https://example.com/a?b=c", Forward, "*"),
		key("https://example.com/a?b=c", Forward, "gzip;q=0"), key("https://example.com/a?b=c", Forward, "x-gzip"),
	} {
		if seen[other] {
			t.Errorf("%q is twice", other)
		}
		seen[other] = true
	}
	gzip := key("https://example.com/", Forward, "gzip")
	for _, accept := range []string{"deflate, gzip", "GZip;q=1.0, *;q=0.5"} {
		if got := key("https://example.com/", Forward, accept); got == gzip != (accept == "deflate, gzip") {
			t.Errorf("%q: %q", accept, got)
		}
	}
}
