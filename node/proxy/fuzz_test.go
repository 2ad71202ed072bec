package proxy

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// FuzzDate holds that a date is taken only in one of the three forms of RFC
// 9110 section 5.6.7, to the octet.
func FuzzDate(f *testing.F) {
	for _, s := range []string{
		"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 UTC", "0", "", " Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 06 Nov 1994 08:49:60 GMT", "Thu, 29 Feb 2100 00:00:00 GMT",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, ok := dateIn(http.Header{"Date": {s}}, "Date")
		if !ok {
			return
		}
		trimmed := strings.Trim(s, " \t")
		forms := []string{at.UTC().Format(http.TimeFormat), at.UTC().Format("Monday, 02-Jan-06 15:04:05 GMT"), at.UTC().Format(time.ANSIC)}
		if trimmed != forms[0] && trimmed != forms[1] && trimmed != forms[2] {
			t.Errorf("%q was taken for %v", s, at)
		}
		if _, twice := dateIn(http.Header{"Date": {s, s}}, "Date"); twice {
			t.Errorf("%q twice is a date", s)
		}
	})
}

// FuzzIfRange holds that a range is answered only under the exact strong
// validator.
func FuzzIfRange(f *testing.F) {
	const day = "Sun, 06 Nov 1994 08:49:37 GMT"
	for _, s := range []string{`"a"`, `W/"a"`, `"a", "b"`, "*", "", "a", day, "Sunday, 06-Nov-94 08:49:37 GMT", `"`, `"a"x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := http.Header{"If-Range": {s}}
		tagged := http.Header{"Etag": {`"a"`}, "Date": {"Mon, 07 Nov 1994 08:49:37 GMT"}}
		if takesRange(r, tagged) && strings.Trim(s, " \t,") != `"a"` {
			t.Errorf("%q is taken for the tag", s)
		}
		if takesRange(r, http.Header{"Etag": {`W/"a"`}}) {
			t.Errorf("%q is taken for a weak tag", s)
		}
		dated := http.Header{"Last-Modified": {day}, "Date": {day}}
		if takesRange(r, dated) {
			t.Errorf("%q is taken for a date that is weak", s)
		}
	})
}

// FuzzHopByHop holds that nothing for one hop gets past, and that Connection
// takes nothing away on which safety rests.
func FuzzHopByHop(f *testing.F) {
	for _, s := range []string{"close", "X-A", "x-a, X-B,", "Cache-Control", "content-length", ",, ,", "Set-Cookie, x-a", "\x00", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, connection string) {
		h := http.Header{"Connection": {connection}, "X-A": {"1"}}
		for _, name := range hopByHop[1:] {
			h[name] = []string{"1"}
		}
		for _, name := range critical {
			h[name] = []string{"1"}
		}
		dropHopByHop(h)
		for _, name := range hopByHop {
			if _, there := h[name]; there {
				t.Errorf("Connection: %q leaves %s", connection, name)
			}
		}
		for _, name := range critical {
			if _, there := h[name]; !there {
				t.Errorf("Connection: %q takes %s away", connection, name)
			}
		}
		if _, there := h["X-A"]; strings.EqualFold(connection, "x-a") && there {
			t.Error("what is listed stays")
		}
	})
}

// FuzzVia holds that this node knows itself behind anything.
func FuzzVia(f *testing.F) {
	for _, s := range []string{"1.1 fc-1", "1.0 other", "HTTP/1.1 x (a, b)", ",", "", "1.1", "1.1  FC-1 (x)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, via string) {
		if !isLoop(http.Header{"Via": {via + ", 1.1 fc-1"}}, "fc-1") || !isLoop(http.Header{"Via": {via, "1.1 fc-1"}}, "fc-1") {
			t.Errorf("Via: %q hides the node", via)
		}
		if isLoop(http.Header{"Via": {via}}, "fc-1") && !strings.Contains(strings.ToLower(via), "fc-1") {
			t.Errorf("Via: %q is a loop", via)
		}
	})
}
