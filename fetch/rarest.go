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
	// come first, for this node and for each other member that is not complete:
	// a list proves backwards, and yet members should not all ask for the same.
	listWindow = 32
)

// rarest gives free peers the missing pieces that fewest members have, so that
// each has something that others lack; of equally rare ones each node takes
// others first. listed: a state list is in use.
func (v View) rarest(leads, listed bool) []Order {
	w := v.wanted(leads, listed)
	peers := v.fastest()
	late := v.late(w.asked)
	var out []Order
	for turn := range ordersPerPeer {
		for _, k := range peers {
			p := &v.Peers[k]
			if len(p.Orders) > turn || turn >= v.pipe(p) || w.outstanding >= v.Slots || v.Now < p.NotBefore {
				continue
			}
			o, ok := w.pick(p, w.near, nil)
			if !ok {
				o, ok = w.pick(p, w.unasked, nil)
			}
			if !ok {
				again := func(i int) bool { return w.asked[i] == 1 && (late[i] || w.last) && !p.owes(i) && !gave(out, p.ID, i) }
				o, ok = w.pick(p, w.lacking, again)
				o.End = min(o.End, o.First+1)
			}
			n := v.affords(min(o.End-o.First, v.lends(p, out)), w.used)
			if !ok || n <= 0 {
				continue
			}
			o.End = o.First + n
			w.used += v.weight(n)
			for i := o.First; i < o.End; i++ {
				w.asked[i]++
				w.unasked.Remove(i)
				w.near.Remove(i)
			}
			w.outstanding++
			out = append(out, o)
		}
	}
	return out
}

// fastest returns the indices of the peers, that of the highest rate first.
func (v View) fastest() []int {
	out := make([]int, len(v.Peers))
	for k := range out {
		out[k] = k
	}
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(v.Peers[b].Rate, v.Peers[a].Rate) })
	return out
}

// gave reports whether one of orders asks peer for piece i.
func gave(orders []Order, peer, i int) bool {
	return slices.ContainsFunc(orders, func(o Order) bool { return o.Peer == peer && o.First <= i && i < o.End })
}

// wants is what a node in a crowd lacks.
type wants struct {
	v           View
	lacking     Pieces // neither here nor on their way from the origin, and may be asked for
	unasked     Pieces // those of them that nobody was asked for
	near        Pieces // and of those the ones that come first
	holders     []int
	asked       []int
	outstanding int
	used        int64 // memory of what is outstanding
	last        bool  // there is nothing else to ask for
}

func (v View) wanted(leads, listed bool) *wants {
	w := &wants{v: v, used: v.weightOf(), asked: v.askedPieces(), holders: v.holders, near: NewPieces(v.Layout.Pieces()), unasked: NewPieces(v.Layout.Pieces()), lacking: NewPieces(v.Layout.Pieces())}
	members, missing := 1, 0
	for _, p := range v.Peers {
		w.outstanding += len(p.Orders)
		if p.Partial {
			members++
		}
	}
	near := 0
	if listed {
		near = v.Tail - members*listWindow
	}
	for i := v.Tail - 1; i >= v.firstWhole(leads); i-- {
		if v.Have.Has(i) || v.Crowd.Stripe.has(i) && !v.Crowd.Stalled {
			continue
		}
		missing++
		w.lacking.Add(i)
		if w.asked[i] > 0 {
			continue
		}
		w.unasked.Add(i)
		if i >= near {
			w.near.Add(i)
		}
	}
	w.last = missing <= endgame
	return w
}

// pick returns the rarest piece of those in from that p has and wanted says yes
// to (nil always does), and those behind it that are as rare, as far as p's rate
// makes worth while.
func (w *wants) pick(p *PeerView, from Pieces, wanted func(int) bool) (Order, bool) {
	best := -1
	p.Has.each(from, len(w.holders), func(i int) {
		if (best < 0 || w.rarer(i, best)) && (wanted == nil || wanted(i)) {
			best = i
		}
	})
	if best < 0 {
		return Order{}, false
	}
	good := func(i int) bool { return from.Has(i) && p.Has.Has(i) && (wanted == nil || wanted(i)) }
	length := min(1+int(p.Rate*rareOrderTime.Seconds()/float64(w.v.Layout.PieceSize)), maxRareOrder)
	end := best + 1
	for end < len(w.holders) && end-best < length && good(end) && w.holders[end] <= w.holders[best] {
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
