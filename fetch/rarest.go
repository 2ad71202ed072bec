package fetch

import (
	"cmp"
	"slices"
	"time"
)

const (
	// rareOrderTime is how much of a peer's rate an order in a crowd takes up:
	// the shorter, the sooner a piece is handed on.
	rareOrderTime = 100 * time.Millisecond
	maxRareOrder  = 16
	// endgame is how many pieces may be asked for twice when they are the
	// last.
	endgame = 4
	// listWindow is how far before the proven tail pieces under a state list
	// are asked for, for each member of the crowd: a list proves backwards, and
	// yet members should not all ask for the same.
	listWindow = 16
)

// rarest gives free peers the missing pieces that fewest members have, so that
// each has something that others lack; of equally rare ones each node takes
// others first. listed: a state list is in use.
func (v View) rarest(leads, listed bool) []Order {
	w := v.wanted(leads, listed)
	peers := slices.Clone(v.Peers)
	slices.SortStableFunc(peers, func(a, b PeerView) int { return cmp.Compare(b.Rate, a.Rate) })
	late := v.late(w.asked)
	var out []Order
	for turn := range ordersPerPeer {
		for _, p := range peers {
			if len(p.Orders) > turn || turn >= v.pipe(p) || w.outstanding >= v.Slots || v.Now < p.NotBefore {
				continue
			}
			o, ok := w.pick(p, func(i int) bool { return w.asked[i] == 0 })
			if !ok {
				again := func(i int) bool { return w.asked[i] == 1 && (late[i] || w.last) && !p.owes(i) && !gave(out, p.ID, i) }
				o, ok = w.pick(p, again)
				o.End = min(o.End, o.First+1)
			}
			if !ok {
				continue
			}
			for i := o.First; i < o.End; i++ {
				w.asked[i]++
			}
			w.outstanding++
			out = append(out, o)
		}
	}
	return out
}

// gave reports whether one of orders asks peer for piece i.
func gave(orders []Order, peer, i int) bool {
	return slices.ContainsFunc(orders, func(o Order) bool { return o.Peer == peer && o.First <= i && i < o.End })
}

// wants is what a node in a crowd lacks.
type wants struct {
	v           View
	first, end  int // the pieces that may be asked for
	holders     []int
	asked       []int
	outstanding int
	last        bool // there is nothing else to ask for
}

func (v View) wanted(leads, listed bool) *wants {
	w := &wants{v: v, first: v.firstWhole(leads), end: v.Tail, asked: v.askedPieces()}
	w.holders = v.holders
	for _, p := range v.Peers {
		w.outstanding += len(p.Orders)
	}
	missing := 0
	for i := w.first; i < w.end; i++ {
		if w.lacks(i) {
			missing++
		}
	}
	w.last = missing <= endgame
	if listed {
		w.first = w.windowFrom(max(2, len(v.Peers)) * listWindow)
	}
	return w
}

// lacks reports whether piece i is neither here nor on its way from the origin.
func (w *wants) lacks(i int) bool { return !w.v.Have.Has(i) && !w.v.Crowd.Stripe.has(i) }

// windowFrom returns the first of the n last pieces that are lacking.
func (w *wants) windowFrom(n int) int {
	i := w.end
	for i > w.first && n > 0 {
		if i--; w.lacks(i) {
			n--
		}
	}
	return i
}

// pick returns the rarest piece that p has and wanted says yes to, and those
// behind it that are as rare, as far as p's rate makes worth while.
func (w *wants) pick(p PeerView, wanted func(int) bool) (Order, bool) {
	good := func(i int) bool { return w.lacks(i) && p.Has.Has(i) && wanted(i) }
	best := -1
	for i := w.first; i < w.end; i++ {
		if good(i) && (best < 0 || w.rarer(i, best)) {
			best = i
		}
	}
	if best < 0 {
		return Order{}, false
	}
	length := min(1+int(p.Rate*rareOrderTime.Seconds()/float64(w.v.Layout.PieceSize)), maxRareOrder)
	end := best + 1
	for end < w.end && end-best < length && good(end) && w.holders[end] <= w.holders[best] {
		end++
	}
	return Order{Peer: p.ID, First: best, Next: best, End: end, Since: w.v.Now}, true
}

func (w *wants) rarer(i, than int) bool {
	if w.holders[i] != w.holders[than] {
		return w.holders[i] < w.holders[than]
	}
	return preference(w.v.Crowd.Rank, i) > preference(w.v.Crowd.Rank, than)
}

// void returns the orders of which nothing is wanted any more: their pieces
// came by another way.
func (v View) void() []Order {
	var out []Order
	for _, p := range v.Peers {
		for _, o := range p.Orders {
			wanted := false
			for i := o.Next; i < o.End; i++ {
				wanted = wanted || !v.Have.Has(i) && v.Layout.Offset(i+1) > v.Front
			}
			if !wanted {
				out = append(out, o)
			}
		}
	}
	return out
}
