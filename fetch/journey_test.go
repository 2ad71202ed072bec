package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

// small is a body that no stranger is asked for.
func small() fetchtest.Object {
	return fetchtest.Object{
		Body: bodyOf(100_000), ETag: `"v1"`, Ranges: true,
		Header: http.Header{"Cache-Control": {"max-age=60"}, "Last-Modified": {"Thu, 01 Jan 1998 00:00:00 GMT"}},
	}
}

func pause(d time.Duration) { <-time.After(d) }

func TestMissThenHit(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		w.web.Put(site, o)
		d := w.get(o.Body)
		w.whole(d, o.Body)
		if s := d.resp.Served; s.Hit || s.Forward != "uri-miss" || !s.Stored || s.Collapsed {
			w.Errorf("served %+v", s)
		}
		if r := w.receipt(); r.Outcome != "miss" || r.Status != 200 || octets(r, "origin") != d.n {
			w.Errorf("receipt %+v", r)
		}
		pause(10 * time.Second)
		d = w.get(o.Body)
		w.whole(d, o.Body)
		if s := d.resp.Served; !s.Hit || s.Age != 10*time.Second || s.TTL != 50*time.Second || s.Detail != "origin" {
			w.Errorf("served %+v", s)
		}
		if r := w.receipt(); r.Outcome != "hit" || octets(r, "cache") != d.n {
			w.Errorf("receipt %+v", r)
		}
		if got := w.f.Totals(); got.Requests != 2 || got.Hits != 1 || got.ToClients != 2*d.n || got.FromOrigin != d.n {
			w.Errorf("totals %+v", got)
		}
		w.requests(1)
	})
}

func TestStale(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		w.web.Put(site, o)
		w.whole(w.get(o.Body), o.Body)
		pause(2 * time.Minute)
		d := w.get(o.Body)
		w.whole(d, o.Body)
		if s := d.resp.Served; s.Hit || s.Forward != "stale" || s.TTL != time.Minute {
			w.Errorf("after 304: served %+v", s)
		}
		if r := w.web.Requests(site)[1]; r.Status != http.StatusNotModified || r.Header.Get("If-None-Match") != `"v1"` {
			w.Errorf("revalidation: %d, %v", r.Status, r.Header)
		}
		if d = w.get(o.Body); !d.resp.Served.Hit {
			w.Errorf("after revalidation: served %+v", d.resp.Served)
		}
		pause(2 * time.Minute)
		o.Body, o.ETag = fetchtest.Body(7, 5000), `"v2"`
		w.web.Put(site, o)
		d = w.get(o.Body)
		w.whole(d, o.Body)
		if s := d.resp.Served; s.Forward != "stale" || !s.Stored {
			w.Errorf("after another version: served %+v", s)
		}
		if d = w.get(o.Body); !d.resp.Served.Hit || w.store.Writers() != 0 {
			w.Errorf("then: served %+v", d.resp.Served)
		}
	})
}

// TestNotModifiedOfAnother: a 304 about a version that is not stored is no
// reason to fail (it once was).
func TestNotModifiedOfAnother(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		w.web.Put(site, o)
		w.whole(w.get(o.Body), o.Body)
		pause(2 * time.Minute)
		confused := o
		confused.ETag = `W/"v1"` // matches weakly, and is another
		w.web.Put(site, confused)
		d := w.get(o.Body)
		w.whole(d, o.Body)
		if got := w.web.Requests(site); len(got) != 3 || got[1].Status != 304 || got[2].Header.Get("If-None-Match") != "" {
			w.Errorf("requests: %v", got)
		}
	})
}

func TestStaleIfError(t *testing.T) {
	for name, break_ := range map[string]func(o *fetchtest.Object){
		"refused": func(o *fetchtest.Object) { o.Refuses = true },
		"503":     func(o *fetchtest.Object) { o.Status = http.StatusServiceUnavailable },
		"500":     func(o *fetchtest.Object) { o.Status = http.StatusInternalServerError },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				o := small()
				w.web.Put(site, o)
				w.whole(w.get(o.Body), o.Body)
				pause(2 * time.Minute)
				good := o.Body
				break_(&o)
				w.web.Put(site, o)
				d := w.get(good)
				w.whole(d, good)
				if s := d.resp.Served; d.resp.Status != 200 || s.TTL != -time.Minute {
					w.Errorf("status %d, served %+v", d.resp.Status, s)
				}
				if r := w.receipt(); r.Outcome != "stale" {
					w.Errorf("outcome %q", r.Outcome)
				}
			})
		})
	}
	t.Run("must-revalidate", func(t *testing.T) {
		play(t, nil, func(w *world) {
			o := small()
			o.Header.Set("Cache-Control", "max-age=60, must-revalidate")
			w.web.Put(site, o)
			w.whole(w.get(o.Body), o.Body)
			pause(2 * time.Minute)
			o.Refuses = true
			w.web.Put(site, o)
			w.failure(w.get(nil).err)
			o.Refuses, o.Status = false, http.StatusServiceUnavailable
			w.web.Put(site, o)
			if d := w.get(nil); d.err != nil || d.resp.Status != 503 {
				w.Errorf("error %v", d.err)
			}
		})
	})
}

