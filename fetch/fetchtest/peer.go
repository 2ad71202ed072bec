package fetchtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Peer is another node that has one body. With no more than its first fields
// set it is honest and fast. Fields may be changed until it is added to a
// Swarm.
type Peer struct {
	// Name is its peer ID.
	Name string
	// Object, the ID of a URL, and Body that it has, whose digest is its other
	// name unless it is Alone; Alg of the digest, SHA-256 if zero.
	Object dht.ID
	Body   []byte
	Alg    verify.Algorithm
	Alone  bool
	// Of is the digest that it says its body has, if not by Alg: one without
	// state lists of its own.
	Of verify.Digest
	// Link carries all that it sends; nil is without limit.
	Link *Link

	// CompleteAt is when it has all; until then it says that it has nothing.
	CompleteAt time.Time
	// Unknown: it has another version.
	Unknown bool

	// Flips are pieces in which it inverts a bit.
	Flips []int
	// Sends is what it sends in place of Body, of the same length.
	Sends []byte
	// List is given the true state list and returns the one that it sends and
	// commits to; CommitsTrue: it commits to the true one nevertheless.
	List        func(states []byte) []byte
	CommitsTrue bool

	// Short is by how much each transfer is too short; CleanEnd: it ends like
	// a whole one. Endless: it goes on beyond the end.
	Short             int64
	CleanEnd, Endless bool
	// Silent: it sends nothing. StallsAfter, if positive, is how many octets
	// it sends in all before it falls silent; BreaksAfter how many of each
	// transfer before it breaks off.
	Silent                   bool
	StallsAfter, BreaksAfter int64
	// Ended, if not nil, is called whenever a transfer is over.
	Ended func()

	mu     sync.Mutex // guards following
	sent   int64
	open   int
	gone   bool
	frozen bool
	cancel map[*flow]bool
}

// errGone is what a peer that has vanished fails with.
var errGone = errors.New("fetchtest: peer is gone")

// Sent returns the octets of pieces that p sent in all.
func (p *Peer) Sent() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

// Open returns how many transfers of p are under way.
func (p *Peer) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// Vanish breaks off all transfers of p and lets all later ones fail.
func (p *Peer) Vanish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = true
	for f := range p.cancel {
		f.cancel(errGone)
	}
}

// Freeze lets p fall silent: transfers stay open and nothing comes.
func (p *Peer) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = true
}

func (p *Peer) alg() verify.Algorithm {
	if p.Alg == 0 {
		return verify.SHA256
	}
	return p.Alg
}

// Names are the IDs under which p is a member.
func (p *Peer) Names() []dht.ID {
	if p.Alone || len(p.Body) == 0 || !p.Of.IsZero() {
		return []dht.ID{p.Object}
	}
	return []dht.ID{p.Object, dht.DigestID(WholeOf(p.alg(), p.Body).Digest.Multihash())}
}

// knows reports whether w is for the version that p has.
func (p *Peer) knows(w fetch.Want) bool {
	d := p.Of
	if d.IsZero() {
		d = WholeOf(p.alg(), p.Body).Digest
	}
	return slices.Contains(p.Names(), w.ID) && w.Token() == verify.TokenOf(w.ID, d)
}

func (p *Peer) list() []byte {
	list := WholeOf(p.alg(), p.Body).States
	if !p.Of.IsZero() {
		list = verify.ListFor(p.Of, WholeOf(p.alg(), p.Body))
	}
	if p.List != nil {
		list = p.List(slices.Clone(list))
	}
	return list
}

// have is what p says of itself.
func (p *Peer) have() fetch.Have {
	whole := WholeOf(p.alg(), p.Body)
	n := whole.Digest.Layout().Pieces()
	if time.Now().Before(p.CompleteAt) {
		return fetch.Have{Has: fetch.NewPieces(n)}
	}
	h := fetch.Have{Complete: true, Has: fetch.AllPieces(n), ListHash: sha256.Sum256(p.list())}
	if p.CommitsTrue {
		h.ListHash = sha256.Sum256(whole.States)
	}
	return h
}

