package fetch_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
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

// line is a link with the round trip of a continent.
func line(rate float64) *fetchtest.Link {
	return &fetchtest.Link{Rate: rate, Latency: 40 * time.Millisecond}
}

const originRate = 20 * mbit

// origin puts body at site, from an origin of originRate.
func (w *world) origin(body []byte, set func(*fetchtest.Object)) fetchtest.Object {
	o := object(body, line(originRate))
	if set != nil {
		set(&o)
	}
	w.web.Put(site, o)
	return o
}

// transferred fails the test unless d is all of truth, what the receipt says
// adds up to it, and the origin sent at most a share of it.
func (w *world) transferred(d delivery, truth []byte, share float64) {
	w.Helper()
	w.whole(d, truth)
	if sent := w.web.Sent(); float64(sent) > share*float64(len(truth)) {
		w.Errorf("the origin sent %d of %d octets, want at most %.0f %%", sent, len(truth), 100*share)
	}
	r := w.receipt()
	if o, p := octets(r, "origin"), octets(r, "peer"); o+p != int64(len(truth)) || o > w.web.Sent() {
		w.Errorf("receipt: %d octets of the origin and %d of peers are not %d; the origin sent %d", o, p, len(truth), w.web.Sent())
	}
	w.Logf("took %v, first octet %v, longest gap %v; origin sent %.1f %% in %d requests", d.took, d.first, d.gap,
		100*float64(w.web.Sent())/float64(len(truth)), len(w.web.Requests(site)))
}

// TestOnePeer: one complete peer takes the load off a slow origin.
func TestOnePeer(t *testing.T) {
	body := bodyOf(64 * mib)
	play(t, nil, func(w *world) {
		w.origin(body, nil)
		p := w.peer(&fetchtest.Peer{Link: line(100 * mbit)}, body)
		d := w.get(body)
		w.transferred(d, body, .1)
		w.within("with a peer", d.took, direct(len(body), originRate)*3/10)
		if p.Sent() > int64(len(body)) {
			w.Errorf("the peer sent %d octets for %d", p.Sent(), len(body))
		}
		r := w.receipt()
		if octets(r, "peer") < int64(len(body))*9/10 || r.Evidence == nil || r.Sources[len(r.Sources)-1].Peer != p.Name || len(r.Missing) > 0 {
			w.Errorf("receipt: %+v", r)
		}
		if n := len(w.web.Requests(site)); n > 3 {
			w.Errorf("the origin got %d requests", n)
		}
		if got := w.f.Totals(); got.FromPeers+got.FromOrigin != int64(len(body)) {
			w.Errorf("totals %+v", got)
		}
		// What was fetched from peers is stored, shared and proven to others.
		s, err := w.f.Open(id(site), verify.TokenOf(id(site), fetchtest.WholeOf(verify.SHA256, p.Body).Digest))
		if err != nil {
			w.Fatal(err)
		}
		s.Close()
		if d = w.get(body); d.resp.Served.Detail != "mixed" || !d.resp.Served.Hit {
			w.Errorf("hit: %+v", d.resp.Served)
		}
	})
}

func TestSeveralPeers(t *testing.T) {
	body := bodyOf(32*mib + 12345)
	for _, alg := range []verify.Algorithm{verify.SHA256, verify.SHA512} {
		t.Run(alg.String(), func(t *testing.T) {
			play(t, nil, func(w *world) {
				w.origin(body, func(o *fetchtest.Object) { o.Digest = digestField(alg, body) })
				for i := range 6 { // each slower than the origin
					w.peer(&fetchtest.Peer{Alg: alg, Link: line(float64(5+2*i) * mbit)}, body)
				}
				d := w.get(body)
				w.transferred(d, body, .2)
				w.within("with peers", d.took, direct(len(body), originRate)/2)
				if got := w.receipt().Sources; len(got) != 7 {
					w.Errorf("sources %+v", got)
				}
			})
		})
	}
}

// TestFarPeer: round trips do not keep the orders, and so the rate, small.
func TestFarPeer(t *testing.T) {
	body := bodyOf(32 * mib)
	play(t, nil, func(w *world) {
		w.origin(body, nil)
		w.peer(&fetchtest.Peer{Link: &fetchtest.Link{Rate: 100 * mbit, Latency: 300 * time.Millisecond}}, body)
		d := w.get(body)
		w.transferred(d, body, .5)
		w.within("with a far peer", d.took, direct(len(body), originRate)/2)
	})
}

