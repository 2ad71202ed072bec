package fetch_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

// TestWhyInWords: a receipt says what was believed and why, and where the swarm
// was out, what was missing and what the site or the user could do about it.
func TestWhyInWords(t *testing.T) {
	body := bodyOf(2 * mib)
	none := func(o *fetchtest.Object) { o.Digest = "" }
	for name, c := range map[string]struct {
		set      func(o *fetchtest.Object)
		policy   verify.Policy
		fields   []string
		believed string
		missing  []string // in this order
	}{
		"stated":  {set: func(*fetchtest.Object) {}, believed: "example.com states the SHA-256 of the content (Repr-Digest)", missing: []string{"nobody who had it was found"}},
		"nothing": {set: func(o *fetchtest.Object) { none(o); o.ETag = "" }, missing: []string{"no digest from the origin", "Repr-Digest"}},
		"nginx":   {set: func(o *fetchtest.Object) { none(o); o.ETag = `"65a1b2c3-200000"` }, missing: []string{"no digest", "seen: nginx, Apache, Caddy entity tag, E1", "time and size", "the site could send", "asked by HEAD"}},
		"look-alike": {set: func(o *fetchtest.Object) { none(o); o.ETag = `"0123456789abcdef0123456789abcdef"` }, missing: []string{
			"no digest", "learned MD5", "after 8 full downloads", "asked by HEAD",
		}},
		"MD5 of a program": {set: func(o *fetchtest.Object) { *o = film(body); o.Header.Set("Content-Type", "application/zip") }, missing: []string{
			"the site states md5 (GCS", "pictures", "--publisher example.com",
		}},
		"strict":        {policy: verify.Strict, set: func(o *fetchtest.Object) { *o = jar(body) }, missing: []string{"states sha-1", "strict wants SHA-2", "--policy-for example.com=balanced"}},
		"only HEAD":     {set: func(o *fetchtest.Object) { o.Digest, o.HeadDigest = "", o.Digest }, missing: []string{"no digest", "only in answer to HEAD; the next download"}},
		"private":       {set: func(o *fetchtest.Object) { o.Header.Set("Cache-Control", "private, max-age=60") }, missing: []string{"private", "Cache-Control: public"}},
		"cookie":        {set: func(*fetchtest.Object) {}, fields: []string{"Cookie", "a=b"}, missing: []string{"Cookie or Authorization; without them"}},
		"short":         {set: func(o *fetchtest.Object) { *o = object(body[:1000], nil) }, missing: []string{"shorter than 1 MiB; --share all"}},
		"not shareable": {set: func(o *fetchtest.Object) { none(o); o.Header.Del("Cache-Control") }, missing: []string{"Cache-Control: max-age or Repr-Digest", "no digest"}},
		"redirect": {fields: []string{"User-Agent", "Mozilla/5.0"}, set: func(o *fetchtest.Object) {
			*o = fetchtest.Object{Status: http.StatusFound, Header: http.Header{"Location": {mirror}, "Digest": {legacyDigest(body)}}}
		}, missing: []string{"the redirect states a digest"}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *world) { w.cfg.Policy = c.policy }, func(w *world) {
				o := object(body, line(originRate))
				c.set(&o)
				w.web.Put(site, o)
				w.whole(w.get(o.Body, c.fields...), o.Body)
				w.saysWhy(w.receipt(), c.believed, c.missing)
			})
		})
	}
	play(t, nil, func(w *world) { // led nowhere
		w.web.Put(signed, object(body, nil))
		w.whole(w.do(w.Context(), fetchtest.Request(signed), body), body)
		r, _ := w.f.Receipt(signed)
		w.saysWhy(r, "", []string{"credential; where everybody is led to it"})
	})
}

func (w *world) saysWhy(r fetch.Receipt, believed string, missing []string) {
	w.Helper()
	if believed != "" && r.Believed != believed {
		w.Errorf("believed %q", r.Believed)
	}
	rest := strings.Join(r.Missing, "\n")
	for _, part := range missing {
		at := strings.Index(rest, part)
		if at < 0 {
			w.Errorf("%q is missing in %q", part, r.Missing)
			return
		}
		rest = rest[at:]
	}
}
