package fetchtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Mesh is the exchange among Fetchers of one process, each over a line of its
// own. The zero value is empty.
type Mesh struct {
	mu    sync.Mutex // guards following
	nodes map[string]*MeshNode
	lies  []verify.Lie
}

// MeshNode is one node of a Mesh.
type MeshNode struct {
	Name string
	// Up carries what it sends.
	Up *Link
	// Shelf is what it offers; set before anybody asks.
	Shelf fetch.Shelf
	// Lies inverts a bit in every piece that it sends, and in what it claims
	// of those if ClaimsIt. Honest, if not nil, says of which pieces it does not.
	Lies, ClaimsIt bool
	Honest         func(i int) bool
	// OfItsOwn: it lies only of what it took from the origin itself, and hands on
	// truly what it has of others.
	OfItsOwn bool
	// Refutes: it says of each piece that any other says it took from the origin
	// that it took it, too, and that it was another one.
	Refutes bool

	mesh  *Mesh
	sent  atomic.Int64
	took  map[int]bool // pieces of the origin that it lied of; guarded by mesh.mu
	heard []refuted    // guarded by mesh.mu
}

// Sent returns how many octets of bodies n has sent.
func (n *MeshNode) Sent() int64 { return n.sent.Load() }

// refuted is a piece that by says it took from the origin.
type refuted struct {
	piece int
	by    *MeshNode
}

// Add makes a node known by its name.
func (m *Mesh) Add(n *MeshNode) fetch.Swarm {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.nodes == nil {
		m.nodes = make(map[string]*MeshNode)
	}
	n.mesh = m
	m.nodes[n.Name] = n
	return &meshSwarm{m, n}
}

// Banned returns who was banned, by anybody.
func (m *Mesh) Banned() map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]bool{}
	for _, l := range m.lies {
		out[l.Peer] = true
	}
	return out
}

type meshSwarm struct {
	m    *Mesh
	self *MeshNode
}

func (s *meshSwarm) Peer(m dht.Member, w fetch.Want) (fetch.Peer, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	n := s.m.nodes[m.ID]
	if n == nil || n == s.self {
		return nil, errors.New("fetchtest: no such peer")
	}
	return &meshPeer{n, s.self, w}, nil
}

func (s *meshSwarm) Ban(l verify.Lie) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.lies = append(s.m.lies, l)
}

type meshPeer struct {
	*MeshNode
	from *MeshNode
	want fetch.Want
}

func (p *meshPeer) String() string { return p.Name }

func (p *meshPeer) open(ctx context.Context) (*fetch.Shelved, error) {
	if err := p.Up.answer(ctx); err != nil {
		return nil, err
	}
	if p.mesh.Banned()[p.Name] {
		return nil, fetch.ErrBanned
	}
	return p.Shelf.Open(p.want.ID, p.want.Token())
}

func (p *meshPeer) Have(ctx context.Context) (fetch.Have, error) {
	sh, err := p.open(ctx)
	if err != nil {
		return fetch.Have{}, err
	}
	defer sh.Close()
	if !sh.Complete {
		return fetch.Have{Has: sh.Has}, nil
	}
	return fetch.Have{
		Complete: true, Has: fetch.AllPieces(sh.Digest.Layout().Pieces()),
		ListHash: verify.HashPiece(sh.States),
	}, nil
}

func (p *meshPeer) States(ctx context.Context) ([]byte, error) {
	sh, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	defer sh.Close()
	if !sh.Complete {
		return nil, fetch.ErrUnknown
	}
	return bytes.Clone(sh.States), nil
}

func (p *meshPeer) Follow(ctx context.Context, hear func(fetch.News)) error {
	sh, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer sh.Close()
	if sh.Complete {
		hear(fetch.News{Complete: true})
		return nil
	}
	if sh.Follow == nil {
		return fetch.ErrUnknown
	}
	told := 0
	return sh.Follow(ctx, dht.Member{ID: p.from.Name}, func(n fetch.News) error {
		if err := p.Up.answer(ctx); err != nil {
			return err
		}
		p.listen(n.Claims)
		if p.Lies && p.ClaimsIt {
			n.Claims = p.falsify(sh, n.Claims)
		}
		n.Claims = append(n.Claims, p.refute(&told)...)
		hear(n)
		return nil
	})
}

// listen lets a follower that refutes take note of what p says.
func (p *meshPeer) listen(claims []fetch.Claim) {
	p.mesh.mu.Lock()
	defer p.mesh.mu.Unlock()
	for _, c := range claims {
		if c.Own && p.from.Refutes {
			p.from.heard = append(p.from.heard, refuted{c.Piece, p.MeshNode})
		}
	}
}

// refute returns what p refutes that it has not told this follower: nothing that
// the follower said itself and could know to be a lie.
func (p *meshPeer) refute(told *int) (out []fetch.Claim) {
	p.mesh.mu.Lock()
	defer p.mesh.mu.Unlock()
	for ; *told < len(p.heard); *told++ {
		if h := p.heard[*told]; h.by != p.from {
			out = append(out, fetch.Claim{Piece: h.piece, Hash: verify.HashPiece([]byte{byte(h.piece)}), Own: true})
		}
	}
	return out
}

func (n *MeshNode) lies(i int) bool {
	n.mesh.mu.Lock()
	defer n.mesh.mu.Unlock()
	return n.Lies && (n.Honest == nil || !n.Honest(i)) && (!n.OfItsOwn || n.took[i])
}

// tookItself notes that n says it took a piece from the origin.
func (n *MeshNode) tookItself(i int) {
	n.mesh.mu.Lock()
	defer n.mesh.mu.Unlock()
	if n.took == nil {
		n.took = make(map[int]bool)
	}
	n.took[i] = true
}

// falsify claims what the lying node sends.
func (p *meshPeer) falsify(sh *fetch.Shelved, claims []fetch.Claim) []fetch.Claim {
	var out []fetch.Claim
	l := sh.Digest.Layout()
	for _, c := range claims {
		if c.Own {
			p.tookItself(c.Piece)
		}
		if !p.lies(c.Piece) {
			out = append(out, c)
			continue
		}
		piece := make([]byte, l.Size(c.Piece))
		if _, err := sh.Body.ReadAt(piece, l.Offset(c.Piece)); err != nil && !errors.Is(err, io.EOF) {
			continue
		}
		piece[0] ^= 1
		out = append(out, fetch.Claim{Piece: c.Piece, Hash: verify.HashPiece(piece), Own: true})
	}
	return out
}

func (p *meshPeer) Open(ctx context.Context, span fetch.Span) (io.ReadCloser, error) {
	sh, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	defer sh.Close()
	l := sh.Digest.Layout()
	for i := l.PieceAt(span.Offset); l.Offset(i) < span.End && i < l.Pieces(); i++ {
		if !sh.Complete && !sh.Has.Has(i) {
			return nil, fetch.ErrUnknown
		}
	}
	data := make([]byte, span.Len())
	if _, err := sh.Body.ReadAt(data, span.Offset); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("fetchtest: read: %w", err)
	}
	for at := int64(0); at < span.Len(); at += l.PieceSize {
		if p.lies(l.PieceAt(span.Offset + at)) {
			data[at] ^= 1
		}
	}
	return newFlow(ctx, p.Up, data, io.EOF, func(n int) { p.sent.Add(int64(n)) }, func() {}), nil
}
