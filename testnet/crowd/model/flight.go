package model

import (
	"bytes"
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

	tick   *event
	waking bool
}

// bodyState is how far the body has come, as in fetch.body.
type bodyState struct {
	front    int64
	frontAt  time.Duration // when it last moved
	held     fetch.Pieces
	tail     int
	arrivals map[int]arrival
	loose    map[int]bool
}

type arrival struct {
	peer     *node
	from, to time.Duration
	octets   []byte
}

// planEvery is how often a flight looks when nothing happens, as in fetch. A
// crowd of very many looks less often: at slowCrowd nodes the looks alone would
// take longer than all the rest.
const (
	planEvery = 100 * time.Millisecond
	slowCrowd = 2000
)

func (w *world) planEvery() time.Duration {
	return planEvery * time.Duration(max(1, len(w.nodes)/slowCrowd))
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
	fl.held = fetch.NewPieces(fl.tail)
	fl.arrivals, fl.loose = map[int]arrival{}, map[int]bool{}
	fl.crowdState = crowdState{met: map[*node]bool{}, camps: map[[32]byte]*camp{}, gathering: true}
	fl.gather()
	fl.tick = w.clock.after(w.planEvery(), fl.tock)
}

func (fl *flight) tock() {
	if fl.ended {
		return
	}
	fl.plan()
	if !fl.ended {
		fl.n.w.clock.move(fl.tick, fl.n.w.clock.now+fl.n.w.planEvery())
	}
}

// wake plans at this moment, once all that happens now has happened.
func (fl *flight) wake() {
	if fl.waking || fl.ended {
		return
	}
	fl.waking = true
	fl.n.w.clock.after(0, func() {
		fl.waking = false
		if !fl.ended {
			fl.plan()
		}
	})
}

// plan asks the planner and does what it says.
func (fl *flight) plan() {
	if fl.held == nil { // direct
		if fl.lead == nil && !fl.ended && fl.n.w.clock.now >= fl.notBefore {
			fl.returnLead(fl.o.size)
		}
		return
	}
	v := fl.view()
	p := fetch.Next(v)
	for _, id := range p.Leave {
		fl.leavePeer(fl.sources[id])
	}
	switch p.Origin {
	case fetch.LetGo:
		fl.letGone++
		fl.letGo()
		if fl.front == fl.o.size {
			fl.land()
		}
	case fetch.Return:
		fl.returnLead(p.Until)
	}
	for _, o := range p.Orders {
		fl.give(o)
	}
	if p.Origin == fetch.Stay && len(p.Orders) == 0 && fl.hopeless(&v) {
		fl.end(fl.lastErr)
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
	covered := len(v.Peers) > 0
	for _, p := range v.Peers {
		if len(p.Orders) > 0 {
			return false
		}
	}
	if covered {
		return false
	}
	return !fl.gathering || now-fl.failing > patience
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
		for i := layout.PieceAt(fl.front); i < layout.Pieces(); i++ {
			a, ok := fl.arrivals[i]
			if !ok || fl.front >= layout.Offset(i+1) {
				continue
			}
			n := layout.Offset(i+1) - max(layout.Offset(i), fl.front)
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
	for _, s := range fl.sources {
		s.part()
	}
	delete(fl.n.flights, fl.o)
}
