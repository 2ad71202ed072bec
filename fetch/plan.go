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
	longPiece     = time.Second
	// orderTime is how much of a peer's rate one order takes up: long enough
	// that a request's round trip does not count, short enough that little is
	// lost with a peer.
	orderTime = 250 * time.Millisecond
	// maxOrder bounds an order in pieces.
	maxOrder = 32
	// stallAfter is how long a peer that owes octets may be silent, or slower
	// than trickleRate, before it is left. Promise: within 2 s.
	stallAfter  = 1500 * time.Millisecond
	trickleRate = 16 << 10 // octets a second
	// lastHope is how long a peer may be silent who alone could still deliver.
	lastHope = 10 * time.Second
	// holdLimit is how long readers may wait for proven octets before the
	// origin is asked for some: 16 KiB every 5 s are promised, less the time
	// that the request takes.
	holdLimit = 4 * time.Second
	// holdRange is what is then asked for: ranges of an origin are 256 KiB or
	// more.
	holdRange = 256 << 10
	// sure is how long both the origin and the peers must have delivered
	// before the one is let go for the others: a second is what law 2 looks
	// at, and a burst at the beginning is not a rate. Each time that the
	// origin had to return it takes twice as long, up to doublings times, so
	// that peers of the origin's own speed do not make it come and go.
	sure      = time.Second
	doublings = 4
	// tolerance is how much of the origin's rate keeps it away: a measurement
	// is not better than this.
	tolerance = 0.95
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
	// Usual is how long an order takes for each of its pieces, but for one in
	// twenty; 0 while that is not known.
	Usual time.Duration
	// PeerSecond is how many octets with proof came from peers in the last
	// second, PeerSince when the first did; negative for never.
	PeerSecond int64
	PeerSince  time.Duration
	// Hungry since: readers have had all that is proven and wait; negative
	// when none does.
	Hungry time.Duration
	// Crowd is set once a member was met that is not complete.
	Crowd *Crowd

	holders []int // of each piece, once Next has counted them
}

// OriginView is the origin as the planner sees it.
type OriginView struct {
	// Open: a stream delivers from Front on; up to Until. Since is when its
	// first octet came, or while none has, when it was asked for.
	Open  bool
	Until int64
	Since time.Duration
	// Returns: ranges can be asked for, so that letting go is not for ever.
	Returns bool
	// NotBefore: no request until then (back-off, or a failure just now).
	NotBefore time.Duration
	// Second is how many octets came in the last second. Rate is what the
	// origin gives of itself (pace); negative while that is not known.
	Second int64
	Rate   float64
	// LetGo is how often it was let go.
	LetGo int
}

// PeerView is one peer: one that holds pieces under the state list in use, or
// a live member of a crowd that may hold none yet.
type PeerView struct {
	ID     int
	Has    Pieces
	Orders []Order
	// Second is how many octets came in the last second, Rate that as a rate,
	// Heard when the latest one came.
	Second int64
	Rate   float64
	Heard  time.Duration
	// Partial: it has not all. Then Has are the pieces that it offers now and
	// that are not known to be false, and the rest tells of its part in a crowd:
	// its rank, its address group ("" if not known), what it means to take
	// from the origin, and whether it no longer counts (Plan.Excuse).
	Partial bool
	Rank    uint64
	Group   string
	Intents []Intent
	Excused bool
	// NotBefore: it has no room for more requests until then.
	NotBefore time.Duration
	// Credit is how many octets it lets this node have under way; 0 when that is
	// not known.
	Credit int64
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
	// Orders to give, and peers to leave: their orders are void. Void are
	// orders to end, since what they are about has come.
	Orders []Order
	Leave  []int
	Void   []Order
	// Take is the run to take from the origin at once, and Intend the one to
	// announce as the next; each may be empty, and then there is none.
	Take, Intend Run
	// Excuse are members that no longer count in the order of the crowd until
	// they announce a new piece.
	Excuse []int
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
	if v.Crowd != nil {
		v.inCrowd(&p)
		return p
	}
	p.Origin, p.Until = originMove(v)
	leads := v.Origin.Open && p.Origin != LetGo || p.Origin == Return
	p.Orders = assign(v, leads)
	return p
}

