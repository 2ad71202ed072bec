package fetch_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

// quit reads site for d, and goes.
func (w *world) quit(d time.Duration, truth []byte) (read int64) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), d)
	defer cancel()
	got := w.do(ctx, fetchtest.Request(site), truth)
	if got.err == nil {
		w.Fatalf("all was there after %v", d)
	}
	synctest.Wait()
	return got.n
}

// TestRemainsAreCompleted: of a download that ended halfway the origin sends
// only the rest, also when what is there is stale, or has only a digest to be
// known by.
func TestRemainsAreCompleted(t *testing.T) {
	for name, change := range map[string]func(o *fetchtest.Object){
		"fresh":       func(o *fetchtest.Object) {},
		"stale":       func(o *fetchtest.Object) { o.Header.Set("Cache-Control", "max-age=0") },
		"digest only": func(o *fetchtest.Object) { o.ETag = "" },
		"tag only":    func(o *fetchtest.Object) { o.Digest = "" },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *world) { w.cfg.Sharing.Mode = fetch.ShareOff }, func(w *world) {
				o := object(bodyOf(8*mib), &fetchtest.Link{Rate: 8 * mbit})
				change(&o)
				w.web.Put(site, o)
				w.quit(4*time.Second, o.Body)
				sent := w.web.Sent()
				d := w.get(o.Body)
				w.whole(d, o.Body)
				if sent < 3*mib || w.web.Sent() > 8*mib+256<<10 {
					w.Errorf("the origin sent %d octets, and %d in all", sent, w.web.Sent())
				}
				if s := d.resp.Served; s.Forward != "partial" || s.Hit || d.resp.Status != http.StatusOK {
					w.Errorf("%d, %+v", d.resp.Status, s)
				}
				r, _ := w.f.Receipt(site)
				if len(r.Sources) != 2 || r.Sources[0].Bytes+r.Sources[1].Bytes != 8*mib {
					w.Errorf("sources %+v", r.Sources)
				}
				w.requests(2)
				again := w.get(o.Body)
				w.whole(again, o.Body)
				if name != "stale" && !again.resp.Served.Hit {
					w.Errorf("not stored: %+v", again.resp.Served)
				}
			})
		})
	}
}

// TestRemainsOfAnotherVersion: where the origin has another version by now, or
// knows no ranges any more, the download starts afresh, at the cost of at most
// one small request.
func TestRemainsOfAnotherVersion(t *testing.T) {
	for name, change := range map[string]func(o *fetchtest.Object){
		"changed":     func(o *fetchtest.Object) { o.Body, o.ETag = fetchtest.Body(9, 8*mib), `"v2"` },
		"shorter":     func(o *fetchtest.Object) { o.Body, o.ETag = fetchtest.Body(9, mib), `"v2"` },
		"same length": func(o *fetchtest.Object) { o.Body, o.ETag = fetchtest.Body(9, 8*mib), "" },
		"no ranges":   func(o *fetchtest.Object) { o.Ranges = false },
		"weak":        func(o *fetchtest.Object) { o.ETag = `W/"v1"` },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				o := object(bodyOf(8*mib), &fetchtest.Link{Rate: 8 * mbit})
				w.web.Put(site, o)
				w.quit(4*time.Second, o.Body)
				change(&o)
				o.Digest = digestField(verify.SHA256, o.Body)
				w.web.Put(site, o)
				d := w.get(o.Body)
				w.whole(d, o.Body)
				if d.resp.Served.Forward == "partial" {
					w.Errorf("%+v", d.resp.Served)
				}
				if n := len(w.web.Requests(site)); n > 3 {
					w.Errorf("%d requests", n)
				}
			})
		})
	}
}

// TestRemainsWhileTheOriginRefuses: an error in place of the rest is the answer,
// costs no second request, and what there is stays.
func TestRemainsWhileTheOriginRefuses(t *testing.T) {
	play(t, func(w *world) { w.cfg.Sharing.Mode = fetch.ShareOff }, func(w *world) {
		o := object(bodyOf(8*mib), &fetchtest.Link{Rate: 8 * mbit})
		w.web.Put(site, o)
		w.quit(4*time.Second, o.Body)
		w.web.Put(site, fetchtest.Object{Status: http.StatusServiceUnavailable})
		if d := w.get(nil); d.err != nil || d.resp.Status != http.StatusServiceUnavailable {
			w.Errorf("%v, %v", d.resp, d.err)
		}
		w.requests(2)
		w.web.Put(site, o)
		w.whole(w.get(o.Body), o.Body)
		if w.web.Sent() > 8*mib+256<<10 {
			w.Errorf("the origin sent %d octets in all", w.web.Sent())
		}
	})
}

// TestRemainsWithPeers: what is left of a download from peers is completed, and
// neither the origin nor the peers send it again.
func TestRemainsWithPeers(t *testing.T) {
	play(t, nil, func(w *world) {
		o := object(bodyOf(32*mib), &fetchtest.Link{Rate: 8 * mbit, Latency: 20 * time.Millisecond})
		w.web.Put(site, o)
		p := w.peer(&fetchtest.Peer{Link: &fetchtest.Link{Rate: 40 * mbit, Latency: 10 * time.Millisecond}}, o.Body)
		w.quit(4*time.Second, o.Body)
		before := w.web.Sent() + p.Sent()
		w.whole(w.get(o.Body), o.Body)
		w.Logf("%d octets before, %d in all, %d of them the origin's", before, w.web.Sent()+p.Sent(), w.web.Sent())
		if all := w.web.Sent() + p.Sent(); before < 8*mib || all > 32*mib+4*mib {
			w.Errorf("%d octets before, and %d in all for %d", before, all, 32*mib)
		}
		r, _ := w.f.Receipt(site)
		sum, disk := int64(0), int64(0)
		for _, s := range r.Sources {
			sum += s.Bytes
			if s.Kind == "cache" {
				disk = s.Bytes
			}
		}
		if sum != 32*mib || disk < 8*mib {
			w.Errorf("sources %+v", r.Sources)
		}
	})
}

// TestLyingPeerLeavesNoRemains: what a liar sent is not among what is kept.
func TestLyingPeerLeavesNoRemains(t *testing.T) {
	play(t, nil, func(w *world) {
		o := object(bodyOf(8*mib), &fetchtest.Link{Rate: 2 * mbit})
		w.web.Put(site, o)
		w.peer(&fetchtest.Peer{Sends: fetchtest.Body(77, 8*mib), Link: &fetchtest.Link{Rate: 8 * mbit}}, o.Body)
		w.quit(5*time.Second, o.Body)
		w.whole(w.get(o.Body), o.Body)
	})
}

// TestRemainsAreFewOctets: hardly begun is not worth keeping.
func TestRemainsAreFewOctets(t *testing.T) {
	play(t, func(w *world) { w.cfg.Sharing.Mode = fetch.ShareOff }, func(w *world) {
		o := object(bodyOf(8*mib), &fetchtest.Link{Rate: .1 * mbit})
		w.web.Put(site, o)
		w.quit(4*time.Second, o.Body)
		o.Link.SetRate(80 * mbit)
		d := w.get(o.Body)
		w.whole(d, o.Body)
		if d.resp.Served.Forward != "uri-miss" {
			w.Errorf("%+v", d.resp.Served)
		}
	})
}
