package fetch_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// TestRefusedBodyComesFromOthers: the origin has no room for a download, but
// says what it is once it may be asked; others have it.
func TestRefusedBodyComesFromOthers(t *testing.T) {
	body := bodyOf(16 * mib)
	play(t, nil, func(w *world) {
		w.origin(body, func(o *fetchtest.Object) { o.Busy, o.RetryAfter = true, 6*time.Second })
		w.peer(&fetchtest.Peer{Link: line(100 * mbit)}, body)
		d := w.get(body)
		w.whole(d, body)
		if d.resp == nil || d.resp.Status != http.StatusOK || octets(w.receipt(), "origin") > 0 || d.resp.Header.Get("Etag") != `"v1"` {
			w.Fatalf("%+v, receipt %+v", d.resp, w.receipt())
		}
		if n := w.asked(http.MethodHead); n != 1 {
			w.Errorf("%d questions", n)
		}
		for _, r := range w.web.Requests("") {
			if at := r.At.Sub(w.start); r.Method == http.MethodHead && at < 6*time.Second {
				w.Errorf("asked after %v", at)
			}
		}
		w.within("all", d.took, 10*time.Second)
	})
}

// TestRefusalIsTheAnswer at once where nobody could help, and before long where
// nobody does.
func TestRefusalIsTheAnswer(t *testing.T) {
	body := bodyOf(2 * mib)
	for name, c := range map[string]struct {
		set    func(o *fetchtest.Object)
		peer   bool
		fields []string
		within time.Duration
		heads  int
	}{
		"nobody":        {set: func(*fetchtest.Object) {}, within: 1100 * time.Millisecond},
		"a long time":   {set: func(o *fetchtest.Object) { o.RetryAfter = time.Minute }, peer: true, within: 1100 * time.Millisecond},
		"a script":      {set: func(*fetchtest.Object) {}, peer: true, fields: []string{"Sec-Fetch-Dest", "empty"}, within: 100 * time.Millisecond},
		"a cookie":      {set: func(*fetchtest.Object) {}, peer: true, fields: []string{"Cookie", "a=b"}, within: 100 * time.Millisecond},
		"no digest":     {set: func(o *fetchtest.Object) { o.Digest = "" }, peer: true, within: 8 * time.Second, heads: 1},
		"other version": {set: func(o *fetchtest.Object) { o.Digest = fetchtest.ReprDigest(0x12, []byte("x")) }, peer: true, within: 12 * time.Second, heads: 1},
		"private":       {set: func(o *fetchtest.Object) { o.Header.Set("Cache-Control", "private") }, peer: true, within: 8 * time.Second, heads: 1},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				w.origin(body, func(o *fetchtest.Object) {
					o.Busy, o.RetryAfter = true, 5*time.Second
					c.set(o)
				})
				if c.peer {
					w.peer(&fetchtest.Peer{Link: line(100 * mbit)}, body)
				}
				d := w.get(nil, c.fields...)
				if d.err != nil || d.resp.Status != http.StatusServiceUnavailable {
					w.Errorf("%+v, %v", d.resp, d.err)
				}
				w.within("the answer", d.took, c.within)
				if n := w.asked(http.MethodHead); n != c.heads {
					w.Errorf("%d questions, want %d", n, c.heads)
				}
				if calls := w.router.Calls("Join"); len(calls) > 0 {
					w.Errorf("a member that has nothing: %v", calls)
				}
			})
		})
	}
}
