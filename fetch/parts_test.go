package fetch_test

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// part asks for a range of site and fails the test unless it comes.
func (w *world) part(body []byte, from, to int, set string) delivery {
	w.Helper()
	d := w.get(nil, "Range", set)
	if d.err != nil || d.resp.Status != http.StatusPartialContent || !bytes.Equal(d.got, body[from:to]) {
		w.Fatalf("%s: status %v, %d octets, %v", set, d.resp, d.n, d.err)
	}
	return d
}

// TestPartsAreKept: what came as 206 answers again, is combined, and completed
// (RFC 9111 sections 3.3 and 3.4): the origin sends each octet once.
func TestPartsAreKept(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		w.web.Put(site, o)
		w.part(o.Body, 100, 200, "bytes=100-199")
		d := w.part(o.Body, 120, 130, "bytes=120-129")
		if s := d.resp.Served; !s.Hit || w.web.Sent() != 100 {
			w.Errorf("within what is held: %+v, the origin sent %d octets", s, w.web.Sent())
		}
		d = w.part(o.Body, 150, 300, "bytes=150-299")
		if s := d.resp.Served; s.Hit || s.Forward != "partial" || w.web.Sent() != 200 {
			w.Errorf("over its end: %+v, the origin sent %d octets", s, w.web.Sent())
		}
		w.part(o.Body, 99_000, 100_000, "bytes=-1000")
		w.part(o.Body, 100, 300, "bytes=100-299")
		if w.web.Sent() != 1200 {
			w.Errorf("the origin sent %d octets, want 1200", w.web.Sent())
		}
		pause(time.Second)
		d = w.get(o.Body)
		w.whole(d, o.Body)
		if s := d.resp.Served; s.Forward != "partial" || s.Age != 0 || w.web.Sent() != int64(len(o.Body)) {
			w.Errorf("the whole: %+v, the origin sent %d octets", s, w.web.Sent())
		}
		if r, _ := w.f.Receipt(site); len(r.Sources) != 2 || r.Sources[0].Bytes+r.Sources[1].Bytes != int64(len(o.Body)) {
			w.Errorf("sources %+v", r.Sources)
		}
		if !w.get(o.Body).resp.Served.Hit {
			w.Error("the whole is not stored")
		}
	})
}

// TestPartsMakeTheWhole: the last part that was missing makes it complete.
func TestPartsMakeTheWhole(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		w.web.Put(site, o)
		w.part(o.Body, 50_000, 100_000, "bytes=50000-")
		w.part(o.Body, 0, 60_000, "bytes=0-59999")
		d := w.get(o.Body)
		w.whole(d, o.Body)
		if !d.resp.Served.Hit || w.web.Sent() != int64(len(o.Body)) {
			w.Errorf("%+v, the origin sent %d octets", d.resp.Served, w.web.Sent())
		}
	})
}

// TestPartsOfAnotherVersion: parts of two versions never mix.
func TestPartsOfAnotherVersion(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		w.web.Put(site, o)
		w.part(o.Body, 0, 100, "bytes=0-99")
		newer := small()
		newer.Body, newer.ETag = fetchtest.Body(7, len(o.Body)), `"v2"`
		w.web.Put(site, newer)
		w.part(newer.Body, 50, 150, "bytes=50-149")
		w.whole(w.get(newer.Body), newer.Body)
	})
}

// TestWeakPartsAreNotCombined: without a strong validator there is nothing to
// combine by.
func TestWeakPartsAreNotCombined(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		o.ETag = `W/"v1"`
		w.web.Put(site, o)
		w.part(o.Body, 0, 100, "bytes=0-99")
		w.part(o.Body, 100, 200, "bytes=100-199")
		w.whole(w.get(o.Body), o.Body)
		w.requests(3)
	})
}

// TestPrivatePartsAreNotKept holds law 3 for parts.
func TestPrivatePartsAreNotKept(t *testing.T) {
	for _, control := range []string{"no-store", "private"} {
		play(t, nil, func(w *world) {
			o := small()
			o.Header = http.Header{"Cache-Control": {control}}
			w.web.Put(site, o)
			w.part(o.Body, 0, 100, "bytes=0-99")
			w.part(o.Body, 0, 100, "bytes=0-99")
			w.requests(2)
		})
	}
}
