package model

import (
	"bytes"
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// flight is one download of one object by one node: what fetch.flight and
// fetch.crowd are, on the world's single goroutine.
type flight struct {
	n     *node
	o     *object
	done  func(error)
	ended bool
	start time.Duration // when the request was sent
	begun time.Duration // when the header fields were in

	gauges fetch.Gauges
	bodyState
	recorder *verify.Recorder
	chain    *verify.Chain
	crowdState

	lead      *lead
	returns   bool
	letGone   int
	failures  int
	failedAt  int64
	failing   time.Duration
	lastErr   error
	notBefore time.Duration

	tick    *event
	waking  bool
	planned time.Duration // when the planner was last asked
	answers int           // that are being given of it
}

// planEvery is how often a flight looks when nothing happens, as in fetch, and
// newsEvery how often it reads the boards of others. A crowd of very many looks
// less often: at slowCrowd nodes the looks alone would take longer than all the
// rest.
const (
	planEvery = 100 * time.Millisecond
	newsEvery = gatherNews
	slowCrowd = 2000
)

func (w *world) planEvery() time.Duration { return planEvery * w.slowness() }
func (w *world) newsEvery() time.Duration { return newsEvery * w.slowness() }

func (w *world) slowness() time.Duration { return time.Duration(max(1, len(w.nodes)/slowCrowd)) }

// thinking is how soon after one plan the next is made at the earliest: the
// more members and pieces there are to look at, the longer a plan takes.
func (fl *flight) thinking() time.Duration {
	w := fl.n.w
	looks := min(len(w.nodes), maxMet) * fl.o.layout.Pieces()
	return min(time.Duration(looks)*600*time.Nanosecond, w.newsEvery())
}

func newFlight(n *node, o *object, done func(error)) {
	fl := &flight{n: n, o: o, done: done, start: n.w.clock.now, returns: true}
	fl.tail = o.layout.Pieces()
	n.flights[o] = fl
	d := &download{n: n, fail: fl.refused}
	l := &lead{fl: fl, d: d, until: o.size, since: n.w.clock.now}
	fl.lead = l
	d.started = func() {
		fl.headersIn()
		l.attach()
		d.fail = l.failed
	}
	n.w.server.get(d, float64(fl.step(0)))
}

// refused: the first request got no body. The visitor gets the answer.
func (fl *flight) refused(err error) {
	fl.lead = nil
	fl.end(err)
}

// headersIn decides, as the header fields are in, whether the swarm is asked.
func (fl *flight) headersIn() {
	w := fl.n.w
	fl.begun = w.clock.now
	if fl.o.proof.Valid() {
		fl.recorder = fl.o.proof.Recorder()
	}
	if !w.swarmed || !fl.o.shared {
		return
	}
	fl.bodyState = newBodyState(fl.o.layout.Pieces())
	fl.crowdState = crowdState{
		met: map[*node]bool{}, heard: map[*node]bool{}, camps: map[[32]byte]*camp{}, gathering: true, since: -1,
		seen: fetch.NewPieces(fl.tail), board: fl.n.newBoard(fl.o),
	}
	if w.cfg.Peers.Liars.Share > 0 { // else there is nothing to find out
		fl.words, fl.salt = fetch.NewWords[*node](fl.tail), w.dice.Uint64()
	}
	fl.gather()
	fl.tick = w.clock.after(w.newsEvery(), fl.tock)
}

// tock plans if there is news, or if it is long since the last plan.
func (fl *flight) tock() {
	if fl.ended {
		return
	}
	w := fl.n.w
	if fl.listen() || w.clock.now-fl.planned >= w.planEvery() {
		fl.plan()
	}
	if !fl.ended {
		w.clock.move(fl.tick, w.clock.now+w.newsEvery())
	}
}

// wake plans soon, once all that happens now has happened.
func (fl *flight) wake() {
	if fl.waking || fl.ended {
		return
	}
	fl.waking = true
	w := fl.n.w
	w.clock.after(fl.planned+fl.thinking()-w.clock.now, func() {
		fl.waking = false
		if !fl.ended {
			fl.plan()
		}
	})
}

// plan asks the planner and does what it says.
func (fl *flight) plan() {
	now := fl.n.w.clock.now
	if fl.held == nil { // direct
		if fl.lead == nil && !fl.ended && now >= fl.notBefore {
			fl.returnLead(fl.o.size)
		}
		return
	}
	fl.planned = now
	fl.listen()
	if fl.tryWhole(); fl.ended {
		return
	}
	v := fl.view()
	p := fetch.Next(v)
	for _, id := range p.Leave {
		fl.leavePeer(fl.sources[id])
	}
	fl.heed(p)
	fl.moveOrigin(p, &v)
	if fl.ended {
		return
	}
	if !p.Take.Empty() {
		if p.Take == v.Crowd.Audit {
			fl.audits++
		}
		fl.draw(p.Take)
	}
	fl.announce(p.Intend, &v)
	for _, o := range p.Orders {
		fl.give(o)
	}
	if p.Origin == fetch.Stay && len(p.Orders) == 0 && p.Take.Empty() && fl.hopeless(&v) {
		fl.end(fl.lastErr)
	}
}

func (fl *flight) moveOrigin(p fetch.Plan, v *fetch.View) {
	switch p.Origin {
	case fetch.LetGo:
		fl.letGone++
		fl.startStriping(v)
		fl.letGo()
		if fl.front == fl.o.size {
			fl.land()
		}
	case fetch.Return:
		fl.returnLead(p.Until)
	}
}

// What fetch has as patience and maxOriginFailures.
const (
	patience          = 10 * time.Second
	maxOriginFailures = 4
)

// hopeless reports whether nobody is left who could deliver what is missing.
func (fl *flight) hopeless(v *fetch.View) bool {
	now := fl.n.w.clock.now
	returns := fl.failures < maxOriginFailures && fl.notBefore-now <= patience
	if fl.ended || v.Origin.Open || returns || fl.lastErr == nil {
		return false
	}
	busy := slices.ContainsFunc(v.Peers, func(p fetch.PeerView) bool { return len(p.Orders) > 0 })
	if busy || fl.stripe != nil || len(v.Peers) > 0 && fl.covered(v) {
		return false
	}
	return !fl.gathering || now-fl.failing > patience
}

// covered reports whether peers offer all that is missing.
func (fl *flight) covered(v *fetch.View) bool {
	for i := fl.o.layout.PieceAt(fl.front); i < fl.tail; i++ {
		if !fl.held.Has(i) && !slices.ContainsFunc(v.Peers, func(p fetch.PeerView) bool { return p.Has.Has(i) }) {
			return false
		}
	}
	return true
}

// join lands the flight if tail and front have met, as fetch.crowd.joinLocked.
func (fl *flight) join() {
	if fl.ended || fl.chain == nil || fl.recorder == nil {
		return
	}
	layout := fl.o.layout
	at := layout.PieceAt(fl.front)
	if fl.front >= layout.Length {
		at = layout.Pieces()
	}
	if fl.tail > at || fl.chain.Closed() > at {
		return
	}
	if _, err := verify.WholeOf(fl.recorder, fl.chain); err != nil {
		return // what the origin sent does not meet what it states: it goes on alone
	}
	fl.land()
}

// land gives the reader all of the body, and the node the whole to serve.
func (fl *flight) land() {
	w, layout := fl.n.w, fl.o.layout
	kept := &shelved{}
	if fl.held != nil {
		for i := layout.PieceAt(min(fl.front, layout.Length-1)); i < layout.Pieces(); i++ {
			a := fl.arrivals[i]
			if !fl.held.Has(i) || fl.front >= layout.Offset(i+1) {
				continue
			}
			n := layout.Offset(i+1) - max(layout.Offset(i), fl.front)
			if a.peer == nil {
				w.readOrigin += n
				continue
			}
			w.readPeers += n
			if !bytes.Equal(a.octets, fl.o.piece(i)) {
				w.wrong += n
				if kept.wrong == nil {
					kept.wrong = map[int][]byte{}
				}
				kept.wrong[i] = a.octets
			}
		}
	}
	w.readOrigin += fl.front
	fl.n.sawByte()
	fl.n.shelf[fl.o] = kept
	if fl.board != nil {
		fl.board.close(true)
	}
	fl.end(nil)
}

// sawByte notes that the visitor has a first octet.
func (n *node) sawByte() {
	if n.firstByte < 0 {
		n.firstByte = n.w.clock.now
	}
}

// end ends the flight and tells the visitor.
func (fl *flight) end(err error) {
	if !fl.ended {
		fl.close()
		fl.done(err)
	}
}

// close ends all that the flight has under way.
func (fl *flight) close() {
	fl.ended = true
	fl.n.w.clock.cancel(fl.tick)
	fl.letGo()
	fl.dropStripe()
	for _, s := range fl.sources {
		s.part()
	}
	if fl.board != nil {
		fl.board.close(false)
	}
	delete(fl.n.flights, fl.o)
}
