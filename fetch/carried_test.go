package fetch_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

// luggage is bodies that wait, in memory.
type luggage struct {
	bodies   map[verify.Digest][]byte
	hints    map[dht.ID]bool
	breaksAt int64 // from there on the disk cannot be read; 0 is nowhere
	claimed  int
}

func (l *luggage) Claim(d verify.Digest) (fetch.Body, bool) {
	b, ok := l.bodies[d]
	if !ok {
		return nil, false
	}
	l.claimed++
	return &luggageBody{bytes.NewReader(b), l.breaksAt}, true
}

func (l *luggage) Expects(id dht.ID) bool { return l.hints[id] }
func (l *luggage) Disappoint(id dht.ID)   { delete(l.hints, id) }

type luggageBody struct {
	*bytes.Reader
	breaksAt int64
}

func (b *luggageBody) Read(p []byte) (int, error) {
	at, _ := b.Seek(0, io.SeekCurrent)
	if b.breaksAt > 0 {
		if at >= b.breaksAt {
			return 0, errors.New("a rotten piece")
		}
		p = p[:min(int64(len(p)), b.breaksAt-at)]
	}
	return b.Reader.Read(p)
}

func (*luggageBody) Close() error { return nil }

// carrying returns a world that has body waiting, said to be that of site.
func carrying(body []byte, l *luggage) func(*world) {
	l.bodies = map[verify.Digest][]byte{fetchtest.WholeOf(verify.SHA256, body).Digest: body}
	l.hints = map[dht.ID]bool{id(site): true}
	return func(w *world) { w.cfg.Carried = l }
}

// TestCarriedBody: a body that waits is what the origin states in answer to
// HEAD, and the origin sends no octet of it; then it is a hit as any other.
func TestCarriedBody(t *testing.T) {
	body := bodyOf(8 * mib)
	for name, size := range map[string]int{"large": 8 * mib, "small": 1000} {
		t.Run(name, func(t *testing.T) {
			body, l := body[:size:size], &luggage{}
			play(t, carrying(body, l), func(w *world) {
				w.web.Put(site, object(body, line(originRate)))
				w.whole(w.get(body), body)
				if w.web.Sent() != 0 || w.asked(http.MethodHead) != 1 || w.asked(http.MethodGet) != 0 {
					w.Errorf("the origin sent %d octets, for %d HEAD and %d GET", w.web.Sent(), w.asked(http.MethodHead), w.asked(http.MethodGet))
				}
				w.whole(w.get(body), body)
				if n := len(w.web.Requests("")); n != 1 || l.claimed != 1 {
					w.Errorf("%d requests, claimed %d times, after a second download", n, l.claimed)
				}
				if m := w.store.Metas(); len(m) != 1 || m[0].Header.Get("Content-Type") == "" || len(m[0].Evidence) == 0 {
					w.Errorf("stored as %+v", m)
				}
			})
		})
	}
}

// TestCarriedBodyByGET: without a hint the digest in the answer to GET is
// enough, and the rest of the origin's body is not taken.
func TestCarriedBodyByGET(t *testing.T) {
	body, l := bodyOf(8*mib), &luggage{}
	play(t, carrying(body, l), func(w *world) {
		l.Disappoint(id(site))
		w.web.Put(site, object(body, line(originRate)))
		w.whole(w.get(body), body)
		if w.web.Sent() > 1*mib || l.claimed != 1 {
			w.Errorf("the origin sent %d octets; claimed %d times", w.web.Sent(), l.claimed)
		}
	})
}

// TestLyingArchiveIsNotBelieved: what an archive says of a URL moves no octet
// where the origin states another digest, none, or one that can collide; and it
// is asked by HEAD once.
func TestLyingArchiveIsNotBelieved(t *testing.T) {
	carried, body := fetchtest.Body(9, 2*mib), bodyOf(2*mib)
	none := object(body, nil)
	none.Digest = ""
	weak := none
	weak.Header = http.Header{"Content-Type": {"video/mp4"}, "Cache-Control": {"max-age=3600"}, "Content-Md5": {"1B2M2Y8AsgTpgAmY7PhCfg=="}}
	gone := object(nil, nil)
	gone.Status = http.StatusNotFound
	for name, o := range map[string]fetchtest.Object{"another": object(body, nil), "none": none, "weak": weak, "gone": gone} {
		t.Run(name, func(t *testing.T) {
			l := &luggage{}
			play(t, carrying(carried, l), func(w *world) {
				w.web.Put(site, o)
				w.whole(w.get(o.Body), o.Body)
				if l.claimed != 0 {
					w.Errorf("claimed %d times", l.claimed)
				}
				w.store.Clear()
				w.whole(w.get(o.Body), o.Body)
				if n := w.asked(http.MethodHead); n > 2 {
					w.Errorf("asked by HEAD %d times", n)
				}
			})
		})
	}
}

// TestCarriedBodyByMemory: what this node itself remembers of the version is as
// good as a digest that the origin states.
func TestCarriedBodyByMemory(t *testing.T) {
	body, l := bodyOf(2*mib), &luggage{}
	play(t, carrying(body, l), func(w *world) {
		o := object(body, line(originRate))
		o.Digest = ""
		w.web.Put(site, o)
		w.store.Remember(id(site), o.ETag, "", fetchtest.WholeOf(verify.SHA256, body).Digest)
		w.whole(w.get(body), body)
		if w.web.Sent() != 0 || l.claimed != 1 {
			w.Errorf("the origin sent %d octets; claimed %d times", w.web.Sent(), l.claimed)
		}
	})
}

// TestCarriedBodyThatRots: what the disk no longer has comes from the origin,
// and no more than that.
func TestCarriedBodyThatRots(t *testing.T) {
	const at = 5 * mib
	body, l := bodyOf(8*mib), &luggage{breaksAt: at}
	play(t, carrying(body, l), func(w *world) {
		w.web.Put(site, object(body, line(originRate)))
		w.whole(w.get(body), body)
		if sent := w.web.Sent(); sent != 8*mib-at {
			w.Errorf("the origin sent %d octets, not the last %d", sent, 8*mib-at)
		}
	})
}
