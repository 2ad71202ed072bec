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

// source is one peer of a flight, as in fetch.
type source struct {
	fl     *flight
	id     int
	n      *node
	camp   *camp
	has    fetch.Pieces
	gauge  fetch.PeerGauge
	orders []*order
	fails  int
	left   bool
	known  float64
	came   float64 // octets, with a fraction not told to the gauge yet
	total  float64
	first  time.Duration
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
}

// give starts an order: what was asked for begins to come a round trip later.
func (fl *flight) give(p fetch.Order) {
	s := fl.sources[p.Peer]
	if s.left {
		return
	}
	o := &order{Order: p, s: s, chain: fl.chain, began: -1}
	s.orders = append(s.orders, o)
	s.n.uploads[o] = true
	fl.n.w.control += orderOctets
	o.wait = fl.n.w.clock.after(fl.n.w.rtt(fl.n, s.n), o.begin)
}

func (o *order) begin() {
	peer, fl := o.s.n, o.s.fl
	if peer.gone || o.ended {
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
	if err := o.chain.Fit(i, octets); err != nil {
		s.finish(o, err)
		return
	}
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
	if fl.chain != chain || fl.held.Has(i) || fl.front >= fl.o.layout.Offset(i+1) {
		return
	}
	fl.held.Add(i)
	fl.arrivals[i], fl.loose[i] = a, true
	for fl.tail > 0 && fl.held.Has(fl.tail-1) {
		fl.tail--
		delete(fl.loose, fl.tail)
		p := fl.arrivals[fl.tail]
		fl.gauges.Proven(fl.o.layout.Size(fl.tail), epoch.Add(p.from), epoch.Add(p.to))
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
	o.ended = true
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
	case err != nil && !s.left:
		s.fails++
	}
	if _, lied := verify.LieOf(s.n.name(), fl.o.proof.Digest(), err, epoch.Add(fl.n.w.clock.now)); lied {
		fl.n.banned[s.n] = true
		fl.leavePeer(s)
	} else if s.fails > 1 {
		fl.leavePeer(s)
	}
	fl.wake()
}

// leavePeer ends all business with s in this flight.
func (fl *flight) leavePeer(s *source) {
	s.part()
	for _, x := range fl.sources {
		if x.camp == fl.active && !x.left {
			return
		}
	}
	if s.camp == fl.active {
		fl.changeCamp()
	}
}

// part takes s off the flight.
func (s *source) part() {
	if s.left {
		return
	}
	if s.total > 0 {
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

func sortedKeys(set map[int]bool) []int {
	out := make([]int, 0, len(set))
	for i := range set {
		out = append(out, i)
	}
	slices.Sort(out)
	return out
}
