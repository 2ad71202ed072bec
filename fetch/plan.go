package fetch

import (
	"cmp"
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// The planner's numbers.
const (
	// ordersPerPeer keeps a peer's pipe full: while one order streams, the
	// next is already asked for.
	ordersPerPeer = 2
	// orderTime is how much of a peer's rate one order takes up: long enough
	// that a request's round trip does not count, short enough that little is
	// lost with a peer.
	orderTime = 250 * time.Millisecond
	// maxOrder bounds an order in pieces.
	maxOrder = 16
	// stallAfter is how long a peer that owes octets may be silent, or slower
	// than trickleRate, before it is left. Promise: within 2 s.
	stallAfter  = 1500 * time.Millisecond
	trickleRate = 16 << 10 // octets a second
	// holdLimit is how long readers may wait for proven octets before the
	// origin is asked for some: 16 KiB every 5 s are promised, less the time
	// that the request takes.
	holdLimit = 4 * time.Second
	// holdRange is what is then asked for: ranges of an origin are 256 KiB or
	// more.
	holdRange = 256 << 10
	// settle is how long after the origin was let go its return waits for the
	// peers' last second to mean something.
	settle = time.Second
)

// View is all that the planner knows of one transfer. Times count from the
// beginning of the flight, rates are octets a second.
type View struct {
	Now    time.Duration
	Layout verify.Layout
	// Front: the octets before it have come from the origin, in order, and
	// are with the readers.
	Front int64
	// Have are the pieces behind Front that are here and fit their list.
	// Pieces from Tail on are all here.
	Have Pieces
	Tail int
	// Slots is how many orders may be outstanding in all.
	Slots  int
	Origin OriginView
	Peers  []PeerView
	// PeerSecond is how many octets of peers were proven in the last second.
	PeerSecond int64
	// Hungry since: readers have had all that is proven and wait; negative
	// when none does.
	Hungry time.Duration
}

// OriginView is the origin as the planner sees it.
type OriginView struct {
	// Open: a stream is delivering from Front on; up to Until.
	Open  bool
	Until int64
	// Returns: ranges can be asked for, so that letting go is not for ever.
	Returns bool
	// NotBefore: no request until then (back-off, or a failure just now).
	NotBefore time.Duration
	// Second is how many octets came in the last second, Rate the best rate
	// that was observed over a second while the origin led.
	Second int64
	Rate   float64
	// LetGo is when it was let go last; negative for never.
	LetGo time.Duration
}

// PeerView is one peer that holds pieces under the state list in use.
type PeerView struct {
	ID     int
	Has    Pieces
	Orders []Order
	// Second is how many octets came in the last second, Rate that as a rate,
	// Heard when the latest one came.
	Second int64
	Rate   float64
	Heard  time.Duration
}

// Order is a run of pieces that a peer was asked for, in [First, End); those
// before Next have come.
type Order struct {
	Peer             int
	First, Next, End int
	// Since it was given.
	Since time.Duration
}

// Move is what the origin is to do.
type Move int

// The moves of the origin.
const (
	// Stay: go on as it is.
	Stay Move = iota
	// LetGo: stop taking from the origin.
	LetGo
	// Return: ask the origin for Plan.Until-Front octets from Front.
	Return
)

// Plan is what is to be done now.
type Plan struct {
	Origin Move
	Until  int64
	// Orders to give, and peers to leave: their orders are void.
	Orders []Order
	Leave  []int
}

// Next returns what to do in the situation v. It is a pure function: the node
// and the simulator drive the same code.
//
// The origin leads from the front. Peers fill from the back, because a state
// list proves pieces from the digest backwards. Where both meet, the body is
// whole.
func Next(v View) Plan {
	var p Plan
	p.Leave = stalled(v)
	v.Peers = slices.DeleteFunc(slices.Clone(v.Peers), func(x PeerView) bool { return slices.Contains(p.Leave, x.ID) })
	p.Origin, p.Until = originMove(v)
	leads := v.Origin.Open && p.Origin != LetGo || p.Origin == Return
	p.Orders = assign(v, leads)
	return p
}

// stalled returns the peers that owe octets and are silent, or that trickle
// while there is anybody else.
func stalled(v View) []int {
	others := v.Origin.Open || v.Origin.Returns || len(v.Peers) > 1
	var out []int
	for _, p := range v.Peers {
		if len(p.Orders) == 0 {
			continue
		}
		since := slices.MinFunc(p.Orders, func(a, b Order) int { return cmp.Compare(a.Since, b.Since) }).Since
		silent := v.Now-max(p.Heard, since) >= stallAfter
		trickles := v.Now-since >= stallAfter && p.Second < trickleRate
		if silent || trickles && others {
			out = append(out, p.ID)
		}
	}
	return out
}

// originMove applies laws 2 and 4: the origin leads until peers hold all that
// is missing and were no slower over the last second; it returns when either
// fails, and whenever readers have waited too long.
func originMove(v View) (Move, int64) {
	tail := v.Layout.Offset(v.Tail)
	covered := v.covered()
	enough := v.PeerSecond > 0 && float64(v.PeerSecond) >= v.Origin.Rate
	if v.Origin.Open {
		if v.Origin.Returns && covered && v.PeerSecond > 0 && v.PeerSecond >= v.Origin.Second {
			return LetGo, 0
		}
		return Stay, 0
	}
	if v.Front >= tail || !v.Origin.Returns || v.Now < v.Origin.NotBefore {
		return Stay, 0
	}
	if !covered {
		return Return, tail
	}
	if !enough && v.Origin.LetGo >= 0 && v.Now-v.Origin.LetGo >= settle {
		return Return, tail
	}
	if v.Hungry >= 0 && v.Now-v.Hungry >= holdLimit {
		return Return, min(tail, v.Front+holdRange)
	}
	return Stay, 0
}

// covered reports whether live peers hold every missing piece.
func (v View) covered() bool {
	for i := v.firstWhole(false); i < v.Tail; i++ {
		if v.Have.Has(i) {
			continue
		}
		if !slices.ContainsFunc(v.Peers, func(p PeerView) bool { return p.Has.Has(i) }) {
			return false
		}
	}
	return true
}

// firstWhole returns the first piece that peers may be asked for: while the
// origin leads, the piece that it is in is its own.
func (v View) firstWhole(leads bool) int {
	i := v.Layout.PieceAt(v.Front)
	if leads && v.Front < v.Layout.Length {
		i++
	}
	return i
}

// assign gives free peers the highest missing pieces that nobody was asked
// for, and then, once each, pieces that another peer is late with.
func assign(v View, leads bool) []Order {
	asked := make([]int, v.Layout.Pieces())
	outstanding := 0
	for _, p := range v.Peers {
		outstanding += len(p.Orders)
		for _, o := range p.Orders {
			for i := o.Next; i < o.End; i++ {
				asked[i]++
			}
		}
	}
	peers := slices.Clone(v.Peers)
	slices.SortStableFunc(peers, func(a, b PeerView) int { return cmp.Compare(b.Rate, a.Rate) })
	late := v.late(asked)
	first := v.firstWhole(leads)

	var out []Order
	for turn := range ordersPerPeer {
		for _, p := range peers {
			if len(p.Orders) > turn || outstanding >= v.Slots {
				continue
			}
			o, ok := v.highestRun(p, first, func(i int) bool { return asked[i] == 0 })
			if !ok {
				o, ok = v.highestRun(p, first, func(i int) bool { return asked[i] == 1 && late[i] && !p.owes(i) })
			}
			if !ok {
				continue
			}
			for i := o.First; i < o.End; i++ {
				asked[i]++
			}
			outstanding++
			out = append(out, o)
		}
	}
	return out
}

// late returns the pieces whose order is well past the time that it should
// have taken: a hedge for each is worth its cost.
func (v View) late(asked []int) []bool {
	late := make([]bool, len(asked))
	for _, p := range v.Peers {
		for _, o := range p.Orders {
			due := 2 * orderTime
			if p.Rate > 0 {
				size := float64(v.Layout.Offset(o.End) - v.Layout.Offset(o.First))
				due = max(due, time.Duration(2*size/p.Rate*float64(time.Second)))
			}
			for i := o.Next; i < o.End && v.Now-o.Since > due; i++ {
				late[i] = true
			}
		}
	}
	return late
}

// owes reports whether p was asked for piece i.
func (p PeerView) owes(i int) bool {
	return slices.ContainsFunc(p.Orders, func(o Order) bool { return o.Next <= i && i < o.End })
}

// highestRun returns the run of missing pieces nearest the end that p has and
// wanted says yes to, as long as p's rate makes worth while.
func (v View) highestRun(p PeerView, first int, wanted func(int) bool) (Order, bool) {
	good := func(i int) bool { return i >= first && !v.Have.Has(i) && p.Has.Has(i) && wanted(i) }
	last := v.Tail - 1
	for last >= first && !good(last) {
		last--
	}
	if last < first {
		return Order{}, false
	}
	length := int(p.Rate * orderTime.Seconds() / float64(v.Layout.PieceSize))
	low := last
	for low > first && last-low+1 < min(max(length, 1), maxOrder) && good(low-1) {
		low--
	}
	return Order{Peer: p.ID, First: low, Next: low, End: last + 1, Since: v.Now}, true
}
