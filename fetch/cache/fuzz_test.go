package cache

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// FuzzVary holds that a response is selected by the request that it answered,
// unless no request selects it, that what selects it has its key, and that a
// field which is named, and only there, decides.
func FuzzVary(f *testing.F) {
	for _, s := range []string{"", "*", "X-A", "x-a, X-B", "X-A,*", ",,X-A ,", "Accept-Language", "Accept-Encoding", "X A", "X-A:", "\x00", "é"} {
		f.Add(s, "1", "2")
		f.Add(s, "en, de", "en,de")
		f.Add(s, " gzip;q=0", "*;q=0.5")
	}
	f.Fuzz(func(t *testing.T, vary, a, b string) {
		sent, other := http.Header{}, http.Header{}
		for _, name := range []string{"X-A", "Accept-Language", "Accept-Encoding"} {
			sent[name], other[name] = []string{a}, []string{b}
		}
		m := &fetch.Meta{Header: http.Header{"Vary": {vary}}}
		m.Vary = nominated(m.Header, sent)
		names, star := varyNames(m.Header)
		if selects(m, sent) == star {
			t.Errorf("Vary %q: selected by its own request: %v", vary, !star)
		}
		starred := slices.ContainsFunc(strings.Split(vary, ","), func(e string) bool { return strings.Trim(e, " \t") == "*" })
		if starred && !star || star && len(names) > 0 || !slices.IsSorted(names) {
			t.Errorf("Vary %q: %q, %v", vary, names, star)
		}
		n := &fetch.Meta{Header: m.Header, Vary: nominated(m.Header, other)}
		if !star && selects(m, other) != (variantKey(m) == variantKey(n)) {
			t.Errorf("Vary %q, %q and %q: selected %v, but the keys say otherwise", vary, a, b, selects(m, other))
		}
		delete(other, "X-A")
		if slices.Contains(names, "X-A") && selects(m, other) {
			t.Errorf("Vary %q: selected without the field", vary)
		}
	})
}

// FuzzFreshness holds that no field makes an age negative or a lifetime
// endless, and that what restricts reuse does so beside anything.
func FuzzFreshness(f *testing.F) {
	const day = "Sun, 06 Nov 1994 08:49:37 GMT"
	for _, s := range []string{"", "0", "-1", "5, 7", "99999999999999999999", day, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Fri, 31 Dec 9999 23:59:59 GMT", "x"} {
		f.Add(s, s, s, s)
		f.Add(day, s, "", s)
		f.Add(s, day, "7", day)
	}
	f.Fuzz(func(t *testing.T, date, expires, age, modified string) {
		h := http.Header{"Date": {date}, "Expires": {expires}, "Age": {age}, "Last-Modified": {modified}}
		m := &fetch.Meta{Status: 200, Method: "GET", Header: h, RequestTime: t0, ResponseTime: t0.Add(time.Second)}
		now := t0.Add(time.Minute)
		v := judge(control{}, fetch.Forward, m, false, now)
		life := lifetime(m, controlOf(h))
		if v.age < 59*time.Second || life < 0 || life > maxDelta || v.ttl != life-v.age || v.fresh != (v.ttl > 0) {
			t.Errorf("%q: lifetime %v, %+v", h, life, v)
		}
		if later := judge(control{}, fetch.Forward, m, false, now.Add(time.Hour)); later.fresh && !v.fresh || later.age <= v.age {
			t.Errorf("%q: fresher an hour later: %+v, then %+v", h, v, later)
		}
		for _, c := range []string{"no-cache", "max-age=0", "s-maxage=0", "must-revalidate, max-age=1"} {
			h.Set("Cache-Control", c)
			if v := judge(control{}, fetch.Forward, m, false, now); v.fresh || v.staleOK && c != "max-age=0" {
				t.Errorf("%q: %+v", h, v)
			}
		}
	})
}

// FuzzSameVersion holds that a 304 with a strong entity tag updates what has
// just that tag, and nothing else.
func FuzzSameVersion(f *testing.F) {
	for _, s := range []string{`"a"`, `W/"a"`, `"b"`, "a", "", `"`, ` "a" `, `w/"a"`, `"a", "b"`} {
		for _, u := range []string{`"a"`, `W/"a"`, ""} {
			f.Add(s, u)
		}
	}
	f.Fuzz(func(t *testing.T, had, got string) {
		old := &fetch.Meta{Status: 200, Method: "GET", Header: http.Header{"Etag": {had}}}
		m := &fetch.Meta{Status: 304, Method: "GET", Header: http.Header{"Etag": {got}}}
		if tag := m.StrongETag(); tag != "" && sameVersion(old, m) != (had == tag) {
			t.Errorf("%q updates %q: %v", got, had, had != tag)
		}
		if !sameVersion(old, &fetch.Meta{Status: 304, Method: "GET", Header: old.Header}) {
			t.Errorf("%q does not update itself", had)
		}
	})
}

// FuzzUnstorable holds that nothing beside them hides the directives that
// forbid storing.
func FuzzUnstorable(f *testing.F) {
	for _, s := range []string{"", "public", "max-age=60", `x="`, `x="\`, "must-understand", ",", "=", `"no-store"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, ban := range []string{"no-store", "private", `PRIVATE`, "No-Store=1"} {
			for _, lines := range [][]string{{line, ban}, {ban, line}} {
				m := &fetch.Meta{Status: 200, Method: "GET", Header: http.Header{"Cache-Control": lines}}
				understands := controlOf(m.Header).mustUnderstand && strings.EqualFold(ban[:2], "no")
				if forbidden(m, false, fetch.Forward) == "" && !understands {
					t.Errorf("%q may be stored", lines)
				}
			}
		}
	})
}
