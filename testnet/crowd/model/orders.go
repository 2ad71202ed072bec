package model

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// source is one peer of a flight, as in fetch. member is nil for a complete
// one, which has a camp.
type source struct {
	fl     *flight
	id     int
	n      *node
	member *membership
	camp   *camp
	has    fetch.Pieces
	gauge  *fetch.PeerGauge // nil before the first octet
	orders []*order
	fails  int
	left   bool
	known  float64
	came   float64 // octets, with a fraction not told to the gauge yet
	total  float64
}

// order is a run of pieces that a source was asked for.
type order struct {
	fetch.Order
	s     *source
	chain *verify.Chain
	flow  *flow
	began time.Duration // when its first octet came; negative before
	from  time.Duration // of the piece that comes
	ended bool
	wait  *event
	// window is where the answer has one of few places.
	window *flight
}

// give starts an order: what was asked for begins to come a round trip later.
func (fl *flight) give(p fetch.Order) {
	s := fl.sources[p.Peer]
	if s.left || !fl.mayServe(s, p) {
		return
	}
	o := &order{Order: p, s: s, chain: fl.chain, began: -1}
	s.orders = append(s.orders, o)
	s.n.uploads[o] = true
	fl.n.w.control += orderOctets
	o.wait = fl.n.w.clock.after(fl.n.w.rtt(fl.n, s.n), o.begin)
}

// mayServe reports whether s offers all of o: a change of camp may have come
// between.
func (fl *flight) mayServe(s *source, o fetch.Order) bool {
	offers := fl.offers(s)
	for i := o.First; i < o.End; i++ {
		if !offers.Has(i) {
			return false
		}
	}
	return true
}

// partialWindow is how many answers with pieces of a body that is not complete
// a node gives at a time, as in fetch/swarm.
const partialWindow = 8

// errBusy and errGone are answers without octets.
var (
	errBusy = errors.New("busy")
	errGone = errors.New("not offered any more")
)

func (o *order) begin() {
	peer, fl := o.s.n, o.s.fl
	if peer.gone || o.ended {
		return
	}
	if err := o.enter(); err != nil {
		o.s.finish(o, err)
		return
	}
	up := peer.up
	if peer.liar {
		if up = peer.liarLine(); up == nil {
			return // it never sends
		}
	}
	octets := float64(fl.o.layout.Size(o.Next))
	o.flow = fl.n.w.net.open(up, fl.n.down, octets, o.cameIn, o.piece)
}

// enter takes a place among the answers of the peer, if it has one.
func (o *order) enter() error {
	peer, of := o.s.n, o.s.fl.o
	theirs := peer.flights[of]
	switch {
	case peer.liar, peer.shelf[of] != nil:
		return nil
	case theirs == nil:
		return errGone
	case theirs.answers >= partialWindow:
		return errBusy
	}
	theirs.answers++
	o.window = theirs
	return nil
}

// cameIn takes note of octets of the peer.
func (o *order) cameIn(octets float64, from, to time.Duration) {
	s := o.s
	if o.began < 0 {
		o.began, o.from = from, from
		s.fl.gauges.Helped(epoch.Add(s.fl.begun), epoch.Add(from))
	}
	s.n.sends(octets, from, to)
	s.total += octets
	s.came += octets
	if whole := math.Floor(s.came); whole > 0 {
		s.came -= whole
		if s.gauge == nil {
			s.gauge = new(fetch.PeerGauge)
		}
		s.gauge.Came(int64(whole), epoch.Add(from), epoch.Add(to))
	}
}

func (n *node) sends(octets float64, from, to time.Duration) {
	n.uploaded += octets
	n.w.fromPeers.add(octets, from, to)
}

// piece is the end of one piece of the order.
func (o *order) piece() {
	s, fl, now := o.s, o.s.fl, o.s.fl.n.w.clock.now
	i := o.Next
	octets := s.n.piece(fl.o, i)
	if octets == nil {
		s.finish(o, errGone)
		return
	}
	if err := s.judge(o.chain, i, octets); err != nil {
		if err == errNotClaimed {
			fl.accuse(s, i)
		}
		s.finish(o, err)
		return
	}
	fl.gauges.Fits(fl.o.layout.Size(i), epoch.Add(now))
	fl.keep(o.chain, i, arrival{s.n, o.from, now, octets})
	if fl.ended || o.ended {
		return
	}
	o.Next, o.from = i+1, now
	if o.Next == o.End {
		s.finish(o, nil)
		return
	}
	o.flow.next(float64(fl.o.layout.Size(o.Next)))
}

