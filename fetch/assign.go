package fetch

import (
	"cmp"
	"slices"
	"time"
)

// assign gives free peers the highest missing pieces that nobody was asked
// for, and then, once each, pieces that another peer is late with.
func assign(v View, leads bool) []Order {
	asked := make([]int, v.Layout.Pieces())
	outstanding, used := 0, v.weightOf()
	for _, p := range v.Peers {
		outstanding += len(p.Orders)
		for _, o := range p.Orders {
			for i := o.Next; i < o.End; i++ {
				asked[i]++
			}
		}
	}
	peers := v.fastest()
	late := v.late(asked)
	first := v.firstWanted(leads)

	var out []Order
	for turn := range ordersPerPeer {
		for _, k := range peers {
			p := &v.Peers[k]
			if len(p.Orders) > turn || turn >= v.pipe(p) || outstanding >= v.Slots {
				continue
			}
			o, ok := v.highestRun(p, first, func(i int) bool { return asked[i] == 0 })
			if !ok {
				o, ok = v.highestRun(p, first, func(i int) bool { return asked[i] == 1 && late[i] && !p.owes(i) })
			}
			n := v.affords(o.End-o.First, used)
			if !ok || n == 0 {
				continue
			}
			o.First, o.Next = o.End-n, o.End-n
			used += v.weight(n)
			for i := o.First; i < o.End; i++ {
				asked[i]++
			}
			outstanding++
			out = append(out, o)
		}
	}
	return out
}

// pipe is how many orders p may have. One that needs long for a single piece
// gets one: two at once would only come later.
func (v View) pipe(p *PeerView) int {
	if p.Rate > 0 && p.Rate*longPiece.Seconds() < float64(v.Layout.PieceSize) {
		return 1
	}
	return ordersPerPeer
}

// firstWanted returns the first piece that peers are asked for. The piece that
// the origin is in is left to it, unless that is all that is missing and the
// origin needs longer for the rest of it than an order takes. For a small body,
// peers race from the beginning.
func (v View) firstWanted(leads bool) int {
	first := v.firstWhole(leads)
	switch {
	case leads && v.Layout.Pieces() <= fewPieces:
		return v.firstWhole(false)
	case !leads || v.Tail > first:
		return first
	}
	rest := float64(v.Layout.Offset(first) - v.Front)
	if rest > float64(v.Origin.Second)*orderTime.Seconds() && v.Now-v.Origin.Since >= 2*orderTime {
		return v.firstWhole(false)
	}
	return first
}

// late returns the pieces whose order is well past the time that it should
// have taken by its peer's rate, or past what orders take usually, with what
// the same peer was asked for before it: a hedge for each is worth its cost.
func (v View) late(asked []int) []bool {
	late := make([]bool, len(asked))
	for _, p := range v.Peers {
		size, pieces := int64(0), 0
		orders := slices.SortedStableFunc(slices.Values(p.Orders), func(a, b Order) int { return cmp.Compare(a.Since, b.Since) })
		for _, o := range orders {
			size += v.Layout.Offset(o.End) - v.Layout.Offset(o.First)
			pieces += o.End - o.First
			due := 2 * orderTime
			if p.Rate > 0 {
				due += time.Duration(2 * float64(size) / p.Rate * float64(time.Second))
			}
			if v.Usual > 0 {
				due = min(due, max(2*orderTime, time.Duration(pieces)*v.Usual))
			}
			for i := o.Next; i < o.End && v.Now-o.Since > due; i++ {
				late[i] = true
			}
		}
	}
	return late
}

// owes reports whether p was asked for piece i.
func (p *PeerView) owes(i int) bool {
	return slices.ContainsFunc(p.Orders, func(o Order) bool { return o.Next <= i && i < o.End })
}

// highestRun returns the run of missing pieces nearest the end that p has and
// wanted says yes to, as long as p's rate makes worth while.
func (v View) highestRun(p *PeerView, first int, wanted func(int) bool) (Order, bool) {
	good := func(i int) bool { return i >= first && !v.Have.Has(i) && p.Has.Has(i) && wanted(i) }
	last := v.Tail - 1
	for last >= first && !good(last) {
		last--
	}
	if last < first {
		return Order{}, false
	}
	// One more than the rate fills, or the round trips of small orders would
	// keep the rate, and so the orders, small.
	length := 1 + int(p.Rate*orderTime.Seconds()/float64(v.Layout.PieceSize))
	if v.Layout.Pieces() <= fewPieces {
		length = fewPieces // of a small body, all at once
	}
	low := last
	for low > first && last-low+1 < min(length, maxOrder) && good(low-1) {
		low--
	}
	return Order{Peer: p.ID, First: low, Next: low, End: last + 1, Since: v.Now}, true
}
