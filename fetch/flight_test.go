package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// slowly is a small object that takes ten seconds.
func slowly() fetchtest.Object {
	o := small()
	o.Link = &fetchtest.Link{Rate: 10_000, Latency: 100 * time.Millisecond}
	return o
}

// atOnce runs n readers of site, a moment apart, and returns what they got.
func (w *world) atOnce(n int, apart time.Duration, truth []byte, fields ...string) []delivery {
	w.Helper()
	got := make([]delivery, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			pause(time.Duration(i) * apart)
			got[i] = w.do(w.Context(), fetchtest.Request(site, fields...), truth)
		})
	}
	wg.Wait()
	synctest.Wait()
	return got
}

func TestCollapsed(t *testing.T) {
	play(t, nil, func(w *world) {
		o := slowly()
		w.web.Put(site, o)
		collapsed := 0
		for _, d := range w.atOnce(100, 50*time.Millisecond, o.Body) {
			w.whole(d, o.Body)
			if d.resp.Served.Collapsed {
				collapsed++
			}
		}
		if collapsed != 99 || w.web.Sent() != int64(len(o.Body)) {
			w.Errorf("%d collapsed, the origin sent %d octets", collapsed, w.web.Sent())
		}
		w.requests(1)
	})
}

// TestLeaderLeaves: shared work does not run on its first caller's ctx.
func TestLeaderLeaves(t *testing.T) {
	for _, at := range []time.Duration{50 * time.Millisecond, 5 * time.Second} { // before and after the header fields
		t.Run(at.String(), func(t *testing.T) {
			play(t, nil, func(w *world) {
				o := slowly()
				w.web.Put(site, o)
				ctx, cancel := context.WithTimeout(w.Context(), at)
				defer cancel()
				var wg sync.WaitGroup
				wg.Go(func() {
					if d := w.do(ctx, fetchtest.Request(site), o.Body); !errors.Is(d.err, context.DeadlineExceeded) {
						w.Errorf("the leader: %v", d.err)
					}
				})
				pause(10 * time.Millisecond)
				d := w.do(w.Context(), fetchtest.Request(site), o.Body)
				wg.Wait()
				w.whole(d, o.Body)
				w.requests(1)
			})
		})
	}
}

// TestLastOneOut cancels what nobody waits for.
func TestLastOneOut(t *testing.T) {
	play(t, nil, func(w *world) {
		o := slowly()
		w.web.Put(site, o)
		var wg sync.WaitGroup
		for i := range 5 {
			ctx, cancel := context.WithTimeout(w.Context(), time.Duration(i+1)*time.Second)
			defer cancel()
			wg.Go(func() { w.do(ctx, fetchtest.Request(site), o.Body) })
		}
		pause(4500 * time.Millisecond)
		if w.web.Open() != 1 {
			w.Error("cancelled while one still reads")
		}
		wg.Wait()
		synctest.Wait()
		if w.web.Open() != 0 || w.store.Writers() != 0 || len(w.store.Metas()) != 0 {
			w.Errorf("%d transfers, %d writers, %d stored", w.web.Open(), w.store.Writers(), len(w.store.Metas()))
		}
		// Once whoever came while a cancelled flight was ending could not be
		// joined by others.
		for _, d := range w.atOnce(3, 0, o.Body) {
			w.whole(d, o.Body)
		}
		w.requests(2)
	})
}

// TestSlowReader harms nobody.
func TestSlowReader(t *testing.T) {
	play(t, nil, func(w *world) {
		o := slowly()
		w.web.Put(site, o)
		resp, err := w.f.Do(w.Context(), fetchtest.Request(site))
		if err != nil {
			w.Fatal(err)
		}
		d := w.get(o.Body)
		w.whole(d, o.Body)
		w.within("the fast one", d.took, 11*time.Second)
		pause(time.Hour)
		got, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Equal(got, o.Body) {
			w.Errorf("the slow one: %d octets, %v", len(got), err)
		}
		resp.Body.Close()
		w.requests(1)
	})
}

