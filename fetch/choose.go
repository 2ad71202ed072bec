package fetch

import (
	"math"
	"slices"
)

// Levels of a piece that this node might take from the origin, the most wanted
// first.
const (
	free      = iota // nobody holds or intends it
	idle             // intended by a member that no longer counts
	expired          // intended, and the lease is over
	slow             // held or intended by others, who are slower than the origin
	unwanted         // here, or on its way
	numLevels = unwanted
)

// choose returns the run to take from the origin. mine is what was announced;
// it is kept while nobody with a better right has announced the same.
func (v View) choose(mine Run) Run {
	level := v.levels()
	if !mine.Empty() && level[mine.First] == free {
		return v.extent(mine.First, level, mine.End)
	}
	var best [numLevels]int
	for l := range best {
		best[l] = -1
	}
	alone := !slices.ContainsFunc(v.Peers, func(p PeerView) bool { return p.Partial })
	value := func(i int) uint64 {
		if alone {
			return math.MaxUint64 - uint64(i)
		}
		return preference(v.Crowd.Rank, i/stripePieces)
	}
	for i, l := range level {
		if l < unwanted && (best[l] < 0 || value(i) > value(best[l])) {
			best[l] = i
		}
	}
	for _, i := range best {
		if i >= 0 {
			return v.extent(i, level, i-i%stripePieces+v.stripeLength(alone))
		}
	}
	return Run{}
}

// extent returns the run from piece i on whose pieces are all of its level.
func (v View) extent(i int, level []int, end int) Run {
	r := Run{i, i}
	for r.End < min(end, len(level)) && level[r.End] == level[i] {
		r.End++
	}
	return r
}

// stripeLength is how many pieces one request asks for: more where the origin
// is so fast that its round trips would count.
func (v View) stripeLength(alone bool) int {
	if alone {
		return longStripe
	}
	rate := max(v.Origin.Rate, float64(v.Origin.Second), v.Crowd.Alone)
	n := int(rate * stripeTime.Seconds() / float64(v.Layout.PieceSize))
	return min(max(n-n%stripePieces, stripePieces), longStripe)
}

// levels says of each piece how much this node wants to take it from the
// origin.
func (v View) levels() []int {
	c := v.Crowd
	level := make([]int, v.Layout.Pieces())
	for i := range level {
		level[i] = unwanted
	}
	asked, intended := v.askedPieces(), v.intended()
	law := v.starved() || v.stale() >= 2*c.Patience(v.Layout.PieceSize)
	for i := v.firstWhole(false); i < v.Tail; i++ {
		if v.Have.Has(i) || c.Stripe.has(i) {
			continue
		}
		switch {
		case !v.offered(i):
			level[i] = intended[i]
			if level[i] == slow && !law {
				level[i] = unwanted
			}
		case law && asked[i] == 0:
			level[i] = slow
		}
	}
	for i := range level {
		if c.Doubtful.Has(i) && !c.Stripe.has(i) {
			level[i] = intended[i]
		}
	}
	return level
}

// intended says of each piece who else means to take it, as a level.
func (v View) intended() []int {
	level := make([]int, v.Layout.Pieces()) // free
	for k := range v.Peers {
		p := &v.Peers[k]
		for _, in := range p.Intents {
			for i := max(in.First, 0); i < min(in.End, len(level)); i++ {
				switch {
				case p.Excused:
					level[i] = max(level[i], idle)
				case in.Until <= v.Now:
					level[i] = max(level[i], expired)
				case v.Crowd.Next.has(i) && v.outbids(p, i):
					// Both announced it, and this node keeps it.
				default:
					level[i] = slow
				}
			}
		}
	}
	return level
}

// outbids reports whether this node has the better right to piece i than p.
func (v View) outbids(p *PeerView, i int) bool {
	mine, theirs := preference(v.Crowd.Rank, i/stripePieces), preference(p.Rank, i/stripePieces)
	return mine > theirs || mine == theirs && v.Crowd.Rank < p.Rank
}
