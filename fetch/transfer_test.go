package fetch_test

import (
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

func (w *world) receipt() fetch.Receipt {
	w.Helper()
	r, ok := w.f.Receipt(site)
	if !ok {
		w.Fatal("no receipt")
	}
	return r
}

// octets of one kind of source in a receipt.
func octets(r fetch.Receipt, kind string) int64 {
	n := int64(0)
	for _, s := range r.Sources {
		if s.Kind == kind {
			n += s.Bytes
		}
	}
	return n
}

// TestOnePeer: one complete peer takes the load off a slow origin.
func TestOnePeer(t *testing.T) {
	body := bodyOf(64 * mib)
	play(t, nil, func(w *world) {
		w.web.Put(site, object(body, &fetchtest.Link{Rate: 20 * mbit, Latency: 40 * time.Millisecond}))
		p := w.peer(&fetchtest.Peer{Link: &fetchtest.Link{Rate: 100 * mbit, Latency: 40 * time.Millisecond}}, body)
		d := w.get(body)
		w.whole(d, body)
		if sent := w.web.Sent(); sent > int64(len(body))/10 {
			w.Errorf("the origin sent %d octets, more than a tenth of %d", sent, len(body))
		}
		w.within("with a peer", d.took, direct(len(body), 20*mbit)*3/10)
		w.Logf("took %v, direct %v; origin %d in %d requests, peer %d of %d", d.took, direct(len(body), 20*mbit), w.web.Sent(), len(w.web.Requests("")), p.Sent(), len(body))
		r := w.receipt()
		if o, p := octets(r, "origin"), octets(r, "peer"); o+p != int64(len(body)) || p < int64(len(body))*9/10 || r.Evidence == nil {
			w.Errorf("receipt: %d octets of the origin, %d of peers, evidence %v", o, p, r.Evidence)
		}
		if n := len(w.web.Requests(site)); n > 3 {
			w.Errorf("the origin got %d requests", n)
		}
	})
}
