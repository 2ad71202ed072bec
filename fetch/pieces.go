package fetch

import "math/bits"

// Pieces is a set of piece indices: bit i%8 of octet i/8 stands for piece i.
type Pieces []byte

// NewPieces returns an empty set that can hold n pieces.
func NewPieces(n int) Pieces { return make(Pieces, (n+7)/8) }

// AllPieces returns the set of the first n pieces.
func AllPieces(n int) Pieces {
	p := NewPieces(n)
	for i := range n {
		p.Add(i)
	}
	return p
}

// Add puts piece i into the set.
func (p Pieces) Add(i int) { p[i/8] |= 1 << (i % 8) }

// Remove takes piece i out of the set.
func (p Pieces) Remove(i int) { p[i/8] &^= 1 << (i % 8) }

// Has reports whether piece i is in the set; pieces beyond it are not.
func (p Pieces) Has(i int) bool { return i >= 0 && i/8 < len(p) && p[i/8]&(1<<(i%8)) != 0 }

// each calls f for every piece below n that is in p and, unless mask is nil, in
// mask, in rising order.
func (p Pieces) each(mask Pieces, n int, f func(i int)) {
	for k := range min(len(p), (n+7)/8) {
		b := p[k]
		if mask != nil {
			b &= mask[k]
		}
		for ; b != 0; b &= b - 1 {
			if i := 8*k + bits.TrailingZeros8(b); i < n {
				f(i)
			}
		}
	}
}

// Count returns how many pieces are in the set.
func (p Pieces) Count() int {
	n := 0
	for _, b := range p {
		n += bits.OnesCount8(b)
	}
	return n
}