// keep holds a piece that fits, as fetch.crowd.keep.
func (fl *flight) keep(chain *verify.Chain, i int, a arrival) {
	if fl.chain != chain && (fl.chain == nil || fl.chain.Fit(i, a.octets) != nil) {
		return // what is right by the list of then is not by that of now
	}
	if fl.held.Has(i) || fl.front >= fl.o.layout.Offset(i+1) {
		return
	}
	proven, hash := fl.tail, fl.o.hashOf(i, a.octets)
	fl.hold(i, a, hash)
	fl.untried = true
	fl.offer(i, hash, false)
	for k := fl.tail; k < proven && chain != nil; k++ {
		if p := fl.arrivals[k]; p.peer != nil {
			fl.gauges.Proven(fl.o.layout.Size(k), epoch.Add(p.from), epoch.Add(p.to))
		}
	}
	fl.catchUp()
	fl.join()
}

// catchUp asks the line how far the front is, which may be between two marks.
func (fl *flight) catchUp() {
	if fl.lead != nil && fl.lead.d.flow != nil {
		fl.lead.d.flow.sync()
	}
}

// errBroken is a connection that ended.
var errBroken = errors.New("connection reset")

// broken tells the asker, after a while, that the peer is gone.
func (o *order) broken(after time.Duration) {
	if o.flow != nil {
		o.flow.close()
	}
	o.s.fl.n.w.clock.after(after, func() {
		if !o.ended && !o.s.fl.ended {
			o.s.finish(o, errBroken)
		}
	})
}

// drop takes an order off; the peer sends on for as long as it takes to notice.
func (o *order) drop(whole bool) {
	if o.ended {
		return
	}
	o.ended = true
	if o.window != nil {
		o.window.answers--
	}
	peer := o.s.n
	delete(peer.uploads, o)
	peer.w.clock.cancel(o.wait)
	switch {
	case o.flow == nil:
	case whole:
		o.flow.close()
	default:
		o.flow.abandon(peer.w.rtt(o.s.fl.n, peer), peer.sends)
	}
}

// finish ends an order, and with it the source if it lied or failed again.
func (s *source) finish(o *order, err error) {
	fl := s.fl
	s.orders = slices.DeleteFunc(s.orders, func(x *order) bool { return x == o })
	o.drop(err == nil)
	if err == nil {
		fl.gauges.Took((fl.n.w.clock.now - fl.start - o.Since) / time.Duration(o.End-o.First))
	}
	switch {
	case o.Next > o.First:
		s.fails = 0
	case s.member != nil && (err == errBusy || err == errGone || err == errFalseClaim):
		s.disappoint(o, err)
	case err != nil && !s.left && err != errNotClaimed:
		s.fails++
	}
	if _, lied := verify.LieOf(s.n.name(), fl.o.proof.Digest(), err, epoch.Add(fl.n.w.clock.now)); lied {
		fl.n.banned[s.n] = true
		fl.leavePeer(s)
	} else if s.fails > 1 || s.member == nil && err == errGone {
		fl.leavePeer(s)
	}
	fl.wake()
}

// disappoint takes note of an order that came to nothing without blame.
func (s *source) disappoint(o *order, err error) {
	s.member.busy = s.fl.n.w.clock.now + 100*time.Millisecond
	for i := o.Next; i < o.End && err != errBusy; i++ {
		s.member.has.Remove(i)
	}
}

// leavePeer ends all business with s in this flight.
func (fl *flight) leavePeer(s *source) {
	s.part()
	if s.camp == nil || s.camp != fl.active {
		return
	}
	for _, x := range fl.sources {
		if x.camp == fl.active && !x.left {
			return
		}
	}
	fl.changeCamp()
}

// part takes s off the flight.
func (s *source) part() {
	if s.left {
		return
	}
	if s.gauge != nil && s.member == nil {
		v := fetch.PeerView{}
		s.gauge.Fill(&v, 0, epoch, epoch.Add(s.fl.n.w.clock.now))
		s.fl.n.rates[s.n] = (s.fl.n.rates[s.n] + v.Rate) / 2
	}
	s.left = true
	for _, o := range s.orders {
		o.drop(false)
	}
	s.orders = nil
}

func sortedOrders(set map[*order]bool) []*order {
	out := make([]*order, 0, len(set))
	for o := range set {
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b *order) int {
		return cmp.Or(cmp.Compare(a.s.fl.n.index, b.s.fl.n.index), cmp.Compare(a.s.fl.o.index, b.s.fl.o.index),
			cmp.Compare(a.First, b.First), cmp.Compare(a.Since, b.Since))
	})
	return out
}
