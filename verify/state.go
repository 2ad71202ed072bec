package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"fmt"
	"hash"
)

// The hash functions here are Merkle-Damgård constructions: after a whole
// number of blocks all that counts is a chaining value. A piece size is a
// multiple of every block size, so at each border the chaining value is the
// whole state. crypto/sha256 and crypto/sha512 give and take their state as
//
//	magic[4] | chaining value | partial block | length in octets (8, big endian)
//
// Only the chaining value ever leaves this file.
type stateForm struct {
	magic string
	chain int // octets of a chaining value
	block int // octets of a block
}

func (a Algorithm) state() stateForm {
	switch a {
	case SHA256:
		return stateForm{"sha\x03", 32, 64}
	case SHA512:
		return stateForm{"sha\x07", 64, 128}
	default:
		panic("verify: internal error: no state form for " + a.String())
	}
}

// chainingValue returns the chaining value of h, which must have hashed a
// whole number of blocks.
func chainingValue(a Algorithm, h hash.Hash) []byte {
	f := a.state()
	raw, err := h.(encoding.BinaryAppender).AppendBinary(nil)
	if err != nil || len(raw) != len(f.magic)+f.chain+f.block+8 || string(raw[:len(f.magic)]) != f.magic {
		panic(fmt.Sprintf("verify: internal error: state of %s has another form: %v", a, err))
	}
	return raw[len(f.magic):][:f.chain:f.chain]
}

// resume returns a hash that stands at offset, a multiple of the block size,
// with the chaining value chain; a nil chain and offset 0 mean the start.
func resume(a Algorithm, chain []byte, offset int64) hash.Hash {
	h := a.new()
	if chain == nil {
		return h
	}
	f := a.state()
	raw := make([]byte, 0, len(f.magic)+f.chain+f.block+8)
	raw = append(raw, f.magic...)
	raw = append(raw, chain...)
	raw = append(raw, make([]byte, f.block)...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(offset))
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(raw); err != nil {
		panic(fmt.Sprintf("verify: internal error: resume %s: %v", a, err))
	}
	return h
}

// StateList is the chaining values of a body's hash at the borders between its
// pieces. A list is a claim of whoever sent it until a Chain closes over it.
// It is immutable.
//
// For a body whose digest has no state lists of its own, the list is one of
// SHA-256 with the SHA-256 of the body, as its sender says, before it.
type StateList struct {
	of     Digest // what the origin says
	digest Digest // what the list leads to: of, or what its sender says
	layout Layout
	raw    []byte // chaining values
	prefix int    // octets before them on the wire
}

// ParseStateList takes the list that somebody sent for the body of digest d:
// the bare chaining values, one after the other. Only its length is checked.
// The list keeps a copy of raw.
func ParseStateList(d Digest, raw []byte) (*StateList, error) {
	if d.IsZero() {
		return nil, fmt.Errorf("%w: state list of no digest", ErrMalformed)
	}
	l, alg := d.Layout(), d.alg.listing()
	claim, states := claimIn(d, raw)
	if want := l.Borders() * alg.state().chain; len(states) != want || claim.IsZero() {
		return nil, fmt.Errorf("%w: state list of %d octets for %s", ErrMalformed, len(raw), d)
	}
	return &StateList{of: d, digest: claim, layout: l, raw: bytes.Clone(states), prefix: len(raw) - len(states)}, nil
}

// claimIn returns the digest that a list for a body of digest d leads to, and
// the states.
func claimIn(d Digest, raw []byte) (claim Digest, states []byte) {
	if d.alg.Lists() {
		return d, raw
	}
	if len(raw) < SHA256.Size() {
		return Digest{}, nil
	}
	return Digest{alg: SHA256, sum: string(raw[:SHA256.Size()]), length: d.length}, raw[SHA256.Size():]
}

// ListFor returns the list to offer to those who know the body that w is of by
// d, as ParseStateList takes it: w's states, after w's digest if d has no lists
// of its own. The caller vouches that the body matches d. It is nil when w has
// no such states.
func ListFor(d Digest, w Whole) []byte {
	switch {
	case w.Digest.alg != d.alg.listing() || w.Digest.length != d.length:
		return nil
	case d.alg.Lists():
		return w.States
	}
	return append([]byte(w.Digest.sum), w.States...)
}

// ListSize is the length in octets of a state list for a body of digest d, as
// ParseStateList takes it.
func (d Digest) ListSize() int {
	n := d.Layout().Borders() * d.alg.listing().state().chain
	if !d.alg.Lists() {
		n += SHA256.Size()
	}
	return n
}

// Claim returns the digest that the list leads to. Where it is not the
// origin's, it is the word of whoever sent the list.
func (l *StateList) Claim() Digest { return l.digest }

// States returns a copy of the bare chaining values.
func (l *StateList) States() []byte { return bytes.Clone(l.raw) }

// Bytes returns a copy of the list as ParseStateList takes it.
func (l *StateList) Bytes() []byte {
	if l.prefix == 0 {
		return bytes.Clone(l.raw)
	}
	return append([]byte(l.digest.sum), l.raw...)
}

// Layout returns how the body is cut into pieces.
func (l *StateList) Layout() Layout { return l.layout }

// Hash returns the SHA-256 of the list, by which a peer commits to it.
func (l *StateList) Hash() [32]byte { return sha256.Sum256(l.Bytes()) }

// before returns the chaining value before piece i, nil for the first.
func (l *StateList) before(i int) []byte {
	if i == 0 {
		return nil
	}
	n := l.digest.alg.state().chain
	return l.raw[(i-1)*n : i*n]
}

// after returns what piece i must lead to: the chaining value behind it, or
// the digest itself for the last piece.
func (l *StateList) after(i int) []byte {
	if i == l.layout.Pieces()-1 {
		return []byte(l.digest.sum)
	}
	return l.before(i + 1)
}

// leads returns the state, or at the end the digest, to which piece i, of the
// right size, leads from the state before it.
func (l *StateList) leads(i int, piece []byte) []byte {
	alg := l.digest.alg
	h := resume(alg, l.before(i), l.layout.Offset(i))
	h.Write(piece)
	if i == l.layout.Pieces()-1 {
		return h.Sum(nil)
	}
	return chainingValue(alg, h)
}

// Intact reports whether piece i is what it was when this node made the list of
// octets that it had proven: so a node checks what it reads from its own disk
// before it sends it. Of a stranger's list and piece it proves nothing.
func (l *StateList) Intact(i int, piece []byte) bool {
	return i >= 0 && i < l.layout.Pieces() && int64(len(piece)) == l.layout.Size(i) && matches(l.leads(i, piece), l.after(i))
}

// MaxStateList is the length in octets of the longest list there can be.
const MaxStateList = (MaxPieces - 1) * 64
