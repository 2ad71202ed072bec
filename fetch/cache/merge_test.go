package cache

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// RFC 9111 section 4.3.4.
func TestSameVersion(t *testing.T) {
	const day, other = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:38 GMT"
	f := func(fields ...string) []string { return fields }
	for _, tt := range []struct {
		name     string
		old, got []string
		want     bool
	}{
		{"strong, equal", f("Etag", `"a"`), f("Etag", `"a"`), true},
		{"strong, another", f("Etag", `"a"`), f("Etag", `"b"`), false},
		{"strong, another, date equal", f("Etag", `"a"`, "Last-Modified", day), f("Etag", `"b"`, "Last-Modified", day), false},
		{"strong, stored weak", f("Etag", `W/"a"`), f("Etag", `"a"`), false},
		{"strong, stored none", f("Last-Modified", day), f("Etag", `"a"`, "Last-Modified", day), false},
		{"weak, stored strong", f("Etag", `"a"`), f("Etag", `W/"a"`), true},
		{"weak, equal", f("Etag", `W/"a"`), f("Etag", `W/"a"`), true},
		{"weak, another", f("Etag", `W/"a"`), f("Etag", `W/"b"`), false},
		{"date, equal", f("Etag", `"a"`, "Last-Modified", day), f("Last-Modified", day), true},
		{"date, in another form", f("Last-Modified", day), f("Last-Modified", "Sunday, 06-Nov-94 08:49:37 GMT"), true},
		{"date, another", f("Last-Modified", day), f("Last-Modified", other), false},
		{"date, stored none", f("Etag", `"a"`), f("Last-Modified", day), false},
		{"none", f("Etag", `"a"`), f(), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := sameVersion(response(tt.old...), status(304, response(tt.got...))); got != tt.want {
				t.Errorf("sameVersion = %v, want %v", got, tt.want)
			}
		})
	}
	if sameVersion(response("Etag", `"a"`), response("Etag", `"a"`)) {
		t.Error("a 200 updates")
	}
}

// RFC 9111 section 3.2.
func TestMerged(t *testing.T) {
	old := response("Date", httpDate(0), "Age", "5", "Content-Type", "text/html", "Content-Length", "1", "Content-Encoding", "gzip",
		"X-Two", "a", "X-Two", "b", "X-Old", "1", "Cache-Control", "max-age=1", "Vary", "X-A")
	old.Vary = http.Header{"X-A": {"1"}}
	old.Shared = true
	m := status(304, response("Content-Type", "text/plain", "Content-Length", "0", "Content-Encoding", "br", "Content-Range", "x",
		"X-Two", "c", "Cache-Control", "max-age=9", "Connection", "x-hop", "X-Hop", "1", "Keep-Alive", "1", "Vary", "X-B", "Proxy-Authenticate", "Basic"))
	m.Header.Del("Date")
	m.RequestTime, m.ResponseTime = t0.Add(9*sec), t0.Add(10*sec)
	got := merged(fetchtest.Request("http://example.com/", "X-A", "1", "X-B", "2"), old, m)
	want := http.Header{
		"Date": {httpDate(10 * sec)}, "Content-Type": {"text/plain"}, "Content-Length": {"1"}, "Content-Encoding": {"gzip"},
		"X-Two": {"c"}, "X-Old": {"1"}, "Cache-Control": {"max-age=9"}, "Vary": {"X-B"},
	}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(http.Header{"X-B": {"2"}}, got.Vary); diff != "" {
		t.Error(diff)
	}
	if got.Status != 200 || !got.RequestTime.Equal(m.RequestTime) || !got.ResponseTime.Equal(m.ResponseTime) || got.Length != 1 {
		t.Errorf("merged: %+v", got)
	}
	if old.Header.Get("Age") != "5" || old.Header.Get("X-Two") != "a" {
		t.Error("the old response was changed")
	}
	if stillShared(got) {
		t.Error("shared although it varies by X-B")
	}
}
