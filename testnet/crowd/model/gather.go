package model

import (
	"math"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Numbers of fetch/gather.go and of dht/kad.
const (
	enoughMembers = 8
	maxMet        = 64
	maxFound      = 1024
	maxFollowers  = 256
	firstWait     = 500 * time.Millisecond
)

var askAgain = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}

// member is one announcement of membership.
type member struct {
	n  *node
	at time.Duration // from when on it is found
}

// crowdState is what a flight knows of the others, as in fetch.crowd.
type crowdState struct {
	met       map[*node]bool
	heard     map[*node]bool // members, met or not
	before    int            // of them, in the order
	sources   []*source
	camps     map[[32]byte]*camp
	active    *camp
	live      int
	gathering bool

	board     *board
	offered   int           // pieces of the front that others were told of
	since     time.Duration // the first member was met; negative before
	news      time.Duration // a piece last appeared
	seen      fetch.Pieces
	followers int
	stripe    *stripe
	next      fetch.Run
	striping  bool
	hinted    time.Duration       // until when another heard the origin back off
	words     *fetch.Words[*node] // nil where nobody lies
	salt      uint64
	audits    int  // that were made
	drawn     int  // pieces that came by stripes
	untried   bool // the whole was not held against the digest as it is
	doubting  bool
}

// camp is one state list and the peers that committed to it, as in fetch.camp.
type camp struct {
	list    *verify.StateList
	common  fetch.Pieces // with the active camp; nil while not known
	exposed bool
}

// lookup is how long it takes to walk to the holders of a key, write to them
// and have their answer. It is what the real stack needs for networks of 100 to
// 10 000 nodes (30 to 234 ms for round trips of 60 ms), for any round trip.
func (w *world) lookup() time.Duration {
	hops := max(1, 1.3*math.Log10(float64(len(w.nodes)))-1.3)
	return time.Duration(hops * float64(w.cfg.Peers.RTT))
}

// Octets of what nodes say to each other, in round numbers: a look-up, one
// message, and one order with the frames of its answer.
const (
	lookupOctets  = 12 * 800
	messageOctets = 120
	orderOctets   = 180
	hashOctets    = 32
)

// gather makes the node a member of the object's crowd and meets the others.
func (fl *flight) gather() {
	w, o := fl.n.w, fl.o
	w.announce(fl.n, o, w.lookup())
	w.clock.after(w.lookup()+w.cfg.Peers.RTT, fl.find)
	for _, at := range askAgain {
		w.clock.after(at, func() {
			if !fl.ended && fl.live < enoughMembers {
				w.control += lookupOctets
				w.clock.after(w.lookup(), fl.find)
			}
		})
	}
	w.clock.after(askAgain[len(askAgain)-1]+w.lookup(), func() { fl.gathering = false; fl.wake() })
}

// announce makes n found as a member of the crowd of o.
func (w *world) announce(n *node, o *object, after time.Duration) {
	w.control += lookupOctets
	w.clock.after(after, func() {
		w.members[o.index] = append(w.members[o.index], &member{n, w.clock.now})
	})
}

// find meets the members that are known by now, in an order of its own.
func (fl *flight) find() {
	all := fl.n.w.members[fl.o.index]
	if fl.ended {
		return
	}
	for found, i := range pick(len(all), maxFound, fl.n.w) {
		if found >= maxFound {
			return
		}
		fl.encounter(all[i].n)
	}
}

// maxMet is how many members one flight talks to. In a crowd of very many it is
// fewer than fetch has, or a rehearsal would not fit into memory.
func (w *world) maxMet() int {
	if len(w.nodes) > slowCrowd {
		return maxMet / 4
	}
	return maxMet
}

// encounter meets n unless it was met before.
func (fl *flight) encounter(n *node) {
	if fl.ended || n == fl.n || fl.met[n] {
		return
	}
	if len(fl.heard) < maxFound && !fl.heard[n] {
		fl.heard[n] = true
		if fl.o.rankOf(n) < fl.board.rank {
			fl.before++
		}
	}
	if len(fl.met) >= fl.n.w.maxMet() && !fl.wantsFirst(n) {
		return
	}
	fl.met[n] = true
	fl.meet(n, firstWait, false)
}

// wantsFirst reports whether n is to be met although enough are, as in fetch.
func (fl *flight) wantsFirst(n *node) bool {
	w := fl.n.w
	if len(fl.met) >= w.maxMet()+fetch.MostFirst || len(w.nodes) > slowCrowd {
		return false
	}
	later, before := max(fl.o.rankOf(n), fl.board.rank), 0
	for m := range fl.met {
		if fl.o.rankOf(m) < later {
			before++
		}
	}
	return before < fetch.EnoughFirst
}

// pick draws up to most of n places, in random order.
func pick(n, most int, w *world) []int {
	if n <= 4*most {
		return w.dice.Perm(n)
	}
	seen, out := map[int]bool{}, make([]int, 0, most)
	for len(out) < most {
		if i := w.dice.IntN(n); !seen[i] {
			seen[i] = true
			out = append(out, i)
		}
	}
	return out
}

// reach reports whether n can talk to peer now, and how long connecting takes.
// Nobody dials into a NAT.
func (n *node) reach(peer *node) (connect time.Duration, ok bool) {
	switch {
	case peer.gone:
		return 0, false
	case n.connected[peer]:
		return 0, true
	case peer.nat:
		return 0, false
	}
	return 3 * n.w.rtt(n, peer), true // TCP, TLS, and the choice of muxer and protocol
}

