package fetch_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

// With -tags sabotage package verify believes everything, and these tests must
// fail: what is delivered wrong then is what they guard against.

const (
	pieces    = 64
	lyingRate = 10 * mbit // of the origin
)

func lyingBody() []byte { return bodyOf(pieces*piece - 777) }

// borderFlipped is a state list with a bit inverted in the state before piece i.
func borderFlipped(i int) func([]byte) []byte {
	return func(list []byte) []byte {
		list[32*(i-1)] ^= 1
		return list
	}
}

func otherBody() []byte { return fetchtest.Body(77, pieces*piece-777) }

// lies are all the ways in which a peer may behave badly. banned says whether
// it lies in a way that does not depend on the origin.
var lies = []struct {
	name   string
	set    func(*fetchtest.Peer)
	banned bool
	silent bool // it owes octets and does not send them: it is left within 2 s
}{
	{name: "last piece flipped", set: func(p *fetchtest.Peer) { p.Flips = []int{pieces - 1} }, banned: true},
	{name: "middle piece flipped", set: func(p *fetchtest.Peer) { p.Flips = []int{pieces / 2} }, banned: true},
	{name: "all pieces flipped", set: func(p *fetchtest.Peer) {
		for i := range pieces {
			p.Flips = append(p.Flips, i)
		}
	}, banned: true},
	{name: "another body", set: func(p *fetchtest.Peer) { p.Sends = otherBody() }, banned: true},
	{name: "another body and its list", set: func(p *fetchtest.Peer) {
		p.Sends = otherBody()
		p.List = func([]byte) []byte { return fetchtest.WholeOf(verify.SHA256, p.Sends).States }
	}, banned: true},
	{name: "last border false", set: func(p *fetchtest.Peer) { p.List = borderFlipped(pieces - 1) }, banned: true},
	{name: "middle border false", set: func(p *fetchtest.Peer) { p.List = borderFlipped(pieces / 2) }, banned: true},
	{name: "all borders false", set: func(p *fetchtest.Peer) {
		p.List = func(list []byte) []byte { return make([]byte, len(list)) }
	}, banned: true},
	{name: "not the list it committed to", set: func(p *fetchtest.Peer) { p.CommitsTrue, p.List = true, borderFlipped(3) }, banned: true},
	{name: "list too short", set: func(p *fetchtest.Peer) { p.List = func(list []byte) []byte { return list[32:] } }},
	{name: "no list", set: func(p *fetchtest.Peer) { p.List = func([]byte) []byte { return nil } }},
	{name: "list too long", set: func(p *fetchtest.Peer) {
		p.List = func(list []byte) []byte { return append(list, make([]byte, 1<<20)...) }
	}},
	{name: "short", set: func(p *fetchtest.Peer) { p.Short = 1 }},
	{name: "clean end early", set: func(p *fetchtest.Peer) { p.Short, p.CleanEnd = piece, true }},
	{name: "clean end at once", set: func(p *fetchtest.Peer) { p.Short, p.CleanEnd = 1<<40, true }},
	{name: "endless", set: func(p *fetchtest.Peer) { p.Endless = true }},
	{name: "breaks off", set: func(p *fetchtest.Peer) { p.BreaksAfter = piece / 2 }},
	{name: "breaks off late", set: func(p *fetchtest.Peer) { p.BreaksAfter = piece + 5 }},
	{name: "claims all, sends nothing", set: func(p *fetchtest.Peer) { p.Silent = true }, silent: true},
	{name: "stalls", set: func(p *fetchtest.Peer) { p.StallsAfter = 3*piece + 17 }, silent: true},
	{name: "trickles", set: func(p *fetchtest.Peer) { p.Link = line(1) }, silent: true},
	{name: "another version", set: func(p *fetchtest.Peer) { p.Unknown = true }},
}

