package fetch

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// The numbers of a crowd that shares one copy of the origin (design.md section
// 4 step 7).
const (
	// team is how many members draw on the origin at a time: enough to keep
	// its line busy, few enough that it hardly feels them.
	team = 6
	// stripePieces is how many pieces one request to the origin asks for.
	stripePieces = 4
	// longStripe bounds a run of a node that draws alone, or of an origin that
	// is fast; stripeTime is how much of its rate a run then takes up.
	longStripe = 64
	stripeTime = 250 * time.Millisecond
	// EnoughAhead is how many members that stand before it in the order a node
	// wants to know: all of the team, and those who follow when one is excused.
	// A node that talks to as many as it should still meets up to MostAhead of
	// such, or in a large crowd many would take themselves for the team.
	EnoughAhead = 2 * team
	MostAhead   = 16
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
	if v.Origin.Open || v.Now < max(v.Origin.NotBefore, c.NotBefore) || !v.Origin.Returns || !v.mayTake() {
		return Run{}, Run{}
	}
	now = v.choose(c.Next)
	if !now.Empty() && v.inTeam() {
		rest := v
		mine := *c
		mine.Stripe, mine.Next = now, Run{}
		rest.Crowd = &mine
		next = rest.choose(Run{})
	}
	return now, next
}

// mayTake reports whether it is this node's turn to draw on the origin.
func (v View) mayTake() bool {
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
	if v.Now-c.Since < sure || own <= 0 || float64(v.PeerSecond+v.Origin.Second) >= tolerance*own {
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