func TestNoPeers(t *testing.T) {
	body := bodyOf(16 * mib)
	play(t, nil, func(w *world) {
		w.origin(body, nil)
		d := w.get(body)
		w.transferred(d, body, 1)
		w.within("alone", d.took, direct(len(body), originRate)+40*time.Millisecond)
		if d.first > 100*time.Millisecond || d.gap > 100*time.Millisecond {
			w.Errorf("first octet %v, gap %v", d.first, d.gap)
		}
		w.requests(1)
	})
}

// TestStuckRouter: the download never waits for a look-up.
func TestStuckRouter(t *testing.T) {
	body := bodyOf(16 * mib)
	for name, router := range map[string]dht.Router{"call": fetchtest.Stuck{}, "channel": fetchtest.Stuck{Quiet: true}} {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *world) { w.cfg.Router = router }, func(w *world) {
				w.origin(body, nil)
				d := w.get(body)
				w.transferred(d, body, 1)
				w.within("the first octet", d.first, 100*time.Millisecond)
				w.within("alone", d.took, direct(len(body), originRate)+40*time.Millisecond)
				w.requests(1)
			})
		})
	}
}

// TestPeerAppears midway.
func TestPeerAppears(t *testing.T) {
	body := bodyOf(32 * mib) // direct: 13.4 s
	play(t, nil, func(w *world) {
		w.origin(body, nil)
		w.after(2500*time.Millisecond, func() { w.peer(&fetchtest.Peer{Link: line(100 * mbit)}, body) })
		d := w.get(body)
		w.transferred(d, body, .5)
		w.within("with a late peer", d.took, 7*time.Second)
	})
}

// TestPeerBecomesComplete midway: a member that has nothing yet is asked again.
func TestPeerBecomesComplete(t *testing.T) {
	body := bodyOf(32 * mib)
	play(t, nil, func(w *world) {
		w.origin(body, nil)
		w.peer(&fetchtest.Peer{Link: line(100 * mbit), CompleteAt: time.Now().Add(3 * time.Second)}, body)
		d := w.get(body)
		w.transferred(d, body, .6)
		w.within("with a late peer", d.took, 8*time.Second)
	})
}

// TestSlowPeer: never slower than direct, whatever a peer's rate is.
func TestSlowPeer(t *testing.T) {
	body := bodyOf(20 * mib)
	for _, share := range []float64{.02, .1, .5, .9, .97, 1, 1.03, 1.2} {
		t.Run(fmt.Sprint(share), func(t *testing.T) {
			play(t, nil, func(w *world) {
				w.origin(body, nil)
				w.peer(&fetchtest.Peer{Link: line(share * originRate)}, body)
				d := w.get(body)
				w.transferred(d, body, 1)
				w.within("with a slow peer", d.took, direct(len(body), originRate)*105/100)
				if n := len(w.web.Requests(site)); share < .95 && n > 1 || n > 6 {
					w.Errorf("the origin got %d requests", n)
				}
				if d.gap > 5*time.Second {
					w.Errorf("a gap of %v", d.gap)
				}
			})
		})
	}
}

// TestLuckyBurst: a peer that begins fast and is slow then does not make a
// download slower than direct.
func TestLuckyBurst(t *testing.T) {
	body := bodyOf(24 * mib)
	for _, burst := range []time.Duration{200 * time.Millisecond, 500 * time.Millisecond, time.Second} {
		t.Run(burst.String(), func(t *testing.T) {
			play(t, nil, func(w *world) {
				w.origin(body, nil)
				link := line(100 * mbit)
				w.peer(&fetchtest.Peer{Link: link}, body)
				w.after(burst, func() { link.SetRate(mbit / 2) })
				d := w.get(body)
				w.transferred(d, body, 1)
				w.within("after a burst", d.took, direct(len(body), originRate)*105/100)
			})
		})
	}
}

// TestPeerSlowsDown after the origin was let go: it returns.
func TestPeerSlowsDown(t *testing.T) {
	body := bodyOf(32 * mib)
	play(t, nil, func(w *world) {
		w.origin(body, nil)
		link := line(30 * mbit)
		w.peer(&fetchtest.Peer{Link: link}, body)
		w.after(4*time.Second, func() {
			if n := w.web.Open(); n != 0 {
				w.Errorf("%d transfers of the origin at 4 s", n)
			}
			link.SetRate(mbit)
		})
		d := w.get(body)
		w.transferred(d, body, .8)
		w.within("after all", d.took, direct(len(body), originRate)*105/100)
	})
}

