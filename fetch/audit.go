package fetch

import (
	"slices"
	"time"
)

// The whole shows only at its end that a claim is false, and by then all have
// taken what is false from each other. So a node takes a piece from the origin
// now and then of which others have said what it is: one that members say
// different things of, since it tells who lies, or one of a member that says more
// than it is likely to have taken. In a crowd of honest members that came together
// nothing of that happens; of those that come late each of the team takes one
// piece more.

const (
	// auditShare: a node takes one in auditShare of the pieces for audits at most.
	// Those that are not in the team take none: they guess (suspect.go).
	auditShare = 8
	// likely is how many times as much as this node a member of the team may say
	// that it took from the origin, and slackRuns for how many requests more any
	// member may.
	likely    = 2
	slackRuns = 4
)

// Audit returns the piece by which this node should find out now who lies, as a
// run; empty if there is none. allowance is how much news of an author is believed
// without, and half of what it had said when it was proved last, besides: who is
// honest and fast is not audited again and again, and for each lie a liar must have
// told two truths. salt decides between pieces of which one is as good as another.
func (w *Words[A]) Audit(allowance func(A) int, salt uint64) Run {
	n := len(w.said)
	disputed := NewPieces(n)
	w.odd.each(nil, n, func(i int) {
		if !w.known.Has(i) && w.disputed(i) {
			disputed.Add(i)
		}
	})
	if disputed.Count() > 0 {
		return oneOf(disputed, n, salt)
	}
	var suspect A
	excess := 0
	for _, author := range w.authors {
		count := w.count[author]
		if w.audited {
			count -= w.old[author]
		}
		if w.proved[author] {
			count -= w.old[author] / 2
		}
		if over := count - allowance(author); over > excess && !w.fallen[author] {
			suspect, excess = author, over
		}
	}
	if excess == 0 {
		return Run{}
	}
	its := NewPieces(n)
	for i := range w.said {
		if !w.known.Has(i) && w.of(suspect, i) != nil {
			its.Add(i)
		}
	}
	return oneOf(its, n, salt)
}

// Met notes that author has said all that it had to say when it was met.
func (w *Words[A]) Met(author A) { w.old[author] = w.count[author] }

// disputed reports whether members that have a word say different things of piece
// i.
func (w *Words[A]) disputed(i int) bool {
	sides := 0
	for _, s := range w.said[i] {
		if s.believed > 0 {
			sides++
		}
	}
	return sides > 1
}

// oneOf returns one of the pieces below n, as a run.
func oneOf(of Pieces, n int, salt uint64) Run {
	best := -1
	of.each(nil, n, func(i int) {
		if best < 0 || preference(salt, i) > preference(salt, best) {
			best = i
		}
	})
	if best < 0 {
		return Run{}
	}
	return Run{best, best + 1}
}

// Team is the order of a crowd as far as its words go: who takes from the origin.
type Team struct {
	last   uint64 // the rank of the last member of the team
	inTeam bool   // this node
}

// TeamOf returns the team of a crowd whose members have these ranks. ahead is how
// many are known to be before this node, whose rank is own, met or not.
func TeamOf(own uint64, ranks []uint64, ahead int) Team {
	ranks = append(ranks, own)
	slices.Sort(ranks)
	last := ranks[min(len(ranks), team)-1]
	return Team{last, own <= last && ahead < team}
}

// Has reports whether the member of that rank is in the team.
func (t Team) Has(rank uint64) bool { return rank <= t.last }

// MayAudit reports whether this node may make another audit.
func (t Team) MayAudit(made, pieces int) bool {
	return t.inTeam && made < max(pieces/auditShare, 1)
}

// Allowance is how much news of a member this node believes without an audit, that
// took so many pieces from the origin itself. inTeam: so does the member.
func (t Team) Allowance(took int, inTeam bool) int {
	if !inTeam {
		took = 0
	}
	return likely*took + slackRuns*stripePieces
}

// auditLocked guesses who lies, and returns what this node should audit now. c.mu
// is held.
func (c *crowd) auditLocked(now time.Time) Run {
	var ranks []uint64
	teamed := map[string]bool{}
	for _, s := range c.sources {
		if s.member != nil && !s.left && !s.member.gone {
			ranks = append(ranks, s.member.rank)
		}
	}
	ahead, settled := 0, now.Sub(c.since) >= settling
	if !settled {
		ahead = c.aheadLocked()
	}
	t := TeamOf(c.rank(), ranks, ahead)
	inTeam := func(author string) bool { return teamed[author] }
	for _, s := range c.sources {
		if m := s.member; m != nil {
			now := !s.left && !m.gone && t.Has(m.rank)
			m.teamed = m.teamed || now && settled
			teamed[s.peer.String()] = m.teamed || now
		}
	}
	c.words.Guess(inTeam)
	if !t.MayAudit(c.audits, c.fl.body.layout.Pieces()) {
		return Run{}
	}
	return c.words.Audit(func(author string) int { return t.Allowance(c.drawn, inTeam(author)) }, c.salt)
}