// TestUncacheableReleasesOthers at once, each with a request of its own.
func TestUncacheableReleasesOthers(t *testing.T) {
	play(t, nil, func(w *world) {
		o := slowly()
		o.Link = &fetchtest.Link{Latency: time.Second}
		o.Header.Set("Cache-Control", "no-store")
		o.Header.Set("Set-Cookie", "a=b")
		w.web.Put(site, o)
		for i, d := range w.atOnce(10, time.Millisecond, o.Body) {
			w.whole(d, o.Body)
			w.within("an answer", d.took, 2*time.Second)
			if d.resp.Served.Collapsed || d.resp.Served.Stored {
				w.Errorf("reader %d: served %+v", i, d.resp.Served)
			}
		}
		w.requests(10)
	})
}

// TestVaryDoesNotRide: another variant is another answer.
func TestVaryDoesNotRide(t *testing.T) {
	play(t, nil, func(w *world) {
		o := slowly()
		o.Header.Set("Vary", "accept-language, Accept-Encoding")
		w.web.Put(site, o)
		var wg sync.WaitGroup
		wg.Go(func() { w.whole(w.do(w.Context(), fetchtest.Request(site, "Accept-Language", "de"), o.Body), o.Body) })
		pause(time.Second)
		wg.Go(func() {
			d := w.do(w.Context(), fetchtest.Request(site, "Accept-Language", "de"), o.Body)
			w.whole(d, o.Body)
			if !d.resp.Served.Collapsed {
				w.Error("the same variant did not ride")
			}
		})
		d := w.do(w.Context(), fetchtest.Request(site, "Accept-Language", "fr"), o.Body)
		wg.Wait()
		w.whole(d, o.Body)
		if s := d.resp.Served; s.Collapsed || s.Forward != "vary-miss" {
			w.Errorf("another variant: served %+v", s)
		}
		w.requests(2)
	})
}

// TestCodingsDoNotRide: who takes no gzip gets none.
func TestCodingsDoNotRide(t *testing.T) {
	play(t, nil, func(w *world) {
		o := slowly()
		w.web.Put(site, o)
		var wg sync.WaitGroup
		for _, accept := range []string{"gzip, br", "GZIP;q=0.9", "identity", "gzip;q=0", "*"} {
			wg.Go(func() { w.do(w.Context(), fetchtest.Request(site, "Accept-Encoding", accept), o.Body) })
		}
		wg.Wait()
		w.requests(4)
	})
}

// TestPersonalRequests neither join nor are joined.
func TestPersonalRequests(t *testing.T) {
	for _, field := range []string{"Cookie", "Authorization", "X-Api-Key"} {
		t.Run(field, func(t *testing.T) {
			play(t, nil, func(w *world) {
				o := slowly()
				w.web.Put(site, o)
				var wg sync.WaitGroup
				for i := range 4 {
					req := fetchtest.Request(site)
					if i%2 == 0 {
						req.Header.Set(field, "secret")
					}
					wg.Go(func() {
						pause(time.Duration(i) * time.Second)
						d := w.do(w.Context(), req, o.Body)
						w.whole(d, o.Body)
						if d.resp.Served.Collapsed != (i == 3) {
							w.Errorf("reader %d: collapsed %v", i, d.resp.Served.Collapsed)
						}
					})
				}
				wg.Wait()
				w.requests(3)
			})
		})
	}
}