// TestSharedLine: where the client's own line is the limit, peers that take a
// part of it do not make the origin look slow.
func TestSharedLine(t *testing.T) {
	body := bodyOf(32 * mib)
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			play(t, nil, func(w *world) {
				client := &fetchtest.Link{Rate: originRate}
				w.origin(body, func(o *fetchtest.Object) { o.Link.Rate, o.Link.Via = 100*mbit, client })
				for range n { // all of them together are slower than the origin
					l := line(.7 * originRate / float64(n))
					l.Via = client
					w.peer(&fetchtest.Peer{Link: l}, body)
				}
				d := w.get(body)
				w.transferred(d, body, 1)
				w.within("over a shared line", d.took, direct(len(body), originRate)*105/100)
			})
		})
	}
}

// TestOriginGainsSpeed: what it gave in its first second is not its own rate.
func TestOriginGainsSpeed(t *testing.T) {
	body := bodyOf(32 * mib)
	var alone time.Duration
	for _, peers := range []int{0, 1} {
		play(t, nil, func(w *world) {
			o := w.origin(body, nil)
			o.Link.SetRate(mbit)
			for i := range 6 { // 64 Mbit/s in the end
				w.after(time.Duration(i+1)*300*time.Millisecond, func() { o.Link.SetRate(float64(int(2)<<i) * mbit) })
			}
			for range peers {
				w.peer(&fetchtest.Peer{Link: line(14 * mbit)}, body)
			}
			d := w.get(body)
			w.transferred(d, body, 1)
			if peers == 0 {
				alone = d.took
			} else {
				w.within("with a peer", d.took, alone*105/100)
			}
		})
	}
}

// TestOriginSlowsDown: a crowd has come, and the origin's best second says
// nothing any more.
func TestOriginSlowsDown(t *testing.T) {
	body := bodyOf(64 * mib)
	play(t, nil, func(w *world) {
		o := w.origin(body, nil)
		w.peer(&fetchtest.Peer{Link: line(15 * mbit)}, body)
		w.after(3*time.Second, func() { o.Link.SetRate(mbit) })
		d := w.get(body)
		w.transferred(d, body, .25)
	})
}

// TestPeersVanish after the origin was let go: it returns, and not an octet is
// missing.
func TestPeersVanish(t *testing.T) {
	body := bodyOf(32 * mib)
	for name, leave := range map[string]func(p *fetchtest.Peer){
		"vanish": (*fetchtest.Peer).Vanish, "freeze": (*fetchtest.Peer).Freeze,
	} {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				w.origin(body, nil)
				for range 2 {
					w.peer(&fetchtest.Peer{Link: line(15 * mbit)}, body)
				}
				w.after(4*time.Second, func() {
					if n := w.web.Open(); n != 0 {
						w.Errorf("%d transfers of the origin at 4 s", n)
					}
					for _, p := range w.peers {
						leave(p)
					}
				})
				d := w.get(body)
				w.transferred(d, body, .85)
				w.within("after all", d.took, direct(len(body), originRate)*105/100)
			})
		})
	}
}

// TestStumblingPeer: one that breaks off now and then, and gives something each
// time, is not given up.
func TestStumblingPeer(t *testing.T) {
	body := bodyOf(16 * mib)
	play(t, nil, func(w *world) {
		w.origin(body, func(o *fetchtest.Object) { o.Link.Rate = 2 * mbit })
		p := w.peer(&fetchtest.Peer{Link: line(20 * mbit), BreaksAfter: 3*piece + 7}, body)
		d := w.get(body)
		w.transferred(d, body, .3)
		if p.Sent() < int64(len(body))/2 || len(w.swarm.Lies()) > 0 {
			w.Errorf("the peer sent %d octets, lies %v", p.Sent(), w.swarm.Lies())
		}
	})
}

// TestOriginDies after it was let go: the peers finish.
func TestOriginDies(t *testing.T) {
	body := bodyOf(32 * mib)
	play(t, nil, func(w *world) {
		w.origin(body, nil)
		w.peer(&fetchtest.Peer{Link: line(30 * mbit)}, body)
		w.after(3*time.Second, func() { w.web.Put(site, fetchtest.Object{Refuses: true}) })
		w.transferred(w.get(body), body, .2)
	})
}

