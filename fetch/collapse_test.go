package fetch_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// TestVisibleBeforeCommit: who asks when the last octet is out finds the
// response in the cache, however long the disk takes.
func TestVisibleBeforeCommit(t *testing.T) {
	play(t, func(w *world) { w.store.CommitTime = time.Minute }, func(w *world) {
		o := small()
		w.web.Put(site, o)
		w.whole(w.get(o.Body), o.Body)
		pause(time.Second)
		d := w.get(o.Body)
		w.whole(d, o.Body)
		if s := d.resp.Served; !s.Hit || s.Age != time.Second || s.TTL != 59*time.Second || d.took != 0 {
			w.Errorf("served %+v after %v", s, d.took)
		}
		d = w.do(w.Context(), fetchtest.Request(site, "If-None-Match", `"v1"`), o.Body)
		if !d.resp.Served.Hit {
			w.Errorf("a condition: served %+v", d.resp.Served)
		}
		w.requests(1)
	})
}

// TestValidatedBeforeCommit: what is not in the index yet is validated, not
// fetched again, and what comes after it is stored after it.
func TestValidatedBeforeCommit(t *testing.T) {
	play(t, func(w *world) { w.store.CommitTime = time.Minute }, func(w *world) {
		o := small()
		w.web.Put(site, o)
		w.whole(w.get(o.Body), o.Body)
		d := w.get(o.Body, "Cache-Control", "no-cache")
		w.whole(d, o.Body)
		if s := d.resp.Served; s.ForwardStatus != http.StatusNotModified || w.web.Sent() != int64(len(o.Body)) {
			w.Errorf("served %+v, the origin sent %d octets", s, w.web.Sent())
		}
		newer := small()
		newer.Body, newer.ETag = o.Body[1000:], `"v2"`
		w.web.Put(site, o)
		w.get(o.Body, "Cache-Control", "no-cache", "Cookie", "a")
		w.web.Put(site, newer)
		w.whole(w.get(newer.Body, "Cache-Control", "no-cache"), newer.Body)
		pause(10 * time.Minute)
		metas := w.store.Metas()
		if tag := metas[len(metas)-1].StrongETag(); tag != `"v2"` {
			w.Errorf("stored last: %s", tag)
		}
	})
}

// TestInvalidatedBeforeCommit: an unsafe request counts for what is on its way
// into the cache, too.
func TestInvalidatedBeforeCommit(t *testing.T) {
	play(t, func(w *world) { w.store.CommitTime = time.Minute }, func(w *world) {
		o := small()
		w.web.Put(site, o)
		w.whole(w.get(o.Body), o.Body)
		put := fetchtest.Request(site)
		put.Method = http.MethodPut
		w.do(w.Context(), put, nil)
		d := w.get(o.Body)
		w.whole(d, o.Body)
		if s := d.resp.Served; s.Hit || s.ForwardStatus != http.StatusNotModified {
			w.Errorf("served %+v", s)
		}
	})
}

// TestNotSharedIsNotWaitedFor: once an answer was for its asker alone, those
// who come later do not wait for somebody else's before they ask themselves.
func TestNotSharedIsNotWaitedFor(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		o.Header = http.Header{"Cache-Control": {"no-store"}}
		o.Link = &fetchtest.Link{Rate: 1e9, Latency: time.Second}
		w.web.Put(site, o)
		first := w.get(o.Body)
		got := w.atOnce(5, 300*time.Millisecond, o.Body)
		for _, d := range got {
			w.within("an answer", d.took, first.took)
		}
		w.requests(6)
		// As soon as there is one that can be shared, it is.
		o.Header = http.Header{"Cache-Control": {"max-age=60"}}
		w.web.Put(site, o)
		w.whole(w.get(o.Body), o.Body)
		if !w.get(o.Body).resp.Served.Hit {
			w.Error("not stored")
		}
		w.requests(7)
	})
}

// TestReleasedAtOnce: those who wait for an answer that turns out not to be for
// them ask all at once.
func TestReleasedAtOnce(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		o.Header = http.Header{"Cache-Control": {"private"}}
		o.Link = &fetchtest.Link{Rate: 1e9, Latency: time.Second}
		w.web.Put(site, o)
		w.atOnce(5, 10*time.Millisecond, o.Body)
		seen := w.web.Requests(site)
		for _, r := range seen[2:] {
			if r.At != seen[1].At {
				w.Errorf("requests at %v and %v", seen[1].At.Sub(w.start), r.At.Sub(w.start))
			}
		}
		w.requests(5)
	})
}

// TestWaitersValidate: an answer that must be validated before it is used again
// is, for each who waited for it, and its body is sent once.
func TestWaitersValidate(t *testing.T) {
	for _, control := range []string{"max-age=0", "no-cache"} {
		play(t, nil, func(w *world) {
			o := slowly()
			o.Header = http.Header{"Cache-Control": {control}}
			w.web.Put(site, o)
			for _, d := range w.atOnce(5, 10*time.Millisecond, o.Body) {
				w.whole(d, o.Body)
			}
			if w.web.Sent() != int64(len(o.Body)) {
				w.Errorf("%s: the origin sent %d octets", control, w.web.Sent())
			}
			w.requests(5)
		})
	}
}

// TestWaitersOfAValidation: who waited for the validation of another does not
// get what is stale again.
func TestWaitersOfAValidation(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		o.Header = http.Header{"Cache-Control": {"max-age=0"}}
		o.Link = &fetchtest.Link{Rate: 1e9, Latency: time.Second}
		w.web.Put(site, o)
		w.whole(w.get(o.Body), o.Body)
		for _, d := range w.atOnce(4, 10*time.Millisecond, o.Body) {
			w.whole(d, o.Body)
			if s := d.resp.Served; s.Hit || s.ForwardStatus != http.StatusNotModified {
				w.Errorf("served %+v", s)
			}
		}
		w.requests(5)
	})
}

// TestVariantsCollapse: each variant has a flight of its own, and none drives
// another out.
func TestVariantsCollapse(t *testing.T) {
	play(t, nil, func(w *world) {
		o := slowly()
		o.Header.Set("Vary", "Accept-Language")
		w.web.Put(site, o)
		var wg sync.WaitGroup
		languages := []string{"de", "fr", "de", "fr", "de"}
		got := make([]delivery, len(languages))
		for i, language := range languages {
			wg.Go(func() {
				pause(time.Duration(i) * time.Second)
				got[i] = w.do(w.Context(), fetchtest.Request(site, "Accept-Language", language), o.Body)
			})
		}
		wg.Wait()
		if i := slices.IndexFunc(got[2:], func(d delivery) bool { return !d.resp.Served.Collapsed }); i >= 0 {
			w.Errorf("request %d: served %+v", i+2, got[i+2].resp.Served)
		}
		w.requests(2)
	})
}

// TestReceiptOfTheDownload: a question about a part leaves the record of the
// whole alone.
func TestReceiptOfTheDownload(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		o.Header = http.Header{"Cache-Control": {"no-store"}}
		w.web.Put(site, o)
		w.whole(w.get(o.Body), o.Body)
		head := fetchtest.Request(site)
		head.Method = http.MethodHead
		w.do(w.Context(), head, nil)
		w.get(nil, "Range", "bytes=0-9")
		r, _ := w.f.Receipt(site)
		if len(r.Sources) != 1 || r.Sources[0].Bytes != int64(len(o.Body)) {
			w.Errorf("receipt %+v", r)
		}
	})
}