func TestOnlyIfCached(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		w.web.Put(site, o)
		d := w.get(nil, "Cache-Control", "max-age=5, ONLY-IF-CACHED")
		if fetch.CauseOf(d.err) != fetch.OnlyIfCached {
			w.Errorf("error %v", d.err)
		}
		w.requests(0)
		w.whole(w.get(o.Body), o.Body)
		w.whole(w.get(o.Body, "Cache-Control", "only-if-cached"), o.Body)
		pause(2 * time.Minute)
		if d := w.get(nil, "Cache-Control", "only-if-cached"); fetch.CauseOf(d.err) != fetch.OnlyIfCached {
			w.Errorf("stale: error %v", d.err)
		}
		w.requests(1)
	})
}

func TestNoStoreRequest(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		w.web.Put(site, o)
		d := w.get(o.Body, "Cache-Control", "no-store")
		w.whole(d, o.Body)
		if s := d.resp.Served; s.Forward != "request" || s.Stored || len(w.store.Metas()) > 0 {
			w.Errorf("served %+v, stored %d", s, len(w.store.Metas()))
		}
	})
}

// TestUnsafeMethods: they pass, and what they may have changed is not used any
// more (RFC 9111 section 4.4).
func TestUnsafeMethods(t *testing.T) {
	for _, c := range []struct {
		method           string
		status           int
		location         string
		invalidated, too bool
	}{
		{"POST", 200, "", true, false},
		{"PUT", 204, "/other", true, true},
		{"DELETE", 303, "https://example.com/other", true, true},
		{"POST", 201, "https://evil.example/other", true, false},
		{"POST", 500, "/other", false, false},
		{"PATCH", 404, "", false, false},
		{"OPTIONS", 200, "/other", false, false},
	} {
		t.Run(c.method+http.StatusText(c.status), func(t *testing.T) {
			play(t, nil, func(w *world) {
				const other = "https://example.com/other"
				o := small()
				for _, u := range []string{site, other, "https://evil.example/other"} {
					w.web.Put(u, o)
					w.whole(w.do(w.Context(), fetchtest.Request(u), o.Body), o.Body)
				}
				pause(time.Second) // all is stored
				w.web.Put(site, fetchtest.Object{Status: c.status, Header: http.Header{"Location": {c.location}}})
				req := fetchtest.Request(site)
				req.Method, req.Body, req.Length = c.method, strings.NewReader("x"), 1
				d := w.do(w.Context(), req, nil)
				if d.err != nil || d.resp.Status != c.status || d.resp.Served.Forward != "method" {
					w.Fatalf("%v, %+v", d.err, d.resp)
				}
				pause(time.Second) // all is stored
				fresh := func(u string) bool {
					s, err := w.store.Lookup(fetchtest.Request(u), time.Now())
					return err == nil && s.Fresh
				}
				if fresh(site) == c.invalidated || fresh(other) == c.too || !fresh("https://evil.example/other") {
					w.Errorf("fresh: itself %v, its location %v, a stranger's %v", fresh(site), fresh(other), fresh("https://evil.example/other"))
				}
			})
		})
	}
}

func TestHead(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		w.web.Put(site, o)
		head := fetchtest.Request(site)
		head.Method = http.MethodHead
		d := w.do(w.Context(), head, nil)
		if d.err != nil || d.n != 0 || d.resp.Length != int64(len(o.Body)) || d.resp.Served.Forward != "uri-miss" {
			w.Errorf("miss: %v, %d octets, %+v", d.err, d.n, d.resp)
		}
		if len(w.store.Metas()) > 0 || w.web.Sent() > 0 {
			w.Error("a question for the head cost a body")
		}
		w.whole(w.get(o.Body), o.Body)
		d = w.do(w.Context(), head, o.Body) // the proxy drops the body
		if !d.resp.Served.Hit || d.resp.Length != int64(len(o.Body)) {
			w.Errorf("hit: %+v", d.resp)
		}
		w.requests(2)
	})
}

func TestRange(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		w.web.Put(site, o)
		d := w.get(nil, "Range", "bytes=10-19")
		if d.err != nil || d.resp.Status != 206 || !bytes.Equal(d.got, o.Body[10:20]) || d.resp.Served.Forward != "uri-miss" {
			w.Errorf("miss: %v, %d octets, %+v", d.err, d.n, d.resp)
		}
		if _, seeks := d.resp.Body.(io.Seeker); seeks || w.web.Sent() != 10 || len(w.store.Metas()) > 0 {
			w.Error("a part was taken for the whole")
		}
		w.whole(w.get(o.Body), o.Body)
		resp, err := w.f.Do(w.Context(), fetchtest.Request(site, "Range", "bytes=10-19"))
		if err != nil || resp.Status != 200 {
			w.Fatal(resp, err)
		}
		seeksTo(w.T, resp, o.Body, 99_990)
		resp.Body.Close()
	})
}

