package swarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync/atomic"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
	"github.com/libp2p/go-libp2p/core/peer"
)

// source is a peer as a source of one object. It holds nothing open itself.
type source struct {
	swarm *Swarm
	info  peer.AddrInfo
	name  string // of info: to reckon it takes longer than to look it up
	want  fetch.Want
	// credit is what the peer lends this node, in octets; 0 when it never said.
	credit atomic.Int64
}

var _ fetch.Peer = (*source)(nil)

// String returns the peer ID.
func (p *source) String() string { return p.name }

// Open asks for the octets of span, which begins and ends at borders of
// pieces. It returns once the peer has announced them. Each open span has a
// stream of its own, so a slow consumer of one keeps no other waiting.
func (p *source) Open(ctx context.Context, span fetch.Span) (io.ReadCloser, error) {
	layout := p.want.Proof.Digest().Layout()
	if !offered(layout, span) {
		return nil, fmt.Errorf("swarm: open %d to %d of %d octets: no whole pieces", span.Offset, span.End, layout.Length)
	}
	req := request{kind: askGet, spans: []fetch.Span{span}, credit: true}
	b, err := p.open(ctx, req, span.Len(), layout.PieceAt(span.Offset))
	if err != nil {
		return nil, fmt.Errorf("get from %s: %w", p, err)
	}
	return b, nil
}

// Credit returns how many octets of a body that is not complete the peer lets this
// node have under way, 0 if it never said: fetch keeps to it.
func (p *source) Credit() int64 { return p.credit.Load() }

// lend takes note of a credit that the peer told, 0 for none.
func (p *source) lend(credit int64) {
	if credit > 0 {
		p.credit.Store(credit)
	}
}

// offered reports whether span is whole pieces of l and not empty.
func offered(l verify.Layout, span fetch.Span) bool {
	return span.Offset >= 0 && span.Offset < span.End && span.End <= l.Length &&
		span.Offset%l.PieceSize == 0 && (span.End%l.PieceSize == 0 || span.End == l.Length)
}

// States asks for the state list. It has the right length; nothing else is
// said of it.
func (p *source) States(ctx context.Context) ([]byte, error) {
	list, err := p.states(ctx)
	if err != nil {
		return nil, fmt.Errorf("states from %s: %w", p, err)
	}
	return list, nil
}

func (p *source) states(ctx context.Context) ([]byte, error) {
	d := p.want.Proof.Digest()
	list := make([]byte, d.ListSize())
	b, err := p.open(ctx, request{kind: askStates}, int64(len(list)), -1)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if _, err := io.ReadFull(b, list); err != nil {
		return nil, err
	}
	// The end is read too: only then the stream may be used again.
	if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return nil, err
	}
	return list, nil
}

// Have asks what the peer has. What it says has the right shape; nothing else
// is said of it.
func (p *source) Have(ctx context.Context) (fetch.Have, error) {
	h, err := p.have(ctx)
	if err != nil {
		return fetch.Have{}, fmt.Errorf("have from %s: %w", p, err)
	}
	return h, nil
}

func (p *source) have(ctx context.Context) (have fetch.Have, err error) {
	c, err := p.call(ctx, request{kind: askHave})
	if err != nil {
		return fetch.Have{}, err
	}
	if c.first.kind == ansHave {
		have, err = readHave(p.want.Proof.Digest().Layout(), c.first)
	} else {
		err = malformed("answer of kind %d to have", c.first.kind)
	}
	if err != nil {
		return fetch.Have{}, c.fail(err)
	}
	p.swarm.peers.measured(c.remote, c.line.wait.trip)
	c.succeed()
	return have, nil
}

