package fetch

import (
	"cmp"
	"slices"
	"time"
)

// The numbers of a crowd that shares one copy of the origin (design.md section
// 4 step 7).
const (
	// team is how many members draw on the origin at a time: enough to keep
	// its line busy, few enough that it hardly feels them. Who draws has what
	// others want first, and so sends more: with six of eight the two others
	// sent a fifth of a copy.
	team = 8
	// stripePieces is how many pieces one request to the origin asks for.
	stripePieces = 4
	// longStripe bounds a run of a node that draws alone, or of an origin that
	// is fast; stripeTime is how much of its rate a run then takes up.
	longStripe = 64
	stripeTime = 250 * time.Millisecond
	// EnoughFirst is how many members that stand before it in the order a node
	// wants to know: all of the team, and those who follow when one is excused.
	// A node that talks to as many as it should still meets up to MostFirst of
	// such, or in a large crowd many would take themselves for the team, and
	// whoever is in it meets the rest of it, or they would draw the same.
	EnoughFirst = 2 * team
	MostFirst   = 3 * team
	// settling is how long members that are known of may take to be met. Made-up
	// ones keep nobody from the origin for longer.
	settling = time.Second
	// perGroup is how many members of one address group count in the order:
	// a machine with many identities has no more say than two.
	perGroup = 2
	// leastPatience and mostPatience bound how long members that are not in
	// the team leave the origin alone while nothing new appears.
	leastPatience = time.Second
	mostPatience  = 10 * time.Second
)

// Run is a run of pieces in [First, End).
type Run struct{ First, End int }

// Empty reports whether there is no piece in r.
func (r Run) Empty() bool { return r.First >= r.End }

func (r Run) has(i int) bool { return r.First <= i && i < r.End }

// Intent is a run that a member says it is taking from the origin, or will
// take next. It is an order among members, not a lock.
type Intent struct {
	Run
	// Until is when its lease ends.
	Until time.Duration
}

// Crowd is what the planner knows of a crowd of which not all are complete.
type Crowd struct {
	// Rank of this node (RankOf).
	Rank uint64
	// Others is how many other members are known of, met or not, and Ahead how
	// many of them stand before this node in the order.
	Others, Ahead int
	// Since the first live member was met that is not complete.
	Since time.Duration
	// News is when a piece last appeared that no known member had before, this
	// node included, or while the whole is false, that one was taken from the
	// origin; Flow how many octets a second of such appeared at best,
	// 0 while that is not known.
	News time.Duration
	Flow float64
	// Alone is what the origin gave this node before anybody helped, octets a
	// second; 0 while that is not known.
	Alone float64
	// Striping: the origin is drawn on by runs from here on, no more by a
	// stream to the end.
	Striping bool
	// NotBefore: no run is taken from the origin until then, since another
	// member heard it back off, or since its answers slow down. A reader that
	// has waited too long is fed all the same.
	NotBefore time.Duration
	// Stripe is the run that this node takes from the origin now, Next the one
	// that it has announced to take then; each may be empty.
	Stripe, Next Run
	// Stalled: nothing of Stripe has come for stallAfter. Then peers may be
	// asked for it, too.
	Stalled bool
	// Doubtful are pieces that are here and should be taken once more from the
	// origin, since the whole is not what the origin says it is.
	Doubtful Pieces
	// Audit is a piece that this node takes from the origin once before all else,
	// whoever offers it and whether or not it is this node's turn: it tells who
	// lies.
	Audit Run
}

// Patience is how long members that are not in the team wait for something new,
// and how long the lease of an intent is.
func (c *Crowd) Patience(pieceSize int64) time.Duration {
	if c.Flow <= 0 {
		return 2 * leastPatience
	}
	rounds := 4 * team * stripePieces * float64(pieceSize) / c.Flow
	return min(max(time.Duration(rounds*float64(time.Second)), leastPatience), mostPatience)
}

// stripes decides what this node takes from the origin in a crowd: now, and
// next. The members of the team take runs that nobody holds or intends; the
// others leave the origin alone while the team delivers, and while peers
// deliver as fast as the origin would.
func (v View) stripes() (now, next Run) {
	c := v.Crowd
	if !c.Stripe.Empty() {
		if v.inTeam() {
			next = v.choose(c.Next)
		}
		return Run{}, next
	}
	if v.Origin.Open || v.Now < max(v.Origin.NotBefore, c.NotBefore) || !v.Origin.Returns {
		return Run{}, Run{}
	}
	switch audit := !c.Audit.Empty() && v.Layout.Offset(c.Audit.End) > v.Front; {
	case audit:
		now = c.Audit
	case v.mayTake():
		now = v.choose(c.Next)
	}
	if !now.Empty() && v.inTeam() {
		rest := v
		mine := *c
		mine.Stripe, mine.Next = now, Run{}
		rest.Crowd = &mine
		next = rest.choose(Run{})
	}
	return now, next
}