// seeksTo fails the test unless resp can be read from off to its end.
func seeksTo(t *testing.T, resp *fetch.Response, body []byte, off int64) {
	t.Helper()
	s, ok := resp.Body.(io.ReadSeeker)
	if !ok {
		t.Fatalf("the body of a whole representation does not seek: %T", resp.Body)
	}
	if end, err := s.Seek(0, io.SeekEnd); err != nil || end != int64(len(body)) {
		t.Errorf("the end is at %d, %v", end, err)
	}
	if at, err := s.Seek(off-end(s), io.SeekCurrent); err != nil || at != off {
		t.Errorf("at %d, %v", at, err)
	}
	got, err := io.ReadAll(s)
	if err != nil || !bytes.Equal(got, body[off:]) {
		t.Errorf("from %d: %d octets, %v", off, len(got), err)
	}
	if _, err := s.Seek(-1, io.SeekStart); err == nil {
		t.Error("seek before the beginning")
	}
}

func end(s io.Seeker) int64 {
	n, _ := s.Seek(0, io.SeekEnd)
	return n
}

// TestConditionOfTheClient: its own conditions are the proxy's to judge once
// there is a whole answer, and the origin's before.
func TestConditionOfTheClient(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		w.web.Put(site, o)
		d := w.get(nil, "If-None-Match", `"v1"`)
		if d.err != nil || d.resp.Status != 304 || w.web.Sent() > 0 {
			w.Errorf("miss: %v, %+v", d.err, d.resp)
		}
		w.whole(w.get(o.Body), o.Body)
		if d := w.get(o.Body, "If-None-Match", `"v1"`); d.resp.Status != 200 || !d.resp.Served.Hit {
			w.Errorf("hit: %+v", d.resp)
		}
	})
}

func TestUncacheable(t *testing.T) {
	for name, set := range map[string]func(*fetchtest.Object){
		"no-store": func(o *fetchtest.Object) { o.Header.Set("Cache-Control", "no-store") },
		"private":  func(o *fetchtest.Object) { o.Header.Set("Cache-Control", "private, max-age=60") },
		"404":      func(o *fetchtest.Object) { o.Status = 404 },
		"vary *":   func(o *fetchtest.Object) { o.Header.Set("Vary", "*") },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				o := small()
				set(&o)
				w.web.Put(site, o)
				for range 2 {
					d := w.get(o.Body)
					w.whole(d, o.Body)
					if s := d.resp.Served; s.Hit || s.Stored {
						w.Errorf("served %+v", s)
					}
				}
				w.requests(2)
			})
		})
	}
}

// TestDiskThatFails: a cache that fails is a cache that has nothing.
func TestDiskThatFails(t *testing.T) {
	for name, store := range map[string]*fetchtest.Store{
		"create": {FailCreate: true}, "commit": {FailCommit: true}, "write": {WriteLimit: 50_000}, "read": {ReadLimit: 50_000},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *world) {
				w.store = store
				w.cfg.Cache = store
			}, func(w *world) {
				o := small()
				w.web.Put(site, o)
				d := w.get(o.Body)
				w.whole(d, o.Body)
				if got := w.f.Totals().FromOrigin; got < d.n {
					w.Errorf("%d octets from the origin were counted of %d", got, d.n)
				}
				if r := w.receipt(); octets(r, "origin") < d.n {
					w.Errorf("receipt: %+v", r.Sources)
				}
			})
		})
	}
}

// TestReaderGone: a reader ends with its ctx, wherever it waits.
func TestReaderGone(t *testing.T) {
	for name, set := range map[string]func(*fetchtest.Object){
		"header": func(o *fetchtest.Object) { o.Link = &fetchtest.Link{Latency: time.Hour} },
		"body":   func(o *fetchtest.Object) { o.StallsAt = 100 },
		// Once the reader's ctx did not reach the body of an answer that is
		// not stored.
		"body of its own": func(o *fetchtest.Object) { o.StallsAt, o.Status = 100, 404 },
		"pass":            func(o *fetchtest.Object) { o.StallsAt, o.Header = 100, http.Header{"Cache-Control": {"no-store"}} },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				o := small()
				set(&o)
				w.web.Put(site, o)
				ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
				defer cancel()
				d := w.do(ctx, fetchtest.Request(site), o.Body)
				if !errors.Is(d.err, context.DeadlineExceeded) && !errors.Is(d.err, context.Canceled) {
					w.Errorf("error %v", d.err)
				}
				if d.took != time.Minute {
					w.Errorf("took %v", d.took)
				}
			})
		})
	}
}

