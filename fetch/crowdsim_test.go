package fetch_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// crowdSim is a crowd that starts on a body which only the origin has, on fluid
// links: each line is shared evenly by what goes over it. News of pieces and
// intents takes delay to arrive.
type crowdSim struct {
	layout       verify.Layout
	now          time.Duration
	up, peerUp   float64 // octets a second
	peerDown     float64
	delay, found time.Duration
	nodes        []*crowdNode
	every        time.Duration // how often a node plans; zero is at each step
	sent         float64       // by the origin
	appeared     map[int]bool
}

type crowdNode struct {
	id, sim          int
	rank             uint64
	arrives          time.Duration
	idles            bool // takes and gives nothing, whatever it says
	front            float64
	have             fetch.Pieces
	since            []time.Duration // when each piece was here
	lead, striping   bool
	stripe, next     fetch.Run
	stripeFrom       time.Duration
	got              float64
	orders           []*simOrderOf
	recent           []simOctets
	news             time.Duration
	excused          map[int]time.Duration
	done             time.Duration
	met              time.Duration
	hungry           time.Duration
	own              []simOctets
	intents          []fetch.Intent
	announced        []announced
	fromPeers, alone float64
}

type announced struct {
	at      time.Duration
	intents []fetch.Intent
}

type simOrderOf struct {
	fetch.Order
	from time.Duration
	got  float64
}

const crowdStep = 10 * time.Millisecond

func newCrowdSim(r *rand.Rand, n int, size int64) *crowdSim {
	s := &crowdSim{
		layout: verify.LayoutOf(size), up: 20 * mbit, peerUp: 20 * mbit, peerDown: 40 * mbit,
		delay: 20 * time.Millisecond, found: 300 * time.Millisecond, appeared: map[int]bool{},
	}
	var object dht.ID
	for i := range object {
		object[i] = byte(r.Uint32())
	}
	for i := range n {
		s.nodes = append(s.nodes, &crowdNode{
			id: i, rank: fetch.RankOf(object, fmt.Sprint("peer", i)), lead: true, hungry: -1,
			have: fetch.NewPieces(s.layout.Pieces()), since: make([]time.Duration, s.layout.Pieces()),
			excused: map[int]time.Duration{},
		})
	}
	return s
}

// bound is the least time in which a fluid crowd can be done (design.md section 10).
func (s *crowdSim) bound() time.Duration {
	size, n := float64(s.layout.Length), 0.0
	t, last := 0.0, 0.0
	for _, x := range s.nodes {
		if !x.idles {
			n++
			last = max(last, x.arrives.Seconds()+size/s.peerDown)
		}
	}
	for sum := 0.0; sum < n*size; t += 0.01 {
		rate := s.up
		for _, x := range s.nodes {
			if !x.idles && x.arrives.Seconds() <= t {
				rate += s.peerUp
			}
		}
		sum += rate * 0.01
	}
	return time.Duration(max(size/s.up, last, t) * 1e9)
}

func (s *crowdSim) knows(x, y *crowdNode) bool {
	return x != y && s.now >= max(x.arrives, y.arrives)+s.found
}

func (s *crowdSim) view(x *crowdNode) fetch.View {
	n := s.layout.Pieces()
	v := fetch.View{
		Now: s.now, Layout: s.layout, Front: int64(x.front), Have: slices.Clone(x.have), Tail: n, Slots: 96,
		PeerSecond: lastSecond(x.recent, s.now), PeerSince: -1, Hungry: -1,
		Origin: fetch.OriginView{Open: x.lead, Until: s.layout.Length, Returns: true, Second: lastSecond(x.own, s.now), Rate: -1},
	}
	known, second := false, lastSecond(x.recent, s.now)
	for _, y := range s.nodes {
		if !s.knows(x, y) || y.done < 0 {
			continue
		}
		known = true
		p := fetch.PeerView{ID: y.id, Partial: true, Rank: y.rank, Has: fetch.NewPieces(n), Heard: s.now}
		for i := range n {
			if !y.idles && y.have.Has(i) && y.since[i]+s.delay <= s.now {
				p.Has.Add(i)
			}
		}
		for _, a := range y.announced {
			if a.at+s.delay <= s.now {
				p.Intents = a.intents
			}
		}
		at, excused := x.excused[y.id]
		p.Excused = excused && !slices.ContainsFunc(y.since, func(d time.Duration) bool { return d > at })
		for _, o := range x.orders {
			if o.Peer == y.id {
				p.Orders = append(p.Orders, o.Order)
			}
		}
		p.Second = second
		p.Rate = s.peerUp / float64(len(s.nodes))
		v.Peers = append(v.Peers, p)
	}
	if known || x.met > 0 {
		if x.met == 0 {
			x.met, x.alone = s.now, float64(lastSecond(x.own, s.now))/min(max((s.now-x.arrives).Seconds(), .1), 1)
		}
		v.Crowd = &fetch.Crowd{
			Rank: x.rank, Since: x.met, News: x.news, Flow: s.up, Alone: x.alone,
			Striping: x.striping, Stripe: x.stripe, Next: x.next,
		}
	}
	return v
}