// acquainted reports whether this node knows what the others have. In a crowd
// that has taken a round of the team from the origin, and so keeps it busy, who
// comes late meets those that it knows of before it takes what they may have.
func (v View) acquainted() bool {
	met := 0
	for k := range v.Peers {
		if v.Peers[k].Partial {
			met++
		}
	}
	if met >= v.Crowd.Others || v.Now-v.Crowd.Since >= settling/4 {
		return true
	}
	known := v.Have.Count()
	for i := range v.holders {
		if v.holders[i] > 0 {
			known++
		}
	}
	return known < team*stripePieces
}

// mayTake reports whether it is this node's turn to draw on the origin.
func (v View) mayTake() bool {
	if !v.acquainted() {
		return false
	}
	stale, p := v.stale(), v.Crowd.Patience(v.Layout.PieceSize)
	place := v.place()
	switch {
	case place < team, v.starved():
		return true
	case stale >= 3*p:
		return place < 64*team
	case stale >= 2*p:
		return place < 16*team
	case stale >= p:
		return place < 4*team
	}
	return false
}

// stale returns for how long nothing new has appeared, while there is something
// that nobody has, or that may be false.
func (v View) stale() time.Duration {
	if v.Crowd.Doubtful.Count() > 0 {
		return v.Now - max(v.Crowd.News, v.Crowd.Since)
	}
	for i := v.firstWhole(false); i < v.Tail; i++ {
		if !v.Have.Has(i) && !v.offered(i) {
			return v.Now - max(v.Crowd.News, v.Crowd.Since)
		}
	}
	return 0
}

func (v View) inTeam() bool { return v.place() < team }

// place returns how many members stand before this node in the order. Complete
// ones and those that are excused do not count, and of each address group only
// two do. While members are being met those that are only known of count, too:
// else all that come at once would begin as the team.
func (v View) place() int {
	place := 0
	if v.Now-v.Crowd.Since < settling {
		place = v.Crowd.Ahead
	}
	met := 0
	for _, k := range v.order() {
		p := &v.Peers[k]
		if p.Rank >= v.Crowd.Rank {
			break
		}
		if !p.Excused {
			met++
		}
	}
	return max(place, met)
}

// order returns the indices of the members that count, first the one that comes
// first.
func (v View) order() []int {
	var out []int
	for k := range v.Peers {
		if v.Peers[k].Partial {
			out = append(out, k)
		}
	}
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(v.Peers[a].Rank, v.Peers[b].Rank) })
	groups := map[string]int{}
	return slices.DeleteFunc(out, func(k int) bool {
		group := v.Peers[k].Group
		if group == "" {
			return false
		}
		groups[group]++
		return groups[group] > perGroup
	})
}

// excused returns the members whose turn it was and who delivered nothing
// while nothing new appeared anywhere: they no longer count until they deliver.
func (v View) excused() []int {
	stale, p := v.stale(), v.Crowd.Patience(v.Layout.PieceSize)
	band := 0
	switch {
	case stale >= 3*p:
		band = 16 * team
	case stale >= 2*p:
		band = 4 * team
	case stale >= p:
		band = team
	}
	var out []int
	for i, k := range v.order() {
		if p := &v.Peers[k]; i < band && !p.Excused {
			out = append(out, p.ID)
		}
	}
	return out
}

// starved reports whether peers offer plenty and deliver it more slowly than
// the origin did (law 2). Where they offer little it is the origin that
// everybody waits for, and more requests would not make it faster.
func (v View) starved() bool {
	c := v.Crowd
	own := max(v.Origin.Rate, c.Alone)
	if own <= 0 || float64(v.PeerSecond+v.Origin.Second) >= tolerance*own {
		return false
	}
	// What peers send counts by the piece: they may take as long for the first
	// one as the origin would.
	if (v.Now - c.Since - sure).Seconds() < float64(v.Layout.PieceSize)/own {
		return false
	}
	backlog := 0.0
	for i := v.firstWhole(false); i < v.Tail; i++ {
		if !v.Have.Has(i) && v.offered(i) {
			backlog += float64(v.Layout.Size(i))
		}
	}
	return backlog > max(own, 2*stripePieces*float64(v.Layout.PieceSize))
}

func (v View) offered(i int) bool { return v.holders[i] > 0 }

// countHolders returns how many peers offer each missing piece.
func (v View) countHolders() []int {
	holders := make([]int, v.Layout.Pieces())
	missing := NewPieces(len(holders))
	for i := v.firstWhole(false); i < v.Tail; i++ {
		if !v.Have.Has(i) {
			missing.Add(i)
		}
	}
	for k := range v.Peers {
		v.Peers[k].Has.each(missing, len(holders), func(i int) { holders[i]++ })
	}
	return holders
}

// askedPieces counts for each piece the peers that owe it.
func (v View) askedPieces() []int {
	asked := make([]int, v.Layout.Pieces())
	for _, p := range v.Peers {
		for _, o := range p.Orders {
			for i := o.Next; i < o.End; i++ {
				asked[i]++
			}
		}
	}
	return asked
}