// transfer is what p sends when asked for span, and how that ends.
func (p *Peer) transfer(span fetch.Span) (data []byte, end error) {
	from := p.Body
	if p.Sends != nil {
		from = p.Sends
	}
	data, end = from[span.Offset:span.End], io.EOF
	layout := verify.LayoutOf(int64(len(p.Body)))
	for _, i := range p.Flips {
		if at := layout.Offset(i) - span.Offset; at >= 0 && at < int64(len(data)) {
			data = bytes.Clone(data)
			data[at] ^= 1
		}
	}
	if p.Short > 0 {
		data, end = data[:max(int64(len(data))-p.Short, 0)], io.ErrUnexpectedEOF
	}
	if p.BreaksAfter > 0 && p.BreaksAfter < int64(len(data)) {
		data, end = data[:p.BreaksAfter], io.ErrUnexpectedEOF
	}
	if p.CleanEnd {
		end = io.EOF
	}
	if p.Endless {
		data, end = append(bytes.Clone(data), make([]byte, 1<<20)...), nil
	}
	if p.Silent {
		data, end = nil, nil
	}
	return data, end
}

// start begins a transfer.
func (p *Peer) start(ctx context.Context, data []byte, end error) (io.ReadCloser, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return nil, errGone
	}
	if left := p.StallsAfter - p.sent; p.StallsAfter > 0 && left < int64(len(data)) {
		data, end = data[:max(left, 0)], nil
	}
	p.open++
	var f *flow
	f = newFlow(ctx, p.Link, data, end, p.count, func() { p.ended(f) })
	if p.cancel == nil {
		p.cancel = make(map[*flow]bool)
	}
	p.cancel[f] = true
	return &peerFlow{f, p}, nil
}

func (p *Peer) ended(f *flow) {
	p.mu.Lock()
	p.open--
	delete(p.cancel, f)
	p.mu.Unlock()
	if p.Ended != nil {
		p.Ended()
	}
}

func (p *Peer) count(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent += int64(n)
}

// peerFlow is a transfer that falls silent when its peer does.
type peerFlow struct {
	*flow
	p *Peer
}

func (f *peerFlow) Read(b []byte) (int, error) {
	f.p.mu.Lock()
	silent := f.p.frozen || f.p.StallsAfter > 0 && f.p.sent >= f.p.StallsAfter
	f.p.mu.Unlock()
	if silent {
		<-f.ctx.Done()
	}
	return f.flow.Read(b)
}

// contact is what one node knows a Peer by.
type contact struct {
	*Peer
	swarm *Swarm
	want  fetch.Want
}

var _ fetch.Peer = (*contact)(nil)

func (c *contact) String() string { return c.Name }

// check says why c answers nothing, after the time that this takes.
func (c *contact) check(ctx context.Context) error {
	if err := c.Link.answer(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.swarm.banned(c.Name):
		return fetch.ErrBanned
	case c.gone:
		return errGone
	case c.Unknown, !c.knows(c.want):
		return fetch.ErrUnknown
	}
	return nil
}

// Have implements fetch.Peer.
func (c *contact) Have(ctx context.Context) (fetch.Have, error) {
	if err := c.check(ctx); err != nil {
		return fetch.Have{}, err
	}
	return c.have(), nil
}

// States implements fetch.Peer.
func (c *contact) States(ctx context.Context) ([]byte, error) {
	if err := c.check(ctx); err != nil {
		return nil, err
	}
	return c.list(), nil
}

// Follow implements fetch.Peer: such a peer has no news.
func (c *contact) Follow(context.Context, func(fetch.News)) error { return fetch.ErrUnknown }

// Open implements fetch.Source.
func (c *contact) Open(ctx context.Context, span fetch.Span) (io.ReadCloser, error) {
	layout := verify.LayoutOf(int64(len(c.Body)))
	border := func(at int64) bool { return at == layout.Length || at%layout.PieceSize == 0 }
	if span.Offset < 0 || span.Len() <= 0 || span.End > layout.Length || !border(span.Offset) || !border(span.End) {
		return nil, errors.New("fetchtest: no such span")
	}
	if err := c.check(ctx); err != nil {
		return nil, err
	}
	data, end := c.transfer(span)
	return c.start(ctx, data, end)
}

type wholeKey struct {
	first *byte
	n     int
	alg   verify.Algorithm
}

var (
	wholesMu sync.Mutex // guards following
	wholes   = map[wholeKey]verify.Whole{}
)

// WholeOf returns what can be said of body, which must not change any more:
// it is hashed once.
func WholeOf(alg verify.Algorithm, body []byte) verify.Whole {
	if len(body) == 0 {
		return wholeOf(alg, body)
	}
	key := wholeKey{&body[0], len(body), alg}
	wholesMu.Lock()
	defer wholesMu.Unlock()
	w, known := wholes[key]
	if !known {
		w = wholeOf(alg, body)
		wholes[key] = w
	}
	return w
}