// lying plays a download with liars and honest peers, and holds what must be
// true of each: right octets, no honest peer banned, no slower than direct.
func lying(t *testing.T, liars, honest int, set func(*fetchtest.Peer), after func(w *world, liars []*fetchtest.Peer)) {
	t.Helper()
	body := lyingBody()
	play(t, nil, func(w *world) {
		w.origin(body, func(o *fetchtest.Object) { o.Link.Rate = lyingRate })
		var bad []*fetchtest.Peer
		for i := range liars { // they are met first
			p := &fetchtest.Peer{Name: fmt.Sprint("liar", i), Link: &fetchtest.Link{Rate: 25 * mbit, Latency: 20 * time.Millisecond}}
			set(p)
			bad = append(bad, w.peer(p, body))
		}
		for range honest {
			w.peer(&fetchtest.Peer{Link: line(10 * mbit)}, body)
		}
		d := w.get(body)
		w.whole(d, body)
		// Direct, and once more what the liars sent in vain.
		vain := int64(0)
		for _, p := range bad {
			vain += p.Sent()
		}
		w.within("among liars", d.took, direct(len(body), lyingRate)*105/100+direct(int(min(vain, int64(len(body)))), lyingRate))
		w.stored(body)
		for _, name := range w.swarm.Banned() {
			if !strings.HasPrefix(name, "liar") {
				w.Errorf("an honest peer was banned: %v", w.swarm.Lies())
			}
		}
		after(w, bad)
	})
}

// stored fails the test unless what is stored is body with a true list.
func (w *world) stored(body []byte) {
	w.Helper()
	want := fetchtest.WholeOf(verify.SHA256, body)
	s, err := w.f.Open(id(site), verify.TokenOf(id(site), want.Digest))
	if err != nil {
		w.Errorf("not stored: %v", err)
		return
	}
	defer s.Close()
	w.whole(w.get(body), body) // a hit
	if seals := w.store.Seals(); len(seals) != 1 || string(seals[0].Whole.States) != string(want.States) {
		w.Error("this node commits itself to a false list")
	}
}

// TestLyingAlone: one liar, nobody else.
func TestLyingAlone(t *testing.T) {
	for _, lie := range lies {
		t.Run(lie.name, func(t *testing.T) {
			lying(t, 1, 0, lie.set, func(w *world, liars []*fetchtest.Peer) {
				if got := len(w.swarm.Banned()) == 1; got != lie.banned {
					w.Errorf("banned: %v, lies %v", got, w.swarm.Lies())
				}
			})
		})
	}
}

// TestLyingAmongHonest: one liar among four honest peers.
func TestLyingAmongHonest(t *testing.T) {
	for _, lie := range lies {
		t.Run(lie.name, func(t *testing.T) {
			lying(t, 1, 4, lie.set, func(w *world, liars []*fetchtest.Peer) {
				switch got := len(w.swarm.Banned()) == 1; {
				case got && !lie.banned:
					w.Errorf("banned for no lie: %v", w.swarm.Lies())
				case !got && lie.banned && lie.name != "middle piece flipped": // another may have been asked for it
					w.Error("the liar is not banned")
				}
			})
		})
	}
}

// TestLyingMajority: six liars who share one false list, and two honest peers.
func TestLyingMajority(t *testing.T) {
	for _, lie := range lies {
		t.Run(lie.name, func(t *testing.T) {
			lying(t, 6, 2, lie.set, func(w *world, liars []*fetchtest.Peer) {
				if !lie.banned && len(w.swarm.Banned()) > 0 {
					w.Errorf("banned for no lie: %v", w.swarm.Lies())
				}
			})
		})
	}
}

// TestLyingIsLeft: who owes octets and does not send them is left within 2 s.
func TestLyingIsLeft(t *testing.T) {
	body := lyingBody()
	for _, lie := range lies {
		if !lie.silent {
			continue
		}
		t.Run(lie.name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				w.origin(body, func(o *fetchtest.Object) { o.Link.Rate = 4 * mbit })
				p := &fetchtest.Peer{Name: "liar", Link: line(25 * mbit)}
				lie.set(p)
				w.peer(p, body)
				w.after(500*time.Millisecond, func() {
					if p.Open() == 0 {
						w.Error("the liar was not asked")
					}
				})
				// It is asked after three round trips, and sends for one moment at most.
				w.after(2200*time.Millisecond, func() {
					if n := p.Open(); n > 0 {
						w.Errorf("%d transfers of the liar are still open", n)
					}
				})
				w.whole(w.get(body), body)
			})
		})
	}
}

// TestLyingListAfterProof: the honest peers leave when half of the body is
// proven, and liars come whose list contradicts it. What is proven stays.
func TestLyingListAfterProof(t *testing.T) {
	body := lyingBody()
	for name, list := range map[string]func([]byte) []byte{
		"in the proven part": borderFlipped(pieces - 1), "before it": borderFlipped(2),
	} {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				w.origin(body, func(o *fetchtest.Object) { o.Link.Rate = 2 * mbit })
				honest := w.peer(&fetchtest.Peer{Link: line(10 * mbit)}, body)
				for i := range 3 {
					w.peer(&fetchtest.Peer{Name: fmt.Sprint("liar", i), Link: line(10 * mbit), List: list}, body)
				}
				w.after(3*time.Second, honest.Vanish)
				d := w.get(body)
				w.whole(d, body)
				w.stored(body)
				if slices.Contains(w.swarm.Banned(), honest.Name) {
					w.Errorf("banned %v", w.swarm.Lies())
				}
				again := int64(0)
				for _, p := range w.peers {
					again += p.Sent()
				}
				if total := again + w.web.Sent(); total > int64(len(body))*3/2 {
					w.Errorf("%d octets were sent for %d", total, len(body))
				}
			})
		})
	}
}