func (s *crowdSim) apply(x *crowdNode, p fetch.Plan) {
	if p.Origin == fetch.LetGo {
		x.lead, x.striping, x.got = false, true, 0
	}
	for _, id := range p.Excuse {
		x.excused[id] = s.now
	}
	for _, o := range p.Void {
		x.orders = slices.DeleteFunc(x.orders, func(y *simOrderOf) bool { return y.Order == o })
	}
	changed := false
	if !p.Take.Empty() {
		x.stripe, x.got, x.stripeFrom, changed = p.Take, 0, s.now+2*s.delay, true
	}
	if p.Intend != x.next {
		x.next, changed = p.Intend, true
	}
	if changed {
		var in []fetch.Intent
		for _, r := range []fetch.Run{x.stripe, x.next} {
			if !r.Empty() {
				in = append(in, fetch.Intent{Run: r, Until: s.now + 3*time.Second})
			}
		}
		x.announced = append(x.announced, announced{s.now, in})
	}
	for _, o := range p.Orders {
		x.orders = append(x.orders, &simOrderOf{Order: o, from: s.now + 2*s.delay})
	}
}

// move lets crowdStep pass.
func (s *crowdSim) move() {
	s.now += crowdStep
	drawing := 0
	for _, x := range s.nodes {
		if x.draws(s.now) {
			drawing++
		}
	}
	share := s.up / float64(max(drawing, 1)) * crowdStep.Seconds()
	serving := make([]int, len(s.nodes))
	for _, x := range s.nodes {
		for _, o := range x.orders {
			if o.from <= s.now {
				serving[o.Peer]++
			}
		}
	}
	for _, x := range s.nodes {
		if x.draws(s.now) {
			s.draw(x, min(share, s.peerDown*crowdStep.Seconds()))
		}
		s.receive(x, serving)
	}
}

func (x *crowdNode) draws(now time.Duration) bool {
	return !x.idles && now >= x.arrives && (x.lead || !x.stripe.Empty() && now >= x.stripeFrom)
}

func (s *crowdSim) draw(x *crowdNode, octets float64) {
	s.sent += octets
	x.own = append(x.own, simOctets{s.now, octets})
	if x.lead {
		x.front += octets
		for i := 0; i < s.layout.Pieces() && s.layout.Offset(i+1) <= int64(x.front); i++ {
			s.hold(x, i)
		}
		return
	}
	x.got += octets
	for !x.stripe.Empty() && x.got >= float64(s.layout.Size(x.stripe.First)) {
		x.got -= float64(s.layout.Size(x.stripe.First))
		s.hold(x, x.stripe.First)
		x.stripe.First++
	}
}

func (s *crowdSim) hold(x *crowdNode, i int) {
	if x.have.Has(i) {
		return
	}
	x.have.Add(i)
	x.since[i] = s.now
	if !s.appeared[i] {
		s.appeared[i] = true
		for _, y := range s.nodes {
			y.news = s.now
		}
	}
	if x.have.Count() == s.layout.Pieces() {
		x.done, x.lead, x.stripe, x.next, x.orders = s.now, false, fetch.Run{}, fetch.Run{}, nil
	}
}