// TestRangeDoesNotWait: a question for a part that has not come yet is the
// origin's to answer, and does not wait for all before it (it once did).
func TestRangeDoesNotWait(t *testing.T) {
	play(t, nil, func(w *world) {
		o := slowly()
		w.web.Put(site, o)
		var wg sync.WaitGroup
		wg.Go(func() { w.whole(w.do(w.Context(), fetchtest.Request(site), o.Body), o.Body) })
		pause(time.Second)
		d := w.do(w.Context(), fetchtest.Request(site, "Range", "bytes=99990-99999"), nil)
		if d.err != nil || d.resp.Status != http.StatusPartialContent || !bytes.Equal(d.got, o.Body[99_990:]) {
			w.Errorf("a part: %v, %d octets, %+v", d.err, d.n, d.resp)
		}
		w.within("a part", d.took, time.Second)
		// A condition needs no more than the header fields.
		begun := time.Now()
		resp, err := w.f.Do(w.Context(), fetchtest.Request(site, "If-None-Match", `"v1"`))
		if err != nil || resp.Status != 200 || !resp.Served.Collapsed || time.Since(begun) > 0 {
			w.Errorf("a condition: %v, %+v", err, resp)
		}
		resp.Body.Close()
		wg.Wait()
	})
}

// TestSeekAhead: a rider may wait for any part.
func TestSeekAhead(t *testing.T) {
	play(t, nil, func(w *world) {
		o := slowly()
		w.web.Put(site, o)
		resp, err := w.f.Do(w.Context(), fetchtest.Request(site))
		if err != nil {
			w.Fatal(err)
		}
		seeksTo(w.T, resp, o.Body, 99_990)
		resp.Body.Close()
	})
}

// TestManyFlights at once do not mix.
func TestManyFlights(t *testing.T) {
	play(t, nil, func(w *world) {
		var wg sync.WaitGroup
		link := &fetchtest.Link{Rate: 1e6}
		for i := range 20 {
			o, url := small(), site+"?page="+string(rune('a'+i))
			o.Body, o.Link = fetchtest.Body(uint64(i), 30_000+i), link
			w.web.Put(url, o)
			for range 3 {
				wg.Go(func() { w.whole(w.do(w.Context(), fetchtest.Request(url), o.Body), o.Body) })
			}
		}
		wg.Wait()
		if n := len(w.web.Requests("")); n != 20 {
			w.Errorf("%d requests for 20 objects", n)
		}
	})
}

// TestStaleFlightIsShared: many who have the same stale response cost one
// question.
func TestStaleFlightIsShared(t *testing.T) {
	play(t, nil, func(w *world) {
		o := small()
		o.Link = &fetchtest.Link{Latency: 500 * time.Millisecond}
		w.web.Put(site, o)
		w.whole(w.get(o.Body), o.Body)
		pause(time.Hour)
		for _, d := range w.atOnce(10, 10*time.Millisecond, o.Body) {
			w.whole(d, o.Body)
		}
		w.requests(2)
	})
}

// TestFailureIsShared: who waited for a flight that failed hears of it, and
// the next one tries anew.
func TestFailureIsShared(t *testing.T) {
	play(t, nil, func(w *world) {
		w.web.Put(site, fetchtest.Object{Refuses: true, Link: &fetchtest.Link{Latency: time.Second}})
		for _, d := range w.atOnce(5, time.Millisecond, nil) {
			if fetch.CauseOf(d.err) != fetch.Refused {
				w.Errorf("error %v", d.err)
			}
		}
		w.requests(1)
		o := small()
		w.web.Put(site, o)
		w.whole(w.get(o.Body), o.Body)
	})
}

// TestEndlessStreamsAreNotSpooled: each client has its own stream from the
// origin, and nothing of it is kept.
func TestEndlessStreamsAreNotSpooled(t *testing.T) {
	for mediaType, want := range map[string]bool{
		"text/event-stream": true, "audio/mpeg": true, "multipart/x-mixed-replace; boundary=b": true, "text/plain": false,
	} {
		play(t, nil, func(w *world) {
			body := bodyOf(mib)
			o := object(body, line(originRate))
			o.NoLength = true
			o.Header.Set("Content-Type", mediaType)
			w.web.Put(site, o)
			d := w.get(body)
			w.whole(d, body)
			if got := len(w.store.Metas()) == 0; got != want {
				w.Errorf("%s: left out of the cache: %v, want %v", mediaType, got, want)
			}
		})
	}
}
