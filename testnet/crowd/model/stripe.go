package model

import (
	"math"
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// stripe is a run of pieces on its way from the origin, as in fetch.
type stripe struct {
	fetch.Run
	fl   *flight
	d    *download
	next int
	came float64 // octets, with a fraction not told to the gauge yet
}

// draw takes r from the origin.
func (fl *flight) draw(r fetch.Run) {
	s := &stripe{Run: r, fl: fl, next: r.First, d: &download{n: fl.n}}
	s.d.fail = s.failed
	s.d.started = func() { s.d.sink, s.d.mark = s.octets, s.reached }
	fl.stripe = s
	fl.n.w.server.get(s.d, float64(fl.o.layout.Size(s.next)))
}

func (s *stripe) octets(octets float64, from, to time.Duration) {
	s.came += octets
	if whole := math.Floor(s.came); whole > 0 {
		s.came -= whole
		s.fl.gauges.Origin(int64(whole), epoch.Add(from), epoch.Add(to))
	}
}

// reached is the end of one piece.
func (s *stripe) reached() {
	fl := s.fl
	i := s.next
	s.next++
	fl.keepOwn(i)
	if fl.ended {
		return
	}
	fl.failures = 0
	if s.next == s.End {
		s.d.drop(true)
		fl.stripe = nil
	} else {
		s.d.flow.next(float64(fl.o.layout.Size(s.next)))
	}
	fl.wake()
}

func (s *stripe) failed(err error) {
	fl := s.fl
	if fl.ended || fl.stripe != s {
		return
	}
	fl.stripe = nil
	fl.originFailed(err)
	if err == errRefused && fl.board != nil {
		fl.board.backOff(fl.notBefore)
	}
}

// dropStripe ends what is under way from the origin in the middle.
func (fl *flight) dropStripe() {
	if s := fl.stripe; s != nil {
		fl.stripe = nil
		s.d.drop(false)
	}
}

// keepOwn takes a piece that the origin sent to this node, in place of what a
// peer may have said that it is.
func (fl *flight) keepOwn(i int) {
	octets, hash, now := fl.o.piece(i), &fl.o.hashes[i], fl.n.w.clock.now
	if fl.chain != nil && fl.chain.Fit(i, octets) != nil {
		fl.giveUpList()
	}
	held, old, was := fl.held.Has(i), fl.hashes[i], fl.arrivals[i]
	fl.own.Add(i)
	fl.hold(i, arrival{nil, now, now, octets}, hash)
	fl.untried = true
	if fl.board != nil {
		fl.appeared(i)
	}
	fl.offer(i, hash, true)
	fl.took(i, true)
	fl.drawn++
	if held && was.peer != nil && fl.words != nil && *old != *hash {
		fl.fell(fl.words.Unsaid(i, *old, was.peer)...)
	}
	fl.join()
}

// giveUpList drops a list that contradicts what the origin itself sent.
func (fl *flight) giveUpList() {
	if fl.active != nil {
		fl.active.exposed = true
		for _, s := range fl.sources {
			if s.camp == fl.active {
				s.part()
			}
		}
	}
	fl.chain, fl.active = nil, nil
}

// startStriping notes that the origin is drawn on by runs from here on, unless
// it is let go for complete peers.
func (fl *flight) startStriping(v *fetch.View) {
	listed := slices.ContainsFunc(v.Peers, func(p fetch.PeerView) bool { return !p.Partial })
	if v.Crowd == nil || listed && !fl.striping {
		return
	}
	fl.striping = true
	if !fl.dripping {
		fl.dripping, fl.out, fl.hungry = true, fl.front, max(fl.frontAt, fl.begun)
	}
}

// heed does what a plan says of members and of orders that are not needed.
func (fl *flight) heed(p fetch.Plan) {
	for _, id := range p.Excuse {
		if m := fl.sources[id].member; m != nil {
			m.excused = true
		}
	}
	for _, v := range p.Void {
		s := fl.sources[v.Peer]
		for _, o := range slices.Clone(s.orders) {
			if o.First == v.First && o.Since == v.Since {
				s.orders = slices.DeleteFunc(s.orders, func(x *order) bool { return x == o })
				o.drop(false)
			}
		}
	}
}

// announce tells the crowd what this node takes, and will take next.
func (fl *flight) announce(next fetch.Run, v *fetch.View) {
	if v.Crowd == nil || fl.board == nil {
		return
	}
	fl.next = next
	runs := [2]fetch.Run{{}, next}
	if fl.stripe != nil {
		runs[0] = fl.stripe.Run
	}
	if next.Empty() {
		runs[1] = fetch.Run{}
	}
	fl.board.intend(runs, v.Crowd.Patience(fl.o.layout.PieceSize))
}
