package fetch_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// patience is how long the client of these tests waits for an octet.
const patience = 10 * time.Second

// TestHoldPromise: octets of peers are held until they are proven, for ten
// minutes here. A client that gives up after 10 s without an octet never does.
func TestHoldPromise(t *testing.T) {
	body := bodyOf(32 * mib)
	for _, c := range []struct {
		name  string
		rate  float64   // of the origin
		peers []float64 // rates
		share float64   // of the origin: 256 KiB each time, and its first second
	}{
		{"one peer, just fast enough", 30_000, []float64{33_000}, .43},
		{"a chain of slow peers", 40_000, []float64{17_000, 17_000, 17_000}, .8},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				w.origin(body, func(o *fetchtest.Object) { o.Link.Rate = c.rate })
				for _, r := range c.peers {
					w.peer(&fetchtest.Peer{Link: line(r)}, body)
				}
				d := w.get(body)
				w.transferred(d, body, c.share)
				if d.gap >= patience/2 {
					w.Errorf("no octet for %v", d.gap)
				}
				w.within("all", d.took, direct(len(body), c.rate)*105/100)
				if len(c.peers) == 1 && d.gap < 3*time.Second {
					w.Errorf("nothing was held: no gap longer than %v", d.gap)
				}
				if d.took < 6*time.Minute {
					w.Errorf("it was held for %v only", d.took)
				}
			})
		})
	}
}

// TestHoldPromiseWithRefusals: the same with an origin that is away now and
// then for a moment.
func TestHoldPromiseWithRefusals(t *testing.T) {
	body := bodyOf(24 * mib)
	play(t, nil, func(w *world) {
		o := w.origin(body, func(o *fetchtest.Object) { o.Link.Rate = 100_000 })
		w.peer(&fetchtest.Peer{Link: line(110_000)}, body)
		for i := range 5 {
			down := o
			down.Refuses = true
			w.after(time.Duration(2*i+1)*30*time.Second, func() { w.web.Put(site, down) })
			w.after(time.Duration(2*i+1)*30*time.Second+3*time.Second, func() { w.web.Put(site, o) })
		}
		d := w.get(body)
		w.transferred(d, body, .8)
		if d.gap >= patience {
			w.Errorf("no octet for %v", d.gap)
		}
	})
}

// TestHoldIsSpare: while it holds, the origin is asked for no more than it
// takes.
func TestHoldIsSpare(t *testing.T) {
	body := bodyOf(32 * mib)
	play(t, nil, func(w *world) {
		w.origin(body, nil)
		w.peer(&fetchtest.Peer{Link: line(22 * mbit)}, body)
		d := w.get(body)
		w.transferred(d, body, .2)
		if d.gap >= patience/2 {
			w.Errorf("no octet for %v", d.gap)
		}
		for i, r := range w.web.Requests(site)[1:] {
			if n := r.Span.Len(); n > 256<<10 {
				w.Errorf("request %d was for %d octets", i+2, n)
			}
		}
		w.Log(fmt.Sprint(len(w.web.Requests(site)), " requests"))
	})
}