// TestLyingCampKeepsNobodyOut: liars who come first, under a list that is false
// near the front, and then hardly send anything, do not keep honest peers from
// helping.
func TestLyingCampKeepsNobodyOut(t *testing.T) {
	body := lyingBody()
	play(t, nil, func(w *world) {
		w.origin(body, func(o *fetchtest.Object) { o.Link.Rate = mbit })
		w.peer(&fetchtest.Peer{Name: "liar", Link: &fetchtest.Link{Rate: 20_000}, List: borderFlipped(2)}, body)
		for range 2 {
			w.peer(&fetchtest.Peer{Link: line(10 * mbit)}, body)
		}
		d := w.get(body)
		w.transferred(d, body, .25)
		w.stored(body)
		w.within("with honest peers", d.took, direct(len(body), mbit)/4)
	})
}

// TestLyingProofNamesOwnList: whoever is banned is banned by the list that it
// committed to itself, also where another one is in use.
func TestLyingProofNamesOwnList(t *testing.T) {
	body := lyingBody()
	play(t, nil, func(w *world) {
		w.origin(body, func(o *fetchtest.Object) { o.Link.Rate = mbit })
		w.peer(&fetchtest.Peer{Link: &fetchtest.Link{Rate: 5 * mbit, Latency: 10 * time.Millisecond}}, body)
		liar := w.peer(&fetchtest.Peer{Name: "liar", Link: line(20 * mbit), List: borderFlipped(2), Sends: otherBody()}, body)
		w.whole(w.get(body), body)
		own := sha256.Sum256(liar.List(slices.Clone(fetchtest.WholeOf(verify.SHA256, body).States)))
		lies := w.swarm.Lies()
		if len(lies) == 0 {
			w.Fatal("the liar is not banned")
		}
		for _, lie := range lies {
			if lie.Peer != "liar" || !strings.Contains(lie.Committed, fmt.Sprintf("%x", own)) {
				w.Errorf("banned by %v", lie)
			}
		}
	})
}

// TestLyingLate: a peer that is honest until the origin was let go.
func TestLyingLate(t *testing.T) {
	body := bodyOf(16 * mib)
	n := len(body) / piece
	for _, low := range []int{1, n / 4, n / 2} {
		t.Run(fmt.Sprint("below ", low), func(t *testing.T) {
			play(t, nil, func(w *world) {
				w.origin(body, func(o *fetchtest.Object) { o.Link.Rate = lyingRate })
				liar := &fetchtest.Peer{Name: "liar", Link: line(15 * mbit)}
				for i := range low + 1 {
					liar.Flips = append(liar.Flips, i)
				}
				w.peer(liar, body)
				d := w.get(body)
				w.whole(d, body)
				w.stored(body)
				w.within("after all", d.took, direct(len(body), lyingRate)*105/100)
				if low > 1 && !slices.Equal(w.swarm.Banned(), []string{"liar"}) {
					w.Errorf("banned %v", w.swarm.Banned())
				}
			})
		})
	}
}

// TestLyingOrigin: a hostile origin states a digest and sends other octets, or
// states each node another digest. No peer is ever banned for that.
func TestLyingOrigin(t *testing.T) {
	body := lyingBody()
	other := otherBody()
	half := append(slices.Clone(body[:len(body)/2]), other[len(body)/2:]...)
	for _, c := range []struct {
		name          string
		sends, states []byte // by the origin
		peers         []byte
	}{
		{"other octets", other, body, body},
		{"other octets in the second half", half, body, body},
		{"other octets in the first half", append(slices.Clone(other[:len(body)/2]), body[len(body)/2:]...), body, body},
		{"another digest for this node", body, other, body},
		{"all different", body, other, half},
	} {
		for _, honest := range []int{1, 4} {
			t.Run(fmt.Sprint(c.name, " ", honest), func(t *testing.T) {
				play(t, nil, func(w *world) {
					w.origin(c.sends, func(o *fetchtest.Object) { o.Digest = digestField(verify.SHA256, c.states) })
					for range honest {
						w.peer(&fetchtest.Peer{Link: line(30 * mbit)}, c.peers)
					}
					d := w.get(nil)
					if len(w.swarm.Lies()) > 0 {
						w.Errorf("banned: %v", w.swarm.Lies())
					}
					// Either the origin's body as it is, or all of the digest's.
					switch {
					case d.err != nil:
						w.Errorf("%v", d.err)
					case string(d.got) == string(c.sends) && len(w.store.Metas()) == 0:
					case string(d.got) == string(c.states) && len(w.store.Metas()) == 1:
					default:
						w.Errorf("a mixture of %d octets, %d stored", len(d.got), len(w.store.Metas()))
					}
				})
			})
		}
	}
}