// meet asks one member what it has, and again while it is on its way to all.
func (fl *flight) meet(peer *node, wait time.Duration, counted bool) {
	w := fl.n.w
	if fl.ended || fl.n.banned[peer] {
		return
	}
	again := func(counted bool) {
		w.clock.after(wait, func() { fl.meet(peer, min(2*wait, 8*time.Second), counted) })
	}
	connect, ok := fl.n.reach(peer)
	if !ok {
		if wait <= 4*time.Second {
			again(counted)
		}
		return
	}
	w.clock.after(connect+w.rtt(fl.n, peer), func() {
		if fl.ended || peer.gone {
			return
		}
		fl.n.connected[peer], peer.connected[fl.n] = true, true
		w.control += messageOctets + int64(fl.o.layout.Pieces()/8)
		if !counted {
			fl.live++
		}
		b, complete := peer.offers(fl.o)
		switch {
		case complete:
			w.control += int64(fl.o.layout.Pieces()) * hashOctets
			fl.enlist(peer)
		case b != nil && fl.board != nil && !b.over:
			w.clock.after(w.rtt(fl.n, peer), func() { fl.follow(peer, b) })
		default:
			again(true)
		}
	})
}

// follow makes a source of a live member, and hears its news from now on.
func (fl *flight) follow(peer *node, b *board) {
	w := fl.n.w
	if theirs := peer.flights[fl.o]; theirs != nil && theirs.board == b {
		if theirs.followers >= maxFollowers {
			return
		}
		theirs.followers++
		theirs.encounter(fl.n) // who follows is met, too
	}
	if fl.ended || fl.n.banned[peer] {
		return
	}
	fl.board.members = append(fl.board.members, peer)
	if fl.since < 0 {
		fl.since = w.clock.now
	}
	fl.sources = append(fl.sources, &source{fl: fl, id: len(fl.sources), n: peer, member: &membership{
		b: b, delay: gatherNews + w.rtt(fl.n, peer)/2, has: fetch.NewPieces(fl.o.layout.Pieces()), met: w.clock.now,
	}})
	fl.hear(fl.sources[len(fl.sources)-1])
	if fl.words != nil {
		fl.words.Met(peer)
	}
	fl.wake()
}

// enlist makes a source of a peer that says it has the whole body, in the camp
// of its state list.
func (fl *flight) enlist(peer *node) {
	list := peer.list(fl.o)
	hash := list.Hash()
	if fl.camps[hash] == nil {
		fl.n.w.control += messageOctets + int64(len(list.Bytes()))
		fl.n.w.clock.after(fl.n.w.rtt(fl.n, peer), func() {
			if fl.camps[hash] == nil {
				fl.camps[hash] = &camp{list: list}
			}
			fl.tryList(peer, fl.camps[hash])
		})
		return
	}
	fl.tryList(peer, fl.camps[hash])
}

func (fl *flight) enrol(peer *node, home *camp) {
	if fl.ended || home.exposed {
		return
	}
	if fl.active == nil && !fl.adopt(home) {
		return
	}
	s := &source{fl: fl, id: len(fl.sources), n: peer, camp: home, known: fl.n.rates[peer]}
	s.has = fetch.AllPieces(fl.o.layout.Pieces())
	for _, x := range fl.sources {
		if x.n == peer && x.member != nil {
			x.member.enlisted = true
		}
	}
	fl.sources = append(fl.sources, s)
	fl.wake()
}

// adopt holds pieces against home's list from now on. What is proven stays; of
// the rest what fits.
func (fl *flight) adopt(home *camp) bool {
	chain, err := verify.NewChain(fl.o.proof, home.list)
	if err != nil {
		return false
	}
	misfits, err := fl.refit(chain)
	if err != nil {
		home.exposed = true
		for _, s := range fl.sources {
			if s.camp == home {
				s.part()
			}
		}
		return false
	}
	for _, i := range misfits {
		fl.drop(i)
		if fl.board != nil {
			fl.board.lose(i)
		}
	}
	fl.untried = true
	fl.chain, fl.active = chain, home
	for _, s := range fl.sources {
		if s.camp != nil {
			s.camp.common = nil
		}
	}
	return true
}

// refit holds what is here against another list, as fetch.crowd.refit.
func (fl *flight) refit(chain *verify.Chain) (misfits []int, err error) {
	proven := fl.tail
	if fl.chain == nil {
		proven = fl.o.layout.Pieces()
	}
	for i := fl.o.layout.Pieces() - 1; i >= 0; i-- {
		if !fl.held.Has(i) {
			continue
		}
		switch err := chain.Fit(i, fl.arrivals[i].octets); {
		case err == nil:
		case i >= proven || fl.own.Has(i):
			return nil, err
		default:
			misfits = append(misfits, i)
		}
	}
	return misfits, nil
}

// changeCamp goes over to the list of other peers when nobody is left of the
// active one.
func (fl *flight) changeCamp() {
	for {
		var next *camp
		for _, s := range fl.sources {
			switch {
			case s.left, s.camp == nil:
			case s.camp == fl.active:
				return
			case next == nil:
				next = s.camp
			}
		}
		if next == nil {
			fl.active = nil
			return
		}
		if fl.adopt(next) {
			return
		}
	}
}
