package fetch

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// source is a peer that says it has the whole body. The crowd's mu guards
// what changes.
type source struct {
	id     int
	peer   Peer
	have   Have
	camp   *camp
	meter  meter
	orders []*order
	fails  int
	left   bool
	known  float64     // its rate in earlier flights
	member *membership // nil for a complete peer
}

// earned is the rate that the source is remembered by.
func (s *source) earned() float64 {
	if s.left {
		return 0
	}
	return s.meter.readLatest(time.Now()).rate
}

// order is a run of pieces that a source was asked for.
type order struct {
	Order
	began  time.Time // when its first octet came
	cancel context.CancelFunc
}

// view is s but for what it has.
func (s *source) view(start, now time.Time) PeerView {
	r := s.meter.read(now)
	v := PeerView{ID: s.id, Second: r.second, Rate: r.rate}
	if r.at.IsZero() {
		v.Rate = s.known
	} else {
		v.Heard = r.at.Sub(start)
	}
	for _, o := range s.orders {
		v.Orders = append(v.Orders, o.Order)
	}
	if s.member != nil {
		s.member.show(&v, start)
		if lender, ok := s.peer.(interface{ Credit() int64 }); ok {
			v.Credit = lender.Credit()
		}
	}
	return v
}

// open returns when the first octet of s came that is not proven, if that was
// before now. What is before tail is not.
func (s *source) open(tail int, now time.Time) time.Time {
	for _, o := range s.orders {
		if o.First < tail && !o.began.IsZero() && o.began.Before(now) {
			now = o.began
		}
	}
	return now
}

// give starts an order.
func (c *crowd) give(o Order) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sources[o.Peer]
	// A plan may be older than a change of camp.
	if s.left || !c.mayServeLocked(s, o) {
		return
	}
	ctx, cancel := context.WithCancel(c.peersCtx)
	mine := &order{Order: o, cancel: cancel}
	s.orders = append(s.orders, mine)
	chain := c.chain
	c.wg.Go(func() {
		defer c.wake()
		defer cancel()
		err := c.receive(ctx, chain, s, mine)
		c.orderEnded(s, mine, err)
	})
}

// receive takes the pieces of one order, each at once to where it belongs.
func (c *crowd) receive(ctx context.Context, chain *verify.Chain, s *source, o *order) error {
	layout := c.fl.body.layout
	body, err := s.peer.Open(ctx, Span{layout.Offset(o.First), layout.Offset(o.End)})
	if err != nil {
		return err
	}
	defer body.Close()
	buf, free := pieceBuffer(layout.PieceSize)
	defer free()
	for i := o.First; i < o.End; i++ {
		piece := buf[:layout.Size(i)]
		in := &metered{Reader: body, m: &s.meter, first: func(now time.Time) { c.beginOrder(o, now) }}
		if _, err := io.ReadFull(in, piece); err != nil {
			return err
		}
		hash, err := c.judge(chain, s, i, piece)
		if err != nil {
			return err
		}
		c.fit.add(int64(len(piece)), time.Now())
		if err := c.keep(chain, i, piece, hash, arrival{s.peer.String(), in.began, time.Now()}); err != nil {
			return err
		}
		c.mu.Lock()
		o.Next = i + 1
		c.mu.Unlock()
	}
	return nil
}

// beginOrder notes when the first octet of an order came.
func (c *crowd) beginOrder(o *order, now time.Time) {
	c.helped(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.began.IsZero() {
		o.began = now
	}
}

// keep puts a piece that fits on disk, behind the front. hash may be zero while
// nobody follows.
func (c *crowd) keep(chain *verify.Chain, i int, piece []byte, hash [32]byte, came arrival) error {
	c.disk.Lock()
	defer c.disk.Unlock()
	if c.chain != chain && (c.chain == nil || c.chain.Fit(i, piece) != nil) {
		return nil // what is right by the list of then is not by that of now
	}
	fl := c.fl
	fl.mu.Lock()
	skip := max(fl.body.front-fl.body.layout.Offset(i), 0)
	useless := fl.landed || fl.body.held.Has(i) || skip >= int64(len(piece))
	if !useless {
		delete(fl.body.scraps, i) // a stranger's octets come in their place
	}
	fl.mu.Unlock()
	if useless {
		return nil
	}
	if _, err := fl.writer.WriteAt(piece[skip:], fl.body.layout.Offset(i)+skip); err != nil {
		return &diskError{err}
	}
	if hash == [32]byte{} && fl.board.followed() {
		hash = verify.HashPiece(piece)
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	c.checkpointLocked(time.Now())
	proven := fl.body.tail
	fl.body.hold(i, came)
	c.untried = true
	if hash != [32]byte{} {
		c.offerLocked(i, hash)
	}
	for k := fl.body.tail; k < proven; k++ {
		a := fl.body.arrivals[k]
		if chain == nil || !a.fromPeer() {
			continue
		}
		c.provenMeter.addOver(fl.body.layout.Size(k), a.from, a.to)
	}
	c.joinLocked()
	return nil
}

// orderEnded takes an order off its source's books, and the source out of the
// flight if it lied or failed again.
func (c *crowd) orderEnded(s *source, o *order, err error) {
	c.mu.Lock()
	s.orders = slices.DeleteFunc(s.orders, func(x *order) bool { return x == o })
	if err == nil {
		c.usual.add((time.Since(c.fl.start) - o.Since) / time.Duration(o.End-o.First))
	}
	switch {
	case o.Next > o.First: // a peer that gives is not given up
		s.fails = 0
	case s.member != nil && (errors.Is(err, ErrBusy) || errors.Is(err, ErrUnknown) || errors.Is(err, errFalseClaim)):
		s.member.disappoint(o, err)
	case err != nil && !s.left && !errors.Is(err, context.Canceled):
		s.fails++
	}
	giveUp := s.fails > 1 || errors.Is(err, ErrBanned) || s.member == nil && errors.Is(err, ErrUnknown)
	c.mu.Unlock()

	var disk *diskError
	var mismatch *verify.MismatchError
	var claimed *claimError
	if errors.As(err, &claimed) {
		c.accuse(s, claimed)
		return
	}
	if errors.As(err, &mismatch) {
		mismatch.ListHash = s.have.ListHash // where the list in use says the same as its own
	}
	switch lie, lied := verify.LieOf(s.peer.String(), c.fl.proof().Digest(), err, time.Now()); {
	case errors.As(err, &disk):
		c.fail(err)
	case lied:
		c.fl.f.stats.reject(c.fl.body.layout.Size(lie.Piece), "piece")
		c.fl.f.cfg.Swarm.Ban(lie)
		c.leave(s.id, "lied")
	case giveUp:
		c.leave(s.id, "failed")
	}
}

// leave ends all business with a source in this flight.
func (c *crowd) leave(id int, why string) {
	c.mu.Lock()
	s := c.sources[id]
	s.left = true
	for _, o := range s.orders {
		o.cancel()
	}
	abandoned := s.camp != nil && s.camp == c.active && !slices.ContainsFunc(c.sources, func(x *source) bool { return x.camp == c.active && !x.left })
	c.mu.Unlock()
	c.fl.f.log.Debug("peer left", "peer", s.peer.String(), "why", why)
	if abandoned {
		c.changeCamp()
	}
}

// metered counts what a reader yields.
type metered struct {
	io.Reader
	m     *meter
	began time.Time       // when the first octet came
	first func(time.Time) // is told
}

func (r *metered) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		now := time.Now()
		r.m.add(int64(n), now)
		if r.began.IsZero() {
			r.began = now
			r.first(now)
		}
	}
	return n, err
}
