package fetch

import (
	"io"

	"github.com/flashcrowd/flashcrowd/verify"
)

// tryWhole holds the body against the origin's digest once all of it is here.
// If it is another, some claim is false: the second round begins, in which
// doubtful pieces are taken from the origin once more, each by one member.
func (c *crowd) tryWhole() {
	c.disk.Lock()
	defer c.disk.Unlock()
	fl := c.fl
	fl.mu.Lock()
	b := &fl.body
	ready := fl.board != nil && !fl.landed && fl.failure == nil && c.untried && b.length > 0 && c.recorder != nil &&
		b.front < b.length && b.tail <= b.layout.PieceAt(b.front)
	length, own := b.length, true
	for i := b.layout.Pieces() - 1; ready && i >= b.tail; i-- {
		own = own && (b.own.Has(i) || b.layout.Offset(i+1) <= b.front)
	}
	c.untried = c.untried && !ready
	fl.mu.Unlock()
	if !ready {
		return
	}
	r := verify.NewRecorder(fl.proof().Digest().Algorithm(), length)
	if _, err := io.Copy(r, io.NewSectionReader(fl.writer, 0, length)); err != nil {
		c.fail(&diskError{err})
		return
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	switch {
	case r.Matches(fl.proof()):
		whole := r.Whole()
		c.creditLocked()
		c.landLocked(&whole)
	case own:
		fl.f.log.Warn("rejected", "reason", "origin contradicts its own digest", "host", fl.req.URL.Host)
		c.landLocked(nil)
	default:
		fl.f.log.Warn("rejected", "reason", "a claim of the crowd is false", "host", fl.req.URL.Host)
		c.doubting = true
	}
}

// doubtful returns the pieces to take from the origin once more now.
func (c *crowd) doubtful() Pieces {
	if !c.doubting {
		return nil
	}
	c.fl.mu.Lock()
	defer c.fl.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	b := &c.fl.body
	return Doubtful(b.layout.Pieces(), Doubts[string]{
		Foreign: func(i int) bool { return b.held.Has(i) && !b.own.Has(i) },
		Words:   func(i int) int { return c.wordsLocked(i, b.hashes[i]) },
		Author:  func(i int) string { return c.authorLocked(i, b.hashes[i], b.arrivals[i].peer) },
		Checked: func(author string) bool { return c.checked[author] != 0 },
	})
}

// Doubts say on whose word the pieces of a body stand that is not what the
// origin says it is.
type Doubts[A comparable] struct {
	// Foreign: piece i is here, and this node did not take it from the origin.
	Foreign func(i int) bool
	// Words is how many members say that they took piece i from the origin, as
	// it is here, and Author whose word it is.
	Words  func(i int) int
	Author func(i int) A
	// Checked: the origin sent a piece of the author once more.
	Checked func(A) bool
}

// Doubtful returns, of the n pieces of a body, those to take from the origin
// once more, the most urgent only: some of each author that nobody has checked,
// else all that stands on one member's word, else all that others brought.
func Doubtful[A comparable](n int, d Doubts[A]) Pieces {
	first, rest, foreign := NewPieces(n), NewPieces(n), NewPieces(n)
	probed := map[A]int{}
	for i := range n {
		if !d.Foreign(i) {
			continue
		}
		foreign.Add(i)
		if d.Words(i) > 1 {
			continue
		}
		rest.Add(i)
		if author := d.Author(i); !d.Checked(author) && probed[author] < stripePieces {
			probed[author]++
			first.Add(i)
		}
	}
	switch {
	case first.Count() > 0:
		return first
	case rest.Count() > 0:
		return rest
	}
	return foreign // words alone do not help: members lie together
}

// wordsLocked counts the members that say they took piece i from the origin
// themselves, and that it has this hash.
func (c *crowd) wordsLocked(i int, hash [32]byte) int {
	n := 0
	for _, s := range c.sources {
		if s.member == nil {
			continue
		}
		if cl, ok := s.member.claims[i]; ok && cl.Own && cl.Hash == hash {
			n++
		}
	}
	return n
}

// authorLocked returns whose word piece i with this hash is: that of the member
// which says that it took it from the origin, else of whoever handed it on.
func (c *crowd) authorLocked(i int, hash [32]byte, giver string) string {
	for _, s := range c.sources {
		if s.member == nil {
			continue
		}
		if cl, ok := s.member.claims[i]; ok && cl.Own && cl.Hash == hash {
			return s.peer.String()
		}
	}
	return giver
}

// exposeLocked removes a member whose word is not what the origin sent to this
// node, and all pieces that rest on it. It is no reason for a ban: the origin
// may have sent it others. fl.mu is held.
func (c *crowd) exposeLocked(author string) {
	fl := c.fl
	fl.f.stats.reject(fl.body.layout.PieceSize, "claim")
	fl.f.log.Warn("rejected", "reason", "false claim", "peer", author)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range fl.body.layout.Pieces() {
		if !fl.body.held.Has(i) || fl.body.own.Has(i) {
			continue
		}
		if c.authorLocked(i, fl.body.hashes[i], fl.body.arrivals[i].peer) != author {
			continue
		}
		for _, s := range c.sources {
			if s.member != nil && s.member.claims[i].Hash == fl.body.hashes[i] {
				s.member.unclaim(i)
			}
		}
		fl.body.drop(i)
		fl.board.lose(i)
	}
	for _, s := range c.sources {
		if s.peer.String() == author && s.member != nil {
			s.left = true
			for _, o := range s.orders {
				o.cancel()
			}
		}
	}
}
