package model

import (
	"math/rand/v2"
	"time"
)

// node is one member of the crowd: a visitor, and the node that works for it.
type node struct {
	w        *world
	index    int
	alias    int           // of a liar with several names
	at       time.Duration // when it comes
	delay    time.Duration // its half of a round trip
	up, down *link
	liar     bool
	nat      bool
	slow     *link // of a liar that trickles

	gone      bool
	leaves    time.Duration
	queue     []*object // not begun yet
	under     int       // downloads under way
	failed    bool
	firstByte time.Duration
	doneAt    time.Duration

	idle      int // connections to the origin that wait for a request
	shelf     map[*object]*shelved
	boards    map[*object]*board // of flights, and of liars
	flights   map[*object]*flight
	uploads   map[*order]bool
	connected map[*node]bool
	banned    map[*node]bool
	rates     map[*node]float64 // of peers in earlier flights
	uploaded  float64
}

// shelved is a complete body that a node serves. All octets are the object's,
// but for those in wrong.
type shelved struct {
	wrong map[int][]byte
}

// parallel is how many files of a site a visitor fetches at once: the limit of
// connections an origin that browsers, and nodes, keep.
const parallel = 6

func (w *world) newNode(i int, at time.Duration, r *rand.Rand) *node {
	p := w.cfg.Peers
	n := &node{
		w: w, index: i, at: at, firstByte: -1, doneAt: -1,
		delay: time.Duration(float64(p.RTT) / 2 * (.5 + r.Float64())),
		up:    newLine(float64(p.Up) / 8), down: newLine(float64(p.Down) / 8),
		shelf: map[*object]*shelved{}, boards: map[*object]*board{}, flights: map[*object]*flight{}, uploads: map[*order]bool{},
		connected: map[*node]bool{}, banned: map[*node]bool{}, rates: map[*node]float64{},
	}
	return n
}

func (n *node) arrive() {
	if n.liar {
		n.lie()
		return
	}
	n.queue = n.w.objects
	for range min(parallel, len(n.queue)) {
		n.nextFile()
	}
}

// nextFile begins the next file, or ends the visit.
func (n *node) nextFile() {
	if n.gone || n.failed {
		return
	}
	if len(n.queue) == 0 {
		if n.under == 0 {
			n.doneAt = n.w.clock.now
			n.w.left--
		}
		return
	}
	o := n.queue[0]
	n.queue = n.queue[1:]
	n.under++
	n.try(o, 0)
}

// maxTries is how often a visitor comes back after an error before he gives
// up, and tryAgain the least that he waits.
const (
	maxTries = 10
	tryAgain = retryAfter
)

// try fetches o. A visitor who gets an error tries again, as the answer asks.
func (n *node) try(o *object, before int) {
	if n.gone || n.failed {
		return
	}
	newFlight(n, o, func(err error) {
		switch {
		case err == nil:
			n.under--
			n.nextFile()
		case before+1 >= maxTries:
			n.failed = true
			n.w.left--
		default:
			wait := time.Duration(float64(tryAgain) * (1 + .4*n.w.dice.Float64()))
			n.w.clock.after(wait, func() { n.try(o, before+1) })
		}
	})
}

// leave takes the node off the net at once.
func (n *node) leave() {
	if n.gone {
		return
	}
	n.gone = true
	if n.doneAt < 0 && !n.failed {
		n.w.left--
	}
	for _, o := range n.w.objects {
		if fl := n.flights[o]; fl != nil {
			fl.close()
		}
	}
	for _, up := range sortedOrders(n.uploads) {
		up.broken(n.w.rtt(up.s.fl.n, n) / 2)
	}
}

// offers returns where n tells what it has of o, nil for nowhere, and whether it
// says that it has all.
func (n *node) offers(o *object) (b *board, complete bool) {
	if n.liar {
		return n.boards[o], n.boards[o] == nil
	}
	if n.shelf[o] != nil {
		return nil, true
	}
	if fl := n.flights[o]; fl != nil {
		return fl.board, false
	}
	return nil, false
}

// piece returns the octets of piece i as n sends them, nil if it cannot.
func (n *node) piece(o *object, i int) []byte {
	if n.liar {
		return n.falsePiece(o, i)
	}
	if kept := n.shelf[o]; kept != nil {
		if b, ok := kept.wrong[i]; ok {
			return b
		}
		return o.piece(i)
	}
	fl := n.flights[o]
	switch {
	case fl == nil:
		return nil
	case o.layout.Offset(i+1) <= fl.front:
		return o.piece(i)
	case fl.held.Has(i):
		return fl.arrivals[i].octets
	}
	return nil
}
