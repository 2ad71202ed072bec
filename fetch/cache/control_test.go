package cache

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func lines(name string, values ...string) http.Header {
	if values == nil {
		return http.Header{}
	}
	return http.Header{name: values}
}

// RFC 9111 section 5.2.
func TestControl(t *testing.T) {
	age := func(n time.Duration) seconds { return seconds{true, n * time.Second} }
	for _, tt := range []struct {
		name  string
		lines []string
		want  control
	}{
		{"none", nil, control{}},
		{"empty", []string{""}, control{present: true}},
		{"case", []string{"No-Store, NO-CACHE,private"}, control{present: true, noStore: true, noCache: true, private: true}},
		{"all lines", []string{"max-age=1", "no-store", "public"}, control{present: true, maxAge: age(1), noStore: true, public: true}},
		{"white space and empty elements", []string{" ,, max-age=1 ,\tpublic , "}, control{present: true, maxAge: age(1), public: true}},
		{"quoted number", []string{`max-age="60"`}, control{present: true, maxAge: age(60)}},
		{"quoted pair", []string{`max-age="6\0"`}, control{present: true, maxAge: age(60)}},
		{"qualified", []string{`private="a, no-store", no-cache="Set-Cookie"`}, control{present: true, private: true, noCache: true}},
		{"directive in a string of an unknown one", []string{`ext="no-store, max-age=9"`}, control{present: true}},
		{"escaped quote", []string{`ext="\", no-store", public`}, control{present: true, public: true}},
		{"quote never closed hides nothing", []string{`ext="a, no-store`}, control{present: true, noStore: true}},
		{"unknown", []string{"x, y=1, z=\"2\", max-age=3"}, control{present: true, maxAge: age(3)}},
		{"duplicates: the smallest", []string{"max-age=60, max-age=30", "max-age=45"}, control{present: true, maxAge: age(30)}},
		{"duplicates: a bad one is 0", []string{"max-age=60, max-age=x"}, control{present: true, maxAge: age(0)}},
		{"no argument", []string{"max-age"}, control{present: true, maxAge: age(0)}},
		{"empty argument", []string{"max-age="}, control{present: true, maxAge: age(0)}},
		{"negative", []string{"max-age=-1"}, control{present: true, maxAge: age(0)}},
		{"fraction", []string{"max-age=1.5"}, control{present: true, maxAge: age(0)}},
		{"single quotes", []string{"max-age='60'"}, control{present: true, maxAge: age(0)}},
		{"space before =", []string{"max-age =60"}, control{present: true, maxAge: age(0)}},
		{"space behind =", []string{"max-age= 60"}, control{present: true, maxAge: age(0)}},
		{"semicolon", []string{"max-age=60; public"}, control{present: true, maxAge: age(0)}},
		{"restriction with junk holds", []string{"no-store; x"}, control{present: true, noStore: true}},
		{"permission with junk does not", []string{"public; x, must-understand x"}, control{present: true}},
		{"leading zeros", []string{"max-age=0060"}, control{present: true, maxAge: age(60)}},
		{"overflow", []string{"max-age=99999999999999999999999"}, control{present: true, maxAge: seconds{true, maxDelta}}},
		{"s-maxage", []string{"s-maxage=5, max-age=6"}, control{present: true, sMaxAge: age(5), maxAge: age(6)}},
		{"max-stale bare", []string{"max-stale"}, control{present: true, maxStale: seconds{true, maxDelta}}},
		{"max-stale bad", []string{"max-stale=x"}, control{present: true, maxStale: age(0)}},
		{"min-fresh: the largest", []string{"min-fresh=5, min-fresh=9"}, control{present: true, minFresh: age(9)}},
		{"min-fresh bad", []string{"min-fresh=x"}, control{present: true, minFresh: seconds{true, maxDelta}}},
		{"others", []string{"must-revalidate, proxy-revalidate, immutable, must-understand, stale-if-error=7"},
			control{present: true, mustRevalidate: true, proxyRevalidate: true, immutable: true, mustUnderstand: true, staleIfError: age(7)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := controlOf(lines("Cache-Control", tt.lines...)); got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// RFC 9111 section 5.4.
func TestPragma(t *testing.T) {
	for _, tt := range []struct {
		h    http.Header
		want bool
	}{
		{http.Header{"Pragma": {"no-cache"}}, true},
		{http.Header{"Pragma": {"x, No-Cache"}}, true},
		{http.Header{"Pragma": {"x=\"no-cache\""}}, false},
		{http.Header{"Pragma": {"no-cache"}, "Cache-Control": {"max-age=5"}}, false},
	} {
		if got := requestControl(tt.h).noCache; got != tt.want {
			t.Errorf("%v: no-cache %v, want %v", tt.h, got, tt.want)
		}
	}
	if controlOf(http.Header{"Pragma": {"no-cache"}}).noCache {
		t.Error("Pragma means nothing in a response")
	}
}

// TestControlIsLinear: a header of quotes and backslashes takes no time.
func TestControlIsLinear(t *testing.T) {
	line := strings.Repeat(`"\`, 32<<10)
	start := time.Now()
	controlOf(lines("Cache-Control", line))
	if d := time.Since(start); d > 200*time.Millisecond {
		t.Errorf("64 KiB took %v", d)
	}
}

func FuzzCacheControl(f *testing.F) {
	for _, s := range []string{"max-age=60", `private="a, b", no-store`, `x="\"`, `"`, "max-stale", "max-age=9999999999999999999, max-age=1", "=,=;,\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c := controlOf(lines("Cache-Control", line))
		for _, s := range []seconds{c.maxAge, c.sMaxAge, c.maxStale, c.minFresh, c.staleIfError} {
			if s.n < 0 || s.n > maxDelta || !s.set && s.n != 0 {
				t.Errorf("%q: %+v", line, s)
			}
		}
		if s := c.maxAge; s.set && !slices.Contains([]time.Duration{0, maxDelta}, s.n) && !strings.ContainsAny(line, "123456789") {
			t.Errorf("%q: a max-age of %v from nowhere", line, s.n)
		}
		// More directives never permit more.
		d := controlOf(lines("Cache-Control", line, "no-store, max-age=0"))
		if !d.noStore || !d.maxAge.set || d.maxAge.n != 0 {
			t.Errorf("%q hides another line: %+v", line, d)
		}
	})
}