func (s *crowdSim) receive(x *crowdNode, serving []int) {
	active := 0
	for _, o := range x.orders {
		if o.from <= s.now {
			active++
		}
	}
	for _, o := range slices.Clone(x.orders) {
		if o.from > s.now {
			continue
		}
		n := min(s.peerUp/float64(serving[o.Peer]), s.peerDown/float64(active)) * crowdStep.Seconds()
		o.got += n
		x.recent = append(x.recent, simOctets{s.now, n})
		x.fromPeers += n
		for o.Next < o.End && o.got >= float64(s.layout.Size(o.Next)) {
			o.got -= float64(s.layout.Size(o.Next))
			s.hold(x, o.Next)
			o.Next++
		}
	}
	x.orders = slices.DeleteFunc(x.orders, func(o *simOrderOf) bool { return o.Next == o.End })
	old := func(o simOctets) bool { return o.at < s.now-2*time.Second }
	x.recent, x.own = slices.DeleteFunc(x.recent, old), slices.DeleteFunc(x.own, old)
}

// run plays the crowd to its end and returns when the last one was done.
func (s *crowdSim) run(limit time.Duration) (last time.Duration, ok bool) {
	for s.now < limit {
		busy := false
		for _, x := range s.nodes {
			if x.done == 0 && !x.idles {
				busy = true
				if s.now >= x.arrives && s.plans(x) {
					s.apply(x, fetch.Next(s.view(x)))
				}
			}
		}
		if !busy {
			return s.now, true
		}
		s.move()
	}
	return s.now, false
}

// plans reports whether it is x's turn to plan.
func (s *crowdSim) plans(x *crowdNode) bool {
	return s.every == 0 || (s.now/crowdStep+time.Duration(x.id))%(s.every/crowdStep) == 0
}

func (s *crowdSim) copies() float64 { return s.sent / float64(s.layout.Length) }

// TestCrowdSharesOneCopy: a crowd that starts on a body which nobody has takes
// little more than one copy from the origin and is done near the bound.
func TestCrowdSharesOneCopy(t *testing.T) {
	for _, c := range []struct {
		n              int
		every          time.Duration
		ratio, copies  float64
		mib, idleEvery int
	}{
		{n: 2, mib: 8, ratio: 1.2, copies: 1.2},
		{n: 8, mib: 32, ratio: 1.2, copies: 1.15},
		{n: 16, mib: 32, ratio: 1.3, copies: 1.2},
		{n: 8, mib: 32, every: 2 * time.Second, ratio: 1.3, copies: 1.2},
		{n: 12, mib: 16, every: 100 * time.Millisecond, ratio: 1.3, copies: 1.2},
		{n: 12, mib: 16, idleEvery: 4, ratio: 1.5, copies: 1.3},
	} {
		t.Run(fmt.Sprintf("%d peers every %v, idle %d", c.n, c.every, c.idleEvery), func(t *testing.T) {
			s := newCrowdSim(newRand(uint64(c.n)), c.n, int64(c.mib)*mib)
			for i, x := range s.nodes {
				x.arrives = time.Duration(i) * c.every
				x.idles = c.idleEvery > 0 && i%c.idleEvery == 1
			}
			took, ok := s.run(2 * time.Minute)
			bound := s.bound()
			t.Logf("took %v, bound %v (%.2f), %.2f copies", took, bound, took.Seconds()/bound.Seconds(), s.copies())
			if !ok || took.Seconds() > c.ratio*bound.Seconds() || s.copies() > c.copies {
				t.Errorf("want %.2f of the bound and %.2f copies", c.ratio, c.copies)
			}
		})
	}
}

// TestNewcomers: 200 members come 0.1 s apart to a crowd in which nobody was
// complete when the first ones came. All are done soon after the last has come:
// the origin, of which each takes until it has met others, is in nobody's way.
func TestNewcomers(t *testing.T) {
	s := newCrowdSim(newRand(200), 200, 4*mib)
	s.every = 100 * time.Millisecond
	for i, x := range s.nodes {
		x.arrives = time.Duration(i) * 100 * time.Millisecond
	}
	took, ok := s.run(2 * time.Minute)
	bound := s.bound()
	t.Logf("took %v, bound %v (%.2f), %.2f copies", took, bound, took.Seconds()/bound.Seconds(), s.copies())
	if !ok || took.Seconds() > 1.3*bound.Seconds() {
		t.Error("want 1.3 of the bound")
	}
}
