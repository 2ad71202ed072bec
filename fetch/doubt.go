package fetch

import (
	"io"
	"slices"
	"time"

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
		c.mu.Lock()
		defer c.mu.Unlock()
		c.words.BeginSecondRound()
		c.news = time.Now()
	}
}

// doubtful returns the pieces that are here and should be taken from the origin
// once more now. In the second round it drops what cannot be right.
func (c *crowd) doubtful() Pieces {
	c.fl.mu.Lock()
	defer c.fl.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	b := &c.fl.body
	if !c.doubting {
		return nil
	}
	c.dropFailedLocked()
	return c.words.Doubtful(Doubts[string]{
		Foreign: func(i int) bool { return b.held.Has(i) && !b.own.Has(i) },
		Hash:    func(i int) [32]byte { return b.hashes[i] },
		Giver:   func(i int) string { return b.arrivals[i].peer },
		Whole:   b.tail <= b.layout.PieceAt(b.front),
		Salt:    c.salt,
	})
}

// Doubts are what a node has of others, and how it goes about it.
type Doubts[A comparable] struct {
	// Foreign: piece i is here, and this node did not take it from the origin.
	// Then Hash is that of the piece, and Giver who handed it on.
	Foreign func(i int) bool
	Hash    func(i int) [32]byte
	Giver   func(i int) A
	// Whole: all is here.
	Whole bool
	// Salt decides which of many pieces is taken first. Whoever knew it could
	// tell the truth of just those.
	Salt uint64
}

// Doubtful returns the pieces to take from the origin once more in the second
// round, the most urgent only: one of which members say different things, since
// it tells who lies, else one of each author who is not proved by another, else
// all that stands on one member's word, else all that others brought.
func (w *Words[A]) Doubtful(d Doubts[A]) Pieces {
	n := len(w.said)
	contested := NewPieces(n)
	w.odd.each(nil, n, func(i int) {
		if d.Foreign(i) && !w.Stands(i, d.Hash(i)) {
			contested.Add(i)
		}
	})
	switch {
	case contested.Count() > 0:
		one := NewPieces(n)
		one.Add(oneOf(contested, n, d.Salt).First)
		return one
	case !d.Whole:
		return nil
	}
	probes, rest, foreign := NewPieces(n), NewPieces(n), NewPieces(n)
	probe := map[A]int{}
	for i := range n {
		if !d.Foreign(i) {
			continue
		}
		foreign.Add(i)
		hash := d.Hash(i)
		if w.Count(i, hash) <= 1 {
			rest.Add(i)
		}
		author := w.Author(i, hash, d.Giver(i))
		if old, found := probe[author]; !w.proved[author] && (!found || preference(d.Salt, i) > preference(d.Salt, old)) {
			probe[author] = i
		}
	}
	for _, i := range probe {
		probes.Add(i)
	}
	switch {
	case probes.Count() > 0:
		return probes
	case rest.Count() > 0:
		return rest
	}
	return foreign // words alone do not help: members lie together
}

// fellLocked ends all business with members whose word is not what the origin
// sent, and drops what rests on it. It is no reason for a ban: the origin may
// have sent them others. fl.mu and c.mu are held.
func (c *crowd) fellLocked(authors []string) {
	if len(authors) == 0 {
		return
	}
	for _, author := range authors {
		c.fl.f.stats.reject(c.fl.body.layout.PieceSize, "claim")
		c.fl.f.log.Warn("rejected", "reason", "false claim", "peer", author)
	}
	c.dropFailedLocked()
	for _, s := range c.sources {
		if s.member == nil || !slices.Contains(authors, s.peer.String()) {
			continue
		}
		s.left = true
		for _, o := range s.orders {
			o.cancel()
		}
	}
}

// dropFailedLocked drops the pieces that cannot be right by what members say.
// What fits a state list stands by that. fl.mu and c.mu are held.
func (c *crowd) dropFailedLocked() {
	b := &c.fl.body
	if c.chain != nil || c.fl.landed {
		return
	}
	c.words.odd.each(b.held, b.layout.Pieces(), func(i int) {
		if hash, known := b.hashes[i]; known && !b.own.Has(i) && c.words.Fails(i, hash) {
			b.drop(i)
			c.fl.board.lose(i)
		}
	})
}