// TestClose: all flights end, whose readers fail.
func TestClose(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		o.StallsAt = 100
		w.web.Put(site, o)
		w.after(time.Minute, w.f.Close)
		d := w.get(o.Body)
		w.failure(d.err)
		if d.n != 100 {
			w.Errorf("%d octets", d.n)
		}
		w.failure(w.get(nil).err)
		w.requests(1)
	})
}

// TestReadAfterClose: it fails, and nothing else.
func TestReadAfterClose(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		w.web.Put(site, o)
		resp, err := w.f.Do(w.Context(), fetchtest.Request(site))
		if err != nil {
			w.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); err != nil {
			w.Fatal(err)
		}
		resp.Body.Close()
		resp.Body.Close()
		pause(time.Second) // the flight is over
		if _, err := resp.Body.(io.Seeker).Seek(0, io.SeekStart); err != nil {
			w.Fatal(err)
		}
		if n, err := resp.Body.Read(make([]byte, 10)); n > 0 || err == nil {
			w.Errorf("read %d octets, %v", n, err)
		}
		w.requests(1)
	})
}

// TestOriginBreaksOff: never a clean end.
func TestOriginBreaksOff(t *testing.T) {
	for name, set := range map[string]func(*fetchtest.Object){
		"ranges":      func(*fetchtest.Object) {},
		"no ranges":   func(o *fetchtest.Object) { o.Ranges = false },
		"no length":   func(o *fetchtest.Object) { o.NoLength = true },
		"ranges lied": func(o *fetchtest.Object) { o.Ranges, o.RangesClaimed = false, true },
		"not stored":  func(o *fetchtest.Object) { o.Status = 404 },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				o := small()
				o.DiesAt = 70_000
				set(&o)
				w.web.Put(site, o)
				d := w.get(o.Body)
				w.failure(d.err)
				if d.n != 70_000 {
					w.Errorf("%d octets", d.n)
				}
				w.within("giving up", d.took, 30*time.Second)
				if len(w.store.Metas()) > 0 {
					w.Error("half a body was stored")
				}
			})
		})
	}
}

// TestOriginComesBack: a stream that breaks off goes on where it was.
func TestOriginComesBack(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		o.Link = &fetchtest.Link{Rate: 10_000}
		dies := o
		dies.DiesAt = 70_000
		w.web.Put(site, dies)
		w.after(7500*time.Millisecond, func() { w.web.Put(site, o) })
		d := w.get(o.Body)
		w.whole(d, o.Body)
		if w.web.Sent() != int64(len(o.Body)) {
			w.Errorf("the origin sent %d of %d", w.web.Sent(), len(o.Body))
		}
	})
}

// TestBackoffIsHonoured: an origin that says when to come again is not asked
// before, and a reader does not wait an hour for it.
func TestBackoffIsHonoured(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		ok    bool
	}{{6 * time.Second, true}, {time.Hour, false}} {
		t.Run(c.after.String(), func(t *testing.T) {
			play(t, nil, func(w *world) {
				o := small()
				dies := o
				dies.DiesAt = 70_000
				w.web.Put(site, dies)
				w.after(100*time.Millisecond, func() { w.web.Put(site, fetchtest.Object{Refuses: true, RetryAfter: c.after}) })
				w.after(3*time.Second, func() { w.web.Put(site, o) })
				d := w.get(o.Body)
				if c.ok {
					w.whole(d, o.Body)
					if d.took < c.after || d.took > c.after+2*time.Second {
						w.Errorf("took %v", d.took)
					}
				} else {
					w.failure(d.err)
					w.within("giving up", d.took, 30*time.Second)
				}
			})
		})
	}
}

func TestNoLength(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		o.NoLength, o.Digest = true, fetchtest.ReprDigest(verify.SHA256, o.Body)
		w.web.Put(site, o)
		d := w.get(o.Body)
		w.whole(d, o.Body)
		if _, seeks := d.resp.Body.(io.Seeker); seeks || d.resp.Length != -1 {
			w.Errorf("length %d, seeks %v", d.resp.Length, seeks)
		}
		if d = w.get(o.Body); !d.resp.Served.Hit || d.resp.Length != int64(len(o.Body)) {
			w.Errorf("then: %+v", d.resp)
		}
	})
}

func TestEmptyBody(t *testing.T) {
	play(t, nil, func(w *world) {
		w.web.Put(site, object([]byte{}, nil))
		w.whole(w.get([]byte{}), nil)
		if d := w.get([]byte{}); d.err != nil || !d.resp.Served.Hit {
			w.Errorf("%v, %+v", d.err, d.resp)
		}
	})
}
