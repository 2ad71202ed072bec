package fetch

import (
	"errors"
	"io"
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// stripe is a run of pieces on its way from the origin. The conductor starts
// and forgets it.
type stripe struct {
	Run
	since time.Time
	done  chan struct{}
	took  time.Duration // until the answer began; 0 before
	err   error         // once done is closed
	got   int64
}

// startStriping notes that from here on the origin is drawn on by runs.
func (c *crowd) startStriping(v View) {
	if v.Crowd == nil {
		return
	}
	listed := slices.ContainsFunc(v.Peers, func(p PeerView) bool { return !p.Partial })
	if listed && !c.striping {
		return // let go for complete peers
	}
	c.striping = true
	c.fl.mu.Lock()
	defer c.fl.mu.Unlock()
	c.fl.body.dripping = true
}

// heed does what a plan says of members and of orders that are not needed.
func (c *crowd) heed(p Plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range p.Excuse {
		c.sources[id].member.excused = true
	}
	for _, o := range p.Void {
		for _, x := range c.sources[o.Peer].orders {
			if x.First == o.First && x.Since == o.Since {
				x.cancel()
			}
		}
	}
}

// draw takes r from the origin.
func (c *crowd) draw(r Run) {
	s := &stripe{Run: r, since: time.Now(), done: make(chan struct{})}
	c.mu.Lock()
	c.stripe = s
	c.mu.Unlock()
	c.wg.Go(func() {
		defer c.wake()
		defer close(s.done)
		s.err = c.drawPieces(s)
	})
}

func (c *crowd) drawPieces(s *stripe) error {
	layout := c.fl.body.layout
	begun := time.Now()
	body, err := c.origin.Open(c.ctx, Span{layout.Offset(s.First), layout.Offset(s.End)})
	if err != nil {
		return err
	}
	defer body.Close()
	s.took = max(time.Since(begun), 1)
	buf, free := pieceBuffer(layout.PieceSize)
	defer free()
	for i := s.First; i < s.End; i++ {
		piece := buf[:layout.Size(i)]
		in := &metered{Reader: body, m: &c.originMeter, first: func(time.Time) {}}
		if _, err := io.ReadFull(in, piece); err != nil {
			return err
		}
		s.got += int64(len(piece))
		if err := c.keepOwn(i, piece); err != nil {
			return err
		}
		c.wake()
	}
	return nil
}

// keepOwn puts a piece that the origin sent to this node where it belongs, in
// place of what a peer may have said that it is.
func (c *crowd) keepOwn(i int, piece []byte) error {
	c.disk.Lock()
	defer c.disk.Unlock()
	fl := c.fl
	if c.over() {
		return nil
	}
	old, held, err := c.hashHeld(i)
	if err != nil {
		return err
	}
	skip := max(c.front()-fl.body.layout.Offset(i), 0)
	if skip < int64(len(piece)) {
		if _, err := fl.writer.WriteAt(piece[skip:], fl.body.layout.Offset(i)+skip); err != nil {
			return &diskError{err}
		}
	}
	if c.chain != nil {
		if err := c.chain.Fit(i, piece); err != nil {
			c.giveUpListLocked()
		}
	}
	hash := verify.HashPiece(piece)
	fl.f.stats.origin(int64(len(piece)))
	fl.mu.Lock()
	defer fl.mu.Unlock()
	fl.perSource["origin"] += int64(len(piece))
	was := fl.body.arrivals[i]
	now := time.Now()
	fl.body.own.Add(i)
	fl.body.hold(i, arrival{"origin", now, now})
	fl.body.hashes[i] = hash
	c.untried = true
	c.checkpointLocked(now)
	fl.board.claim(Claim{Piece: i, Hash: hash, Own: true})
	c.mu.Lock()
	c.appearedLocked(i, now)
	fell := c.words.Took(i, hash, true)
	c.drawn++
	if c.words.Matters("", i) {
		c.news = now
	}
	if held && old != hash && was.peer != "origin" {
		fell = append(fell, c.words.Unsaid(i, old, was.peer)...)
	}
	c.fellLocked(fell)
	c.mu.Unlock()
	c.joinLocked()
	return nil
}

// giveUpListLocked drops a list that contradicts what the origin itself sent.
// disk is held.
func (c *crowd) giveUpListLocked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active != nil {
		c.active.exposed = true
		for _, s := range c.sources {
			s.left = s.left || s.camp == c.active
		}
	}
	c.chain, c.active = nil, nil
}

// stripeEnded takes note of a stripe that came to its end.
func (c *crowd) stripeEnded() {
	c.mu.Lock()
	s := c.stripe
	if s == nil {
		c.mu.Unlock()
		return
	}
	select {
	case <-s.done:
		c.stripe = nil
		c.mu.Unlock()
	default:
		c.mu.Unlock()
		return
	}
	if s.took > 0 {
		c.spare.answered(s.took, time.Now())
	}
	switch {
	case c.over():
	case s.err == nil:
		c.failures = 0
	case errors.As(s.err, new(*diskError)):
		c.fail(s.err)
	default:
		if s.got > 0 {
			c.failures = 0
		}
		c.originFailed(s.err, c.failedAt)
		var after retryAfter
		if errors.As(s.err, &after) {
			c.fl.board.backOff(time.Now().Add(after.RetryAfter()))
		}
	}
}

// announce tells the crowd what this node takes and will take next.
func (c *crowd) announce(next Run, v View) {
	if v.Crowd == nil {
		return
	}
	c.mu.Lock()
	c.next = next
	var runs []Run
	if c.stripe != nil {
		runs = append(runs, c.stripe.Run)
	}
	if !next.Empty() {
		runs = append(runs, next)
	}
	same := slices.Equal(runs, c.intends)
	c.intends = runs
	c.mu.Unlock()
	if same {
		return
	}
	in := []Announced{}
	for _, r := range runs {
		in = append(in, Announced{r, v.Crowd.Patience(v.Layout.PieceSize)})
	}
	c.fl.board.intend(in)
}

// crowdLocked is the crowd as the planner sees it, nil before there is one.
func (c *crowd) crowdLocked(v *View, now time.Time) *Crowd {
	if c.since.IsZero() {
		return nil
	}
	c.flowBest = max(c.flowBest, float64(c.flow.read(now).second))
	x := &Crowd{
		Rank: c.rank(), Others: len(c.heard), Ahead: c.aheadLocked(), Since: c.since.Sub(c.fl.start), News: c.news.Sub(c.fl.start),
		Flow: c.flowBest, Striping: c.striping, Next: c.next,
	}
	if c.stripe != nil {
		x.Stripe = c.stripe.Run
		heard := c.originMeter.read(now).at
		if heard.Before(c.stripe.since) {
			heard = c.stripe.since
		}
		x.Stalled = now.Sub(heard) >= stallAfter
	}
	x.NotBefore = max(c.hinted.Sub(c.fl.start), c.spare.until.Sub(c.fl.start))
	return x
}

// drip lets readers have a little of the front that is kept back.
func (c *crowd) drip(now time.Time) {
	fl := c.fl
	c.mu.Lock()
	drip := DripSize(len(c.heard)+1, c.flowBest)
	c.mu.Unlock()
	fl.mu.Lock()
	defer fl.mu.Unlock()
	b := &fl.body
	if !b.dripping || fl.landed || fl.hungry.IsZero() || now.Sub(fl.hungry) < DripEvery || b.end >= b.front {
		return
	}
	b.end = min(b.front, b.end+drip)
	fl.hungry = time.Time{}
	fl.cond.Broadcast()
}
