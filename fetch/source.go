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
}

// order is a run of pieces that a source was asked for.
type order struct {
	Order
	cancel context.CancelFunc
}

// camp is one state list and the peers that committed themselves to it. All
// honest peers are in one camp.
type camp struct {
	list *verify.StateList
}

func (s *source) view(start, now time.Time) PeerView {
	r := s.meter.read(now)
	v := PeerView{ID: s.id, Has: s.have.Has, Second: r.second, Rate: r.rate}
	if !r.at.IsZero() {
		v.Heard = r.at.Sub(start)
	}
	for _, o := range s.orders {
		v.Orders = append(v.Orders, o.Order)
	}
	return v
}

// give starts an order.
func (c *crowd) give(o Order) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sources[o.Peer]
	if s.left || c.chain == nil {
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
	layout := chain.List().Layout()
	body, err := s.peer.Open(ctx, Span{layout.Offset(o.First), layout.Offset(o.End)})
	if err != nil {
		return err
	}
	defer body.Close()
	buf := make([]byte, layout.PieceSize)
	for i := o.First; i < o.End; i++ {
		piece := buf[:layout.Size(i)]
		if _, err := io.ReadFull(metered{body, &s.meter}, piece); err != nil {
			return err
		}
		if err := chain.Fit(i, piece); err != nil {
			return err
		}
		if err := c.keep(chain, s, i, piece); err != nil {
			return err
		}
		c.mu.Lock()
		o.Next = i + 1
		c.mu.Unlock()
	}
	return nil
}

// keep puts a piece that fits on disk, behind the front.
func (c *crowd) keep(chain *verify.Chain, s *source, i int, piece []byte) error {
	c.disk.Lock()
	defer c.disk.Unlock()
	if c.chain != chain {
		return nil // another list is in use by now
	}
	fl := c.fl
	fl.mu.Lock()
	skip := max(fl.body.front-fl.body.layout.Offset(i), 0)
	useless := fl.landed || fl.body.held.Has(i) || skip >= int64(len(piece))
	fl.mu.Unlock()
	if useless {
		return nil
	}
	if _, err := fl.writer.WriteAt(piece[skip:], fl.body.layout.Offset(i)+skip); err != nil {
		return &diskError{err}
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if grown := fl.body.hold(i, s.peer.String()); grown > 0 {
		c.provenMeter.add(grown, time.Now())
	}
	c.joinLocked()
	return nil
}

// orderEnded takes an order off its source's books, and the source out of the
// flight if it lied or failed again.
func (c *crowd) orderEnded(s *source, o *order, err error) {
	c.mu.Lock()
	s.orders = slices.DeleteFunc(s.orders, func(x *order) bool { return x == o })
	if err != nil && !s.left && !errors.Is(err, context.Canceled) {
		s.fails++
	}
	giveUp := s.fails > 1 || errors.Is(err, ErrBanned) || errors.Is(err, ErrUnknown)
	c.mu.Unlock()

	var disk *diskError
	switch lie, lied := verify.LieOf(s.peer.String(), c.fl.proof.Digest(), err, time.Now()); {
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
	abandoned := s.camp == c.active && !slices.ContainsFunc(c.sources, func(x *source) bool { return x.camp == c.active && !x.left })
	c.mu.Unlock()
	c.fl.f.log.Debug("peer left", "peer", s.peer.String(), "why", why)
	if abandoned {
		c.changeCamp()
	}
}

// changeCamp goes over to the list of other peers, if there are any. What the
// old list proved stays: where two lists are proven they are the same.
func (c *crowd) changeCamp() {
	c.disk.Lock()
	defer c.disk.Unlock()
	c.mu.Lock()
	var next *camp
	for _, s := range c.sources {
		if !s.left {
			next = s.camp
		}
	}
	c.active = next
	c.mu.Unlock()
	c.setChainLocked(next)
}

// setChainLocked makes next's list the one that pieces are held against, and
// holds what is already here against it. disk is held.
func (c *crowd) setChainLocked(next *camp) {
	if c.contradicted || next == nil {
		return
	}
	chain, err := verify.NewChain(c.fl.proof, next.list)
	if err != nil {
		c.fl.f.log.Warn("state list", "err", err)
		return
	}
	fl := c.fl
	fl.mu.Lock()
	tail, old := fl.body.layout.Pieces(), fl.body.tail
	authors := make(map[int]string)
	for i := old; i < tail; i++ {
		authors[i] = fl.body.authors[i]
	}
	fl.body.dropTail()
	fl.mu.Unlock()

	c.mu.Lock()
	c.chain = chain
	c.mu.Unlock()
	for i := tail - 1; i >= old; i-- {
		piece := make([]byte, fl.body.layout.Size(i))
		if _, err := fl.writer.ReadAt(piece, fl.body.layout.Offset(i)); err != nil && !errors.Is(err, io.EOF) {
			return
		}
		if chain.Fit(i, piece) != nil {
			return
		}
		fl.mu.Lock()
		fl.body.hold(i, authors[i])
		fl.mu.Unlock()
	}
}

// metered counts what a reader yields.
type metered struct {
	io.Reader
	m *meter
}

func (r metered) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.m.add(int64(n), time.Now())
	}
	return n, err
}