// TestOriginDiesWithin: its stream breaks off, and the peers finish, whether
// it knows ranges or not.
func TestOriginDiesWithin(t *testing.T) {
	body := bodyOf(16 * mib)
	for name, set := range map[string]func(o *fetchtest.Object){
		"breaks":            func(o *fetchtest.Object) { o.DiesAt = 100_001 },
		"breaks, no ranges": func(o *fetchtest.Object) { o.DiesAt, o.Ranges = 100_001, false },
		"stalls":            func(o *fetchtest.Object) { o.StallsAt = 100_001 },
		"stalls, no ranges": func(o *fetchtest.Object) { o.StallsAt, o.Ranges = 100_001, false },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				w.origin(body, set)
				w.peer(&fetchtest.Peer{Link: line(30 * mbit)}, body)
				d := w.get(body)
				w.transferred(d, body, .2)
				w.within("from the peer", d.took, direct(len(body), 30*mbit)+3*time.Second)
			})
		})
	}
}

// TestOriginDiesAlone: a failure, never a clean end.
func TestOriginDiesAlone(t *testing.T) {
	body := bodyOf(8 * mib)
	for name, router := range map[string]dht.Router{"nobody": &fetchtest.Recording{}, "stuck": fetchtest.Stuck{}} {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *world) { w.cfg.Router = router }, func(w *world) {
				w.origin(body, func(o *fetchtest.Object) { o.DiesAt = 3*mib + 5 })
				d := w.get(body)
				w.failure(d.err)
				if d.n != 3*mib+5 || len(w.store.Metas()) > 0 {
					w.Errorf("%d octets, %d stored", d.n, len(w.store.Metas()))
				}
				w.within("giving up", d.took, 30*time.Second)
				if n := len(w.web.Requests(site)); n > 6 {
					w.Errorf("the origin got %d requests", n)
				}
			})
		})
	}
}

// TestNoRangesIsNeverLetGo: for it would be for ever.
func TestNoRangesIsNeverLetGo(t *testing.T) {
	body := bodyOf(16 * mib)
	play(t, nil, func(w *world) {
		w.origin(body, func(o *fetchtest.Object) { o.Ranges = false })
		w.peer(&fetchtest.Peer{Link: line(40 * mbit)}, body)
		d := w.get(body)
		w.transferred(d, body, .5)
		w.requests(1)
		if d.gap > 100*time.Millisecond {
			w.Errorf("a gap of %v", d.gap)
		}
	})
}

// TestValidators: what may be combined with ranges of the origin.
func TestValidators(t *testing.T) {
	body := bodyOf(16 * mib)
	for _, c := range []struct {
		name  string
		set   func(*fetchtest.Object)
		share float64 // of the origin
	}{
		{"weak with digest", func(o *fetchtest.Object) { o.ETag = `W/"v1"` }, .3},
		{"none with digest", func(o *fetchtest.Object) { o.ETag = "" }, .3},
		{"weak without digest", func(o *fetchtest.Object) { o.ETag, o.Digest = `W/"v1"`, "" }, 1},
		{"strong without digest", func(o *fetchtest.Object) { o.Digest = "" }, 1},
		{"no length", func(o *fetchtest.Object) { o.NoLength = true }, 1},
		{"malformed digest", func(o *fetchtest.Object) { o.Digest = "sha-256=:AAAA:" }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				w.origin(body, c.set)
				p := w.peer(&fetchtest.Peer{Link: line(100 * mbit)}, body)
				d := w.get(body)
				w.transferred(d, body, c.share)
				if asked := p.Sent() > 0; asked != (c.share < 1) {
					w.Errorf("the peer sent %d octets", p.Sent())
				}
			})
		})
	}
}

// TestRemembered: this node's own digest of an earlier download is enough
// where the origin states none, and not for another version.
func TestRemembered(t *testing.T) {
	body := bodyOf(16 * mib)
	for _, c := range []struct {
		name, etag string
		policy     verify.Policy
		shorter    int
		peers      bool
	}{
		{"same", `"v1"`, "", 0, true}, {"another version", `"v2"`, "", 0, false}, {"weak", `W/"v1"`, "", 0, false},
		{"strict", `"v1"`, verify.Strict, 0, false}, {"another length", `"v1"`, "", 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(w *world) { w.cfg.Policy = c.policy }, func(w *world) {
				w.origin(body, func(o *fetchtest.Object) { o.Digest, o.ETag = "", c.etag })
				w.store.Remember(id(site), `"v1"`, "", fetchtest.WholeOf(verify.SHA256, body[c.shorter:]).Digest)
				p := w.peer(&fetchtest.Peer{Link: line(100 * mbit)}, body)
				w.transferred(w.get(body), body, 1)
				if len(w.store.Metas()) != 1 {
					w.Error("not stored")
				}
				if asked := p.Sent() > 0; asked != c.peers {
					w.Errorf("the peer sent %d octets", p.Sent())
				}
			})
		})
	}
}