// TestLyingWithDeadOrigin: the origin is gone and all peers lie: the reader
// fails. It gets nothing wrong and no clean end.
func TestLyingWithDeadOrigin(t *testing.T) {
	body := lyingBody()
	for _, lie := range lies {
		if lie.name == "endless" || lie.name == "breaks off late" { // these deliver
			continue
		}
		t.Run(lie.name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				w.origin(body, func(o *fetchtest.Object) { o.DiesAt, o.Ranges = 2*piece+5, false })
				for i := range 3 {
					p := &fetchtest.Peer{Name: fmt.Sprint("liar", i), Link: line(50 * mbit)}
					lie.set(p)
					w.peer(p, body)
				}
				d := w.get(body)
				w.failure(d.err)
				if d.n != 2*piece+5 || len(w.store.Metas()) > 0 {
					w.Errorf("%d octets, %d stored", d.n, len(w.store.Metas()))
				}
				w.within("giving up", d.took, time.Minute)
			})
		})
	}
}

// TestLyingCrowd: random liars and honest peers, on random lines.
func TestLyingCrowd(t *testing.T) {
	body := lyingBody()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := newRand(seed)
			play(t, nil, func(w *world) {
				rate := float64(2+r.IntN(30)) * mbit
				w.origin(body, func(o *fetchtest.Object) { o.Link.Rate = rate })
				for i := range 3 + r.IntN(10) {
					p := &fetchtest.Peer{Link: &fetchtest.Link{Rate: float64(1+r.IntN(40)) * mbit, Latency: time.Duration(1+r.IntN(200)) * time.Millisecond}}
					if r.IntN(2) == 0 {
						p.Name = fmt.Sprint("liar", i)
						lies[r.IntN(len(lies))].set(p)
					}
					if r.IntN(4) == 0 {
						p.CompleteAt = time.Now().Add(time.Duration(r.IntN(4000)) * time.Millisecond)
					}
					w.peer(p, body)
					if r.IntN(4) == 0 {
						w.after(time.Duration(r.IntN(5000))*time.Millisecond, p.Vanish)
					}
				}
				d := w.get(body)
				w.whole(d, body)
				w.stored(body)
				w.within("in a crowd", d.took, direct(len(body), rate)*105/100+40*time.Millisecond)
				for _, name := range w.swarm.Banned() {
					if !strings.HasPrefix(name, "liar") {
						w.Errorf("an honest peer was banned: %v", w.swarm.Lies())
					}
				}
			})
		})
	}
}

// TestLiarIsBannedForGood: the next download does not ask it.
func TestLiarIsBannedForGood(t *testing.T) {
	body := lyingBody()
	play(t, nil, func(w *world) {
		w.origin(body, func(o *fetchtest.Object) { o.Header.Set("Cache-Control", "max-age=1") })
		liar := w.peer(&fetchtest.Peer{Name: "liar", Link: line(50 * mbit), Flips: []int{pieces - 1}}, body)
		w.whole(w.get(body), body)
		if lies := w.swarm.Lies(); len(lies) == 0 || lies[0].Peer != "liar" || lies[0].Piece != pieces-1 || lies[0].Committed == "" || lies[0].Sent == "" {
			w.Fatalf("lies %v", lies)
		}
		if got := w.f.Totals(); got.Rejected == 0 || got.FromPeers != 0 {
			w.Errorf("totals %+v", got)
		}
		sent := liar.Sent()
		w.origin(otherBody(), nil)
		w.web.Put(site+"?page=2", object(body, line(originRate)))
		w.whole(w.do(w.Context(), fetchtest.Request(site+"?page=2"), body), body)
		if liar.Sent() != sent {
			w.Error("the banned peer was asked again")
		}
	})
}