// readHave returns what a says of a body with layout l.
func readHave(l verify.Layout, a answer) (fetch.Have, error) {
	n := l.Pieces()
	h := fetch.Have{Complete: a.complete, Has: fetch.NewPieces(n)}
	if len(a.pieces) != len(h.Has) {
		return fetch.Have{}, malformed("availability of %d octets for %d pieces", len(a.pieces), n)
	}
	if n%8 != 0 && bits.Len8(a.pieces[n/8]) > n%8 {
		return fetch.Have{}, malformed("availability beyond %d pieces", n)
	}
	copy(h.Has, a.pieces)
	if !a.complete {
		if len(a.listHash) != 0 {
			return fetch.Have{}, malformed("list of an incomplete body")
		}
		return h, nil
	}
	if h.Has.Count() != n || len(a.listHash) != 32 {
		return fetch.Have{}, malformed("complete with %d of %d pieces", h.Has.Count(), n)
	}
	h.ListHash = [32]byte(a.listHash)
	return h, nil
}

// call is one request under way. Exactly one of succeed and fail ends it.
type call struct {
	swarm  *Swarm
	ctx    context.Context
	remote *remote
	line   *line
	detach func() bool // false when ctx has ended and the line is reset
	first  answer      // until the line's next frame is read
}

// call sends req, completed by what p is about, and awaits the first frame of
// its answer. A line that was idle may have been closed by the peer meanwhile,
// so its failure leads to a second try on a new one.
func (p *source) call(ctx context.Context, req request) (*call, error) {
	s := p.swarm
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	r, err := s.peers.use(p.info.ID)
	if err != nil {
		return nil, err
	}
	req.id, req.token, req.coding = p.want.ID, p.want.Token(), p.want.Coding
	for reuse := true; ; reuse = false {
		c := &call{swarm: s, ctx: ctx, remote: r}
		if s.bans.has(r.id) {
			return nil, c.settle(fetch.ErrBanned)
		}
		c.line, err = s.take(ctx, r, p.info, reuse)
		if err != nil {
			return nil, c.settle(err)
		}
		c.detach = context.AfterFunc(ctx, func() { _ = c.line.st.Reset() })
		c.first, err = c.line.ask(req, s.limits)
		if err == nil {
			return c, nil
		}
		if c.line.reused && lost(err) && c.detach() {
			s.drop(r, c.line)
			continue
		}
		return nil, c.fail(err)
	}
}

// succeed ends c, whose answer has been read to its end.
func (c *call) succeed() {
	if c.detach() {
		c.swarm.giveBack(c.remote, c.line)
	} else {
		c.swarm.drop(c.remote, c.line)
	}
	c.swarm.peers.judge(c.remote, "")
	c.swarm.peers.done(c.remote)
}

// fail ends c because of err, and returns what its caller should know.
func (c *call) fail(err error) error {
	if errors.Is(err, ErrMalformed) {
		c.swarm.metrics.rejected.WithLabelValues(rejectMalformed).Add(float64(c.line.in.size))
	}
	whole := errors.Is(err, fetch.ErrUnknown) || errors.Is(err, ErrBusy)
	if c.detach() && whole {
		c.swarm.giveBack(c.remote, c.line)
	} else {
		c.swarm.drop(c.remote, c.line)
	}
	return c.settle(err)
}

// settle notes how c ended for its peer, and returns err as its caller should
// know it: what the caller itself or a ban did is behind all that follows, and
// is not held against the peer.
func (c *call) settle(err error) error {
	s := c.swarm
	defer s.peers.done(c.remote)
	ownLimit := c.line == nil && errors.Is(err, ErrBusy)
	switch {
	case c.ctx.Err() != nil:
		return context.Cause(c.ctx)
	case errors.Is(err, fetch.ErrBanned), ownLimit:
		return err
	case s.bans.has(c.remote.id):
		return fmt.Errorf("%w: %w", fetch.ErrBanned, err)
	case s.ctx.Err() != nil:
		return ErrClosed
	case errors.Is(err, fetch.ErrUnknown):
		s.peers.judge(c.remote, "")
	default:
		s.peers.judge(c.remote, err.Error())
	}
	return err
}
