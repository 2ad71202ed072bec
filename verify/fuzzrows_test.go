package verify_test

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"github.com/flashcrowd/flashcrowd/verify"
)

// FuzzRows puts any fields and any URL before all rows of the table, and any
// value before those of documents: what comes is evidence that can be, and one
// statement an algorithm at most.
func FuzzRows(f *testing.F) {
	for _, cases := range [][]rowCase{fieldCases, storeCases, placeCases, tagCases} {
		for _, c := range cases {
			for _, s := range append(c.yes, c.no...) {
				u := s.url
				if u == "" {
					u = "https://site.test/file"
				}
				f.Add(written(u), written(s.text), written(s.value), s.status)
			}
		}
	}
	f.Fuzz(func(t *testing.T, rawURL, text, value string, status int) {
		u, err := url.Parse(rawURL)
		if err != nil {
			return
		}
		x := verify.Exchange{URL: u, Method: http.MethodGet, Status: status, Header: http.Header{}, Length: 300, At: noon, Followed: true, Profiles: &verify.Profiles{}}
		for line := range strings.SplitSeq(text, "\n") {
			if name, v, ok := strings.Cut(line, ": "); ok {
				x.Header.Add(textproto.CanonicalMIMEHeaderKey(name), v)
			}
		}
		verify.Survey(x)
		x.Profiles.Guesses(x)
		seen := map[verify.Algorithm]bool{}
		for _, e := range verify.Read(x) {
			d := e.Digest()
			if e.Level() < verify.E3 || seen[d.Algorithm()] || d.Length() != x.Length || len(d.Sum()) != d.Algorithm().Size() {
				t.Errorf("evidence %s of %s", e.Field(), d)
			}
			seen[d.Algorithm()] = true
		}
		for _, row := range verify.Table() {
			if e, err := verify.Pin(row, u, u, value, 300, noon); err == nil && e.Level() < verify.E3 {
				t.Errorf("%s pins at %s", row.Source, e.Level())
			}
		}
	})
}
