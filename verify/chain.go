package verify

import (
	"bytes"
	"fmt"
	"math"
	"sync"
)

// Chain judges the pieces that strangers send for one body, in any order.
//
// A piece that fits leads from the state before it to the state after it. That
// alone proves nothing, since the list is a stranger's too. But the last state
// is the origin's digest: whoever can make the last piece lead to it from a
// false state has found a pseudo-preimage. So once the last piece fits, the
// state before it is right; then the piece before that, and so on: the chain
// closes from the digest backwards, and every piece from Closed on is proven.
//
// Where the origin's digest has no state lists (Algorithm.Lists) the list leads
// to what its sender says: then the chain tells who sent which piece against
// its own word, but only the whole body is proven ([Chain.NeedsWhole]).
//
// All methods may be called at once from many goroutines. The zero Chain
// proves nothing.
type Chain struct {
	proof Proof
	list  *StateList
	hash  [32]byte

	mu     sync.Mutex // guards following
	fits   []bool
	closed int
}

// NewChain returns a chain over list for the body that p is about. It fails
// with ErrMalformed when there is no list or it is for another digest, and
// ErrNoEvidence for the zero Proof.
func NewChain(p Proof, list *StateList) (*Chain, error) {
	if !p.Valid() {
		return nil, ErrNoEvidence
	}
	if list == nil || list.of != p.Digest() {
		return nil, fmt.Errorf("%w: state list of another digest", ErrMalformed)
	}
	n := list.layout.Pieces()
	return &Chain{
		proof: p, list: list, hash: list.Hash(),
		fits: make([]bool, n), closed: n,
	}, nil
}

// List returns the state list that the chain is over.
func (c *Chain) List() *StateList { return c.list }

// Fit holds piece i against the list. It returns nil when the piece fits, and
// then remembers that it did; the caller must keep those very octets. It
// returns a *MismatchError when it does not: whoever committed to this list
// and sent this piece has lied.
func (c *Chain) Fit(i int, piece []byte) error {
	if c.list == nil {
		return ErrNoEvidence
	}
	layout := c.list.layout
	if i < 0 || i >= layout.Pieces() {
		return fmt.Errorf("%w: piece %d of %d", ErrMalformed, i, layout.Pieces())
	}
	if int64(len(piece)) != layout.Size(i) {
		return c.mismatch(i, piece, nil)
	}
	if got := c.list.leads(i, piece); !matches(got, c.list.after(i)) {
		return c.mismatch(i, piece, got)
	}
	c.mark(i)
	return nil
}

func (c *Chain) mismatch(i int, piece, got []byte) *MismatchError {
	return &MismatchError{
		Piece: i, Length: int64(len(piece)), Want: c.list.layout.Size(i),
		Before: bytes.Clone(c.list.before(i)), After: bytes.Clone(c.list.after(i)), Got: got, ListHash: c.hash,
	}
}

func (c *Chain) mark(i int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fits[i] = true
	for c.closed > 0 && c.fits[c.closed-1] {
		c.closed--
	}
}

// Of returns the digest that the origin states of the body.
func (c *Chain) Of() Digest { return c.proof.Digest() }

// NeedsWhole reports whether no piece is proven before the whole body is.
func (c *Chain) NeedsWhole() bool { return c.list == nil || c.list.of != c.list.digest }

// Closed returns the first piece of the proven tail: every piece from it to
// the end fits a list that is itself proven there. It equals the number of
// pieces while nothing is proven, and never rises. Under NeedsWhole it stays
// there.
func (c *Chain) Closed() int {
	if c.list == nil {
		return math.MaxInt
	}
	if c.NeedsWhole() {
		return c.list.layout.Pieces()
	}
	return c.Tail()
}

// Tail returns the first piece from which on every piece fits the list. It is
// Closed, but for NeedsWhole, where it proves nothing.
func (c *Chain) Tail() int {
	if c.list == nil {
		return math.MaxInt
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Fits reports whether piece i has fitted; none has that there is not.
func (c *Chain) Fits(i int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return i >= 0 && i < len(c.fits) && c.fits[i]
}

// Joins reports whether what r recorded, the origin's own octets from the
// front, meets the proven tail: r stands at a border (or the end) at or behind
// Closed, in the very state that the list has there. Then front and tail are
// one body with the origin's digest. When r stands so and Joins is false, the
// origin sent something else than its digest says. Under NeedsWhole r must
// have recorded the tail too, and match.
func (c *Chain) Joins(r *Recorder) bool {
	i, ok := r.border()
	if c.NeedsWhole() {
		return ok && i == r.layout.Pieces() && r.Matches(c.proof) && c.ClaimIs(r)
	}
	if !ok || i < c.Closed() || r.alg != c.list.digest.alg || r.layout != c.list.layout {
		return false
	}
	if i == c.list.layout.Pieces() {
		return matches(r.Sum(), []byte(c.list.digest.sum))
	}
	if i == 0 {
		return true
	}
	return matches(chainingValue(r.alg, r.h), c.list.before(i))
}

// ClaimIs reports whether r recorded the whole body that the list leads to.
// When it did, and Joins is false, whoever committed to the list lied: it said
// that this very body has the origin's digest.
func (c *Chain) ClaimIs(r *Recorder) bool {
	return c.list != nil && r.alg == c.list.digest.alg && r.n == c.list.digest.length &&
		matches(r.Sum(), []byte(c.list.digest.sum))
}
