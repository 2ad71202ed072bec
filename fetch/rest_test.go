package fetch_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// TestBodyThatOutgrowsTheCache: where the disk takes no more of a body of
// unknown length, it goes through to its reader.
func TestBodyThatOutgrowsTheCache(t *testing.T) {
	play(t, func(w *world) { w.store.WriteLimit = 30_000 }, func(w *world) {
		o := slowly()
		o.NoLength = true
		w.web.Put(site, o)
		w.whole(w.get(o.Body), o.Body)
		if n := len(w.store.Metas()); n > 0 {
			w.Errorf("%d are stored", n)
		}
		w.requests(1)
	})
}

// TestReaderLeavesWhatOutgrows: nothing is left open when the reader goes
// before, or after, it has got the rest.
func TestReaderLeavesWhatOutgrows(t *testing.T) {
	for _, after := range []time.Duration{2 * time.Second, 5 * time.Second} {
		play(t, func(w *world) { w.store.WriteLimit = 30_000 }, func(w *world) {
			o := slowly()
			o.NoLength = true
			w.web.Put(site, o)
			resp, err := w.f.Do(w.Context(), fetchtest.Request(site))
			if err != nil {
				w.Fatal(err)
			}
			pause(after)
			resp.Body.Read(make([]byte, 100))
			resp.Body.Close()
			resp.Done(100)
		})
	}
}

// TestRangeOfAnotherVersion: what is stored is stale and was changed; a range
// of the new version costs the origin that range.
func TestRangeOfAnotherVersion(t *testing.T) {
	play(t, nil, func(w *world) {
		o := object(bodyOf(1*mib), &fetchtest.Link{Rate: 10 * mbit})
		o.Header = http.Header{"Cache-Control": {"max-age=1"}}
		w.web.Put(site, o)
		w.whole(w.get(o.Body), o.Body)
		pause(time.Minute)
		o.Body, o.ETag = bodyOf(4*mib), `"v2"`
		o.Digest = ""
		w.web.Put(site, o)
		before := w.web.Sent()
		d := w.get(nil, "Range", "bytes=4000000-4000099")
		if d.resp.Status != http.StatusPartialContent || d.n != 100 {
			w.Errorf("status %d, %d octets, %v", d.resp.Status, d.n, d.err)
		}
		if sent := w.web.Sent() - before; sent > 256<<10 {
			w.Errorf("the origin sent %d octets", sent)
		}
	})
}
