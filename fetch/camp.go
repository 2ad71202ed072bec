package fetch

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/flashcrowd/flashcrowd/verify"
)

// camp is one state list and the peers that committed themselves to it. All
// honest peers are in one camp. One camp's list is in use; peers of another
// help with the pieces for which the two lists say the same, so that nobody
// keeps honest peers out by coming before them.
type camp struct {
	list *verify.StateList
	// exposed: the list contradicts what is proven. crowd.mu guards it.
	exposed bool
}

// offersLocked returns the pieces that s offers under the list in use. A piece
// is held only against what its sender committed to.
func (c *crowd) offersLocked(s *source) Pieces {
	switch {
	case s.member != nil && s.member.enlisted:
		return NewPieces(c.fl.body.layout.Pieces()) // what it owes comes, and no more
	case s.member != nil:
		offers := slices.Clone(s.member.has)
		c.words.Filter(offers, func(i int) [32]byte { return s.member.claims[i].Hash })
		return offers
	case c.active == nil || c.chain == nil || c.chain.List() != c.active.list:
		return nil
	case s.camp == c.active:
		return s.have.Has
	}
	common, known := c.common[s.camp]
	if !known {
		common = commonPieces(c.active.list, s.camp.list)
		c.common[s.camp] = common
	}
	offers := NewPieces(c.active.list.Layout().Pieces())
	for i := range min(len(offers), len(s.have.Has)) {
		offers[i] = common[i] & s.have.Has[i]
	}
	return offers
}

// mayServeLocked reports whether s offers all of o.
func (c *crowd) mayServeLocked(s *source, o Order) bool {
	offers := c.offersLocked(s)
	for i := o.First; i < o.End; i++ {
		if !offers.Has(i) {
			return false
		}
	}
	return true
}

// commonPieces returns the pieces before and after which both lists, of one
// digest, have the same states.
func commonPieces(a, b *verify.StateList) Pieces {
	n := a.Layout().Pieces()
	common := NewPieces(n)
	x, y := a.States(), b.States()
	size := len(x) / max(a.Layout().Borders(), 1)
	same := true // at the border before i; the start is common
	for i := range n {
		before := same
		same = i == n-1 || bytes.Equal(x[i*size:][:size], y[i*size:][:size])
		if before && same {
			common.Add(i)
		}
	}
	return common
}

// changeCamp goes over to the list of other peers, if there are any.
func (c *crowd) changeCamp() {
	c.disk.Lock()
	defer c.disk.Unlock()
	for !c.contradicted {
		next, done := c.nextCamp()
		if done || !errors.Is(c.adoptLocked(next), ErrChanged) {
			return
		}
	}
}

// nextCamp returns the camp of a peer that has not left. done: there is none,
// or the active one is not abandoned after all.
func (c *crowd) nextCamp() (next *camp, done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sources {
		switch {
		case s.left, s.camp == nil:
		case s.camp == c.active:
			return nil, true
		case next == nil:
			next = s.camp
		}
	}
	if next == nil {
		c.active = nil
	}
	return next, next == nil
}

// adoptLocked makes home's list the one that pieces are held against. What is
// proven stays: a list that contradicts it is false, whoever committed to it
// leaves, and adoptLocked fails with ErrChanged. Of the rest stays what fits.
// disk is held.
func (c *crowd) adoptLocked(home *camp) error {
	var misfits []int
	chain, err := verify.NewChain(c.fl.proof(), home.list)
	if err == nil {
		misfits, err = c.refit(chain)
	}
	fl := c.fl
	fl.mu.Lock()
	defer fl.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	var disk *diskError
	switch {
	case errors.As(err, &disk):
		fl.failLocked(err)
		return err
	case err != nil:
		fl.f.log.Warn("rejected", "reason", "state list contradicts what is proven", "err", err)
		home.exposed = true
		for _, s := range c.sources {
			s.left = s.left || s.camp == home
		}
		return ErrChanged
	}
	for _, i := range misfits {
		fl.body.drop(i)
		if fl.board != nil {
			fl.board.lose(i)
		}
	}
	c.untried = true
	c.chain, c.active = chain, home
	clear(c.common)
	return nil
}

// refit holds what is here against another list. It fails if what is proven
// does not fit, and returns what else does not.
func (c *crowd) refit(chain *verify.Chain) (misfits []int, err error) {
	fl := c.fl
	fl.mu.Lock()
	tail, loose := fl.body.tail, slices.Collect(maps.Keys(fl.body.loose))
	if c.chain == nil { // nothing is proven yet
		for i := tail; i < fl.body.layout.Pieces(); i++ {
			loose = append(loose, i)
		}
		tail = fl.body.layout.Pieces()
	}
	own := append(Pieces(nil), fl.body.own...)
	fl.mu.Unlock()
	for i := fl.body.layout.Pieces() - 1; i >= tail; i-- {
		if err := c.refitPiece(chain, i); err != nil {
			return nil, err
		}
	}
	for _, i := range loose {
		var disk *diskError
		switch err := c.refitPiece(chain, i); {
		case errors.As(err, &disk):
			return nil, err
		case err != nil && own.Has(i):
			return nil, err
		case err != nil:
			misfits = append(misfits, i)
		}
	}
	return misfits, nil
}

func (c *crowd) refitPiece(chain *verify.Chain, i int) error {
	layout := c.fl.body.layout
	piece := make([]byte, layout.Size(i))
	if _, err := c.fl.writer.ReadAt(piece, layout.Offset(i)); err != nil && !errors.Is(err, io.EOF) {
		return &diskError{err}
	}
	return chain.Fit(i, piece)
}