// inCrowd plans for a crowd of which not all are complete. While some are, and
// the origin still leads, all is as without the others but for the order of the
// pieces. Else members share one copy of the origin, by stripes.
func (v View) inCrowd(p *Plan) {
	listed := slices.ContainsFunc(v.Peers, func(x PeerView) bool { return !x.Partial })
	p.Void = v.void()
	v.holders = v.countHolders()
	met := slices.ContainsFunc(v.Peers, func(x PeerView) bool { return x.Partial })
	if !v.Origin.Returns || !v.Crowd.Striping && (listed || !met) {
		p.Origin, p.Until = originMove(v)
		leads := v.Origin.Open && p.Origin != LetGo || p.Origin == Return
		p.Orders = v.rarest(leads, listed)
		return
	}
	tail := v.Layout.Offset(v.Tail)
	switch {
	case v.Origin.Open && !v.Crowd.Striping && v.Origin.Until >= tail && v.fed():
		p.Origin = LetGo
		v.Origin.Open = false
	case v.starving(tail):
		p.Origin, p.Until = Return, min(tail, v.Front+drips*DripSize(v.members(), v.Crowd.Flow))
		v.Origin.Open = true
	}
	if listed && v.covered() && !v.starved() {
		v.Origin.Returns = false // peers hold all that is missing, with proof
	} else {
		p.Excuse = v.excused()
	}
	p.Take, p.Intend = v.stripes()
	crowd := *v.Crowd
	if !p.Take.Empty() {
		crowd.Stripe = p.Take
	}
	v.Crowd = &crowd
	p.Orders = v.rarest(v.Origin.Open, listed)
}

// stalled returns the peers that owe octets and are silent, or that trickle
// while there is anybody else.
func stalled(v View) []int {
	others := v.Origin.Open || v.Origin.Returns || len(v.Peers) > 1
	limit := lastHope
	if others {
		limit = stallAfter
	}
	var out []int
	for _, p := range v.Peers {
		if len(p.Orders) == 0 {
			continue
		}
		since := slices.MinFunc(p.Orders, func(a, b Order) int { return cmp.Compare(a.Since, b.Since) }).Since
		patience, trickle := limit, stallAfter
		if p.Partial { // it serves others of the crowd, too
			patience, trickle = max(limit, 2*stallAfter), 2*stallAfter
		}
		silent := v.Now-max(p.Heard, since) >= patience
		trickles := v.Now-since >= trickle && p.Second < trickleRate
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
	o, tail := v.Origin, v.Layout.Offset(v.Tail)
	covered := v.covered()
	switch {
	case o.Open && covered && v.mayLetGo(tail):
		return LetGo, 0
	case o.Open, v.Front >= tail, !o.Returns, v.Now < o.NotBefore:
		return Stay, 0
	case !covered, o.Rate < 0, float64(v.PeerSecond) < tolerance*o.Rate:
		return Return, tail
	case v.Hungry >= 0 && v.Now-v.Hungry >= holdLimit:
		return Return, min(tail, v.Front+holdRange)
	}
	return Stay, 0
}

// mayLetGo reports whether peers that hold all that is missing are as good as
// the origin. A stream that ends before the tail is for readers who have
// waited, and is not let go.
func (v View) mayLetGo(tail int64) bool {
	o := v.Origin
	if !o.Returns || o.Rate < 0 || o.Until < tail || v.PeerSince < 0 {
		return false
	}
	return v.Now-v.PeerSince >= sure && v.Now-o.Since >= sure<<min(o.LetGo, doublings) &&
		v.PeerSecond > 0 && float64(v.PeerSecond) >= o.Rate
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
