package cache

import (
	"net/http"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// RFC 9213 sections 2.1 and 2.2.
func TestTargeted(t *testing.T) {
	h := func(lines ...string) http.Header {
		return http.Header{"Cache-Control": {"no-store"}, "Cdn-Cache-Control": lines}
	}
	for _, tt := range []struct {
		name  string
		lines []string
		want  control
		ok    bool
	}{
		{"none", nil, control{}, false},
		{"empty", []string{""}, control{}, false},
		{"no dictionary", []string{"max-age=60, &"}, control{}, false},
		{"name in capitals is none", []string{"Max-Age=60"}, control{}, false},
		{"number", []string{"max-age=60"}, control{maxAge: seconds{true, time.Minute}}, true},
		{"two lines", []string{"no-cache", "max-age=60"}, control{noCache: true, maxAge: seconds{true, time.Minute}}, true},
		{"the last of a name", []string{"max-age=60, max-age=0"}, control{maxAge: seconds{set: true}}, true},
		{"false", []string{"no-store=?0, max-age=60"}, control{maxAge: seconds{true, time.Minute}}, true},
		{"negative", []string{"max-age=-1"}, control{maxAge: seconds{set: true}}, true},
		{"parameters", []string{"max-age=60;x=1"}, control{maxAge: seconds{true, time.Minute}}, true},
		{"inner list", []string{`max-age=(60), private`}, control{private: true}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want, wantForward := tt.want, controlOf(h(tt.lines...))
			want.present, want.targeted = true, true
			if !tt.ok {
				want = wantForward
			}
			if got := responseControl(h(tt.lines...), fetch.Mirror); got != want {
				t.Errorf("mirror: %+v, want %+v", got, want)
			}
			for _, face := range []fetch.Face{fetch.Forward, fetch.Gateway} {
				if got := responseControl(h(tt.lines...), face); got != wantForward {
					t.Errorf("face %d: %+v, want %+v", face, got, wantForward)
				}
			}
		})
	}
}

// FuzzTargeted holds that no field makes a lifetime negative or endless.
func FuzzTargeted(f *testing.F) {
	for _, s := range []string{"max-age=60", "max-age=999999999999999", `max-age="60"`, "a;b;c, d=(1 2);e", "=", "no-store=?0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c := responseControl(http.Header{"Cdn-Cache-Control": {line}}, fetch.Mirror)
		for _, s := range []seconds{c.maxAge, c.sMaxAge, c.minFresh, c.maxStale, c.staleIfError, c.staleWhileRevalidate} {
			if s.n < 0 || s.n > maxDelta {
				t.Errorf("%q: %v", line, s.n)
			}
		}
	})
}

// RFC 5861 section 3, RFC 9211 section 2.2.
func TestJudgeRevalidate(t *testing.T) {
	for _, tt := range []struct {
		asked, response      string
		age                  time.Duration
		revalidate, unwanted bool
	}{
		{"", "max-age=60, stale-while-revalidate=30", 30 * sec, false, false},
		{"", "max-age=60, stale-while-revalidate=30", 90 * sec, true, false},
		{"", "max-age=60, stale-while-revalidate=30", 91 * sec, false, false},
		{"", "max-age=60", 90 * sec, false, false},
		{"", "max-age=60, stale-while-revalidate", 90 * sec, false, false},
		{"", "max-age=60, stale-while-revalidate=30, must-revalidate", 90 * sec, false, false},
		{"", "s-maxage=60, stale-while-revalidate=30", 90 * sec, false, false},
		{"", "max-age=60, stale-while-revalidate=30, no-cache", 90 * sec, false, false},
		{"no-cache", "max-age=60, stale-while-revalidate=30", 90 * sec, false, false},
		{"max-age=80", "max-age=60, stale-while-revalidate=30", 90 * sec, false, false},
		{"min-fresh=1", "max-age=60, stale-while-revalidate=30", 90 * sec, false, false},
		{"no-cache", "max-age=60", 30 * sec, false, true},
		{"max-age=10", "max-age=60", 30 * sec, false, true},
		{"min-fresh=40", "max-age=60", 30 * sec, false, true},
		{"no-cache", "max-age=60, no-cache", 30 * sec, false, false},
		{"no-cache", "max-age=60", 90 * sec, false, false},
	} {
		asked := requestControl(lines("Cache-Control", tt.asked))
		v := judge(asked, fetch.Forward, response("Cache-Control", tt.response), false, t0.Add(tt.age))
		if v.revalidate != tt.revalidate || v.unwanted != tt.unwanted {
			t.Errorf("%q to %q at %v: revalidate %v, unwanted %v", tt.response, tt.asked, tt.age, v.revalidate, v.unwanted)
		}
		if v := judge(asked, fetch.Forward, response("Cache-Control", tt.response), true, t0.Add(tt.age)); v.revalidate || v.unwanted {
			t.Errorf("%q: invalid, and %+v", tt.response, v)
		}
	}
}

// RFC 9111 section 4.3.5.
func TestSameHead(t *testing.T) {
	const day, other = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:38 GMT"
	for _, tt := range []struct {
		name     string
		old, got []string
		length   int64
		want     bool
	}{
		{"tag and length", []string{"Etag", `"a"`}, []string{"Etag", `"a"`}, 5, true},
		{"no length", []string{"Etag", `"a"`}, []string{"Etag", `"a"`}, -1, true},
		{"another length", []string{"Etag", `"a"`}, []string{"Etag", `"a"`}, 6, false},
		{"another tag", []string{"Etag", `"a"`}, []string{"Etag", `"b"`}, 5, false},
		{"tag that was not", nil, []string{"Etag", `"b"`}, 5, false},
		{"another date", []string{"Last-Modified", day}, []string{"Last-Modified", other}, 5, false},
		{"no validator", []string{"Etag", `"a"`}, nil, 5, true},
		{"another coding", nil, []string{"Content-Encoding", "gzip"}, 5, false},
	} {
		old, m := response(tt.old...), response(tt.got...)
		m.Method, old.Length, m.Length = http.MethodHead, 5, tt.length
		if got := sameVersion(old, m); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
		if m.Method = http.MethodGet; sameVersion(old, m) {
			t.Errorf("%s: a GET updates", tt.name)
		}
	}
}