// TestOriginContradictsItself: its body is delivered as it is, and that is
// all: not stored, not shared, membership left.
func TestOriginContradictsItself(t *testing.T) {
	body := bodyOf(16 * mib)
	stated := fetchtest.Body(9, len(body))
	for _, peers := range []int{0, 1} {
		t.Run(fmt.Sprint(peers, " peers"), func(t *testing.T) {
			play(t, nil, func(w *world) {
				w.origin(body, func(o *fetchtest.Object) { o.Digest = digestField(verify.SHA256, stated) })
				for range peers {
					w.peer(&fetchtest.Peer{Link: line(100 * mbit)}, stated)
				}
				d := w.get(body)
				w.whole(d, body)
				if len(w.store.Metas()) > 0 || len(w.router.Calls("Leave")) != 2 || len(w.swarm.Lies()) > 0 {
					w.Errorf("%d stored, router %v, bans %v", len(w.store.Metas()), w.router.Calls(""), w.swarm.Banned())
				}
				w.within("all", d.took, direct(len(body), originRate)+5*time.Second)
			})
		})
	}
}

// TestOriginChanges midway, after it was let go: the first version is finished
// from peers under its digest, or the reader fails. Never a mixture.
func TestOriginChanges(t *testing.T) {
	body := bodyOf(32 * mib)
	for _, vanish := range []bool{false, true} {
		t.Run(fmt.Sprint("vanish ", vanish), func(t *testing.T) {
			play(t, nil, func(w *world) {
				o := w.origin(body, nil)
				p := w.peer(&fetchtest.Peer{Link: line(30 * mbit)}, body)
				w.after(3*time.Second, func() {
					o.Body, o.ETag = fetchtest.Body(5, len(body)), `"v2"`
					o.Digest = digestField(verify.SHA256, o.Body)
					w.web.Put(site, o)
				})
				if vanish {
					w.after(4*time.Second, p.Vanish)
				}
				d := w.get(body)
				asked := 0
				for _, r := range w.web.Requests(site) {
					if r.At.After(w.start.Add(3 * time.Second)) {
						asked++
					}
				}
				if asked > 1 {
					w.Errorf("the origin was asked %d times after it had changed", asked)
				}
				if !vanish {
					w.transferred(d, body, .2)
					return
				}
				w.failure(d.err)
				if len(w.store.Metas()) > 0 {
					w.Error("a mixture was stored")
				}
			})
		})
	}
}

// TestDiskFull midway: clients still get right octets.
func TestDiskFull(t *testing.T) {
	body := bodyOf(16 * mib)
	for name, store := range map[string]*fetchtest.Store{
		"write": {WriteLimit: 5 * mib}, "read": {ReadLimit: 9 * mib}, "commit": {FailCommit: true}, "create": {FailCreate: true},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *world) {
				w.store = store
				w.cfg.Cache = store
			}, func(w *world) {
				w.origin(body, nil)
				w.peer(&fetchtest.Peer{Link: line(100 * mbit)}, body)
				for i, d := range w.atOnce(3, 100*time.Millisecond, body) {
					w.whole(d, body)
					if d.err == nil && d.resp.Status != http.StatusOK {
						w.Errorf("reader %d: status %d", i, d.resp.Status)
					}
				}
				if n := len(w.swarm.Lies()); n > 0 {
					w.Errorf("%d bans for this node's own disk", n)
				}
				if name != "create" && name != "read" && len(w.router.Calls("Leave")) != 2 {
					w.Errorf("a member that has nothing: %v", w.router.Calls(""))
				}
			})
		})
	}
}

// TestReadersWithPeers: all who ride get all, each at its own pace.
func TestReadersWithPeers(t *testing.T) {
	body := bodyOf(16 * mib)
	play(t, nil, func(w *world) {
		w.origin(body, nil)
		w.peer(&fetchtest.Peer{Link: line(60 * mbit)}, body)
		for _, d := range w.atOnce(10, 200*time.Millisecond, body) {
			w.whole(d, body)
		}
		if sent := w.web.Sent(); sent > int64(len(body)) {
			w.Errorf("the origin sent %d", sent)
		}
	})
}
