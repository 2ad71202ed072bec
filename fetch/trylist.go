package fetch

import (
	"context"
	"io"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// Under a list that is in use no piece is taken that does not fit it. Where a crowd
// shares one copy, whoever came first with a false list would so keep its members
// from each other, until one sent the last piece, which alone shows a list to be
// false. So in a crowd that piece is asked for before a list is used, of whoever
// committed to it: it takes a round trip, and nobody waits for it.

// tryList asks peer for the last piece of the body and returns it, if it is the end
// of home's list, as the digest says; or nil, if there is no need for that.
func (c *crowd) tryList(ctx context.Context, peer Peer, home *camp) ([]byte, error) {
	c.mu.Lock()
	crowded := !c.since.IsZero() && c.active == nil
	c.mu.Unlock()
	if !crowded || !c.sure() {
		return nil, nil
	}
	proof := c.fl.proof()
	chain, err := verify.NewChain(proof, home.list)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, haveTimeout)
	defer cancel()
	layout := c.fl.body.layout
	last := layout.Pieces() - 1
	body, err := peer.Open(ctx, Span{layout.Offset(last), layout.Length})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	piece := make([]byte, layout.Size(last))
	if _, err := io.ReadFull(body, piece); err != nil {
		return nil, err
	}
	err = chain.Fit(last, piece)
	if lie, lied := verify.LieOf(peer.String(), proof.Digest(), err, time.Now()); lied {
		c.fl.f.stats.reject(layout.Size(last), "piece")
		c.fl.f.cfg.Swarm.Ban(lie)
		return nil, ErrBanned
	}
	return piece, err
}

// keepLast keeps the last piece of the body, by which home's list was tried, if
// that list is in use.
func (c *crowd) keepLast(home *camp, peer Peer, piece []byte) {
	c.mu.Lock()
	chain, used := c.chain, c.active == home
	c.mu.Unlock()
	last, now := c.fl.body.layout.Pieces()-1, time.Now()
	if !used || chain.Fit(last, piece) != nil {
		return
	}
	if err := c.keep(chain, last, piece, verify.HashPiece(piece), arrival{peer.String(), now, now}); err != nil {
		c.fail(err)
	}
}
