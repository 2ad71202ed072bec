package verify

import (
	"bytes"
	"crypto/md5" //nolint:gosec // guesses of entity tags
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"slices"
)

// Recorder hashes a body as it comes, in order, from a source that needs no
// proof (the origin, or this node's own disk), and keeps the chaining value at
// each border. It is not safe for concurrent use.
type Recorder struct {
	alg    Algorithm
	layout Layout
	scale  uint8
	h      hash.Hash
	n      int64
	states []byte
	also   []*wholeHash
	// supposed are hashed without a look for attacks: they prove nothing.
	supposed []*wholeHash
}

// Observe makes r find out, too, which of ds the body has. It must be called
// before the first Write.
func (r *Recorder) Observe(ds ...Digest) {
	for _, d := range ds {
		known := slices.ContainsFunc(r.also, func(w *wholeHash) bool { return w.digest == d })
		if d.IsZero() || d.alg == r.alg || known {
			continue
		}
		r.also = append(r.also, newWholeHash(d))
	}
}

// Suppose makes r find out which of ds, guesses of what an entity tag may mean
// ([Profiles.Guesses]), the body has, for [Profiles.Learn] and for nothing else:
// Has and Matches say nothing of them. It must be called before the first Write,
// and after Observe.
func (r *Recorder) Suppose(ds ...Digest) {
	for _, d := range ds {
		if d.alg != MD5 {
			r.Observe(d)
			continue
		}
		if !slices.ContainsFunc(r.also, func(w *wholeHash) bool { return w.digest == d }) {
			r.supposed = append(r.supposed, &wholeHash{d, md5.New()})
		}
	}
}

// supposes reports whether the recorded octets have the digest d, which they
// were supposed or observed to have.
func (r *Recorder) supposes(d Digest) bool {
	for _, w := range r.supposed {
		if w.digest == d && r.n == d.length && w.matches() {
			return true
		}
	}
	return r.Has(d)
}

// NewRecorder returns a recorder for a body of length octets. With a negative
// length it only hashes and keeps no states. alg must have
// state lists.
func NewRecorder(alg Algorithm, length int64) *Recorder {
	r := &Recorder{alg: alg, h: alg.new(), layout: Layout{Length: -1}}
	if length >= 0 {
		r.layout = LayoutOf(length)
	}
	return r
}

// Write adds the next octets. It never fails, but octets beyond the length
// that NewRecorder was told are an error and not hashed.
func (r *Recorder) Write(p []byte) (int, error) {
	if r.layout.Length < 0 {
		r.n += int64(len(p))
		r.observe(p)
		return r.h.Write(p)
	}
	done := 0
	for done < len(p) {
		if r.n == r.layout.Length {
			return done, fmt.Errorf("%w: body longer than %d octets", ErrMalformed, r.layout.Length)
		}
		i := r.layout.PieceAt(r.n)
		end := r.layout.Offset(i + 1)
		part := p[done:][:min(int64(len(p)-done), end-r.n)]
		r.h.Write(part)
		r.observe(part)
		done += len(part)
		r.n += int64(len(part))
		if r.n == end && end < r.layout.Length {
			r.states = append(r.states, chainingValue(r.alg, r.h)...)
		}
	}
	return done, nil
}

func (r *Recorder) observe(p []byte) {
	for _, w := range r.also {
		w.h.Write(p)
	}
	for _, w := range r.supposed {
		w.h.Write(p)
	}
}

// Written returns how many octets were recorded.
func (r *Recorder) Written() int64 { return r.n }

// border returns the index of the piece that would come next, if the recorder
// stands between two pieces or at the end.
func (r *Recorder) border() (int, bool) {
	if r.layout.Length < 0 {
		return 0, false
	}
	if r.n == r.layout.Length {
		return r.layout.Pieces(), true
	}
	return r.layout.PieceAt(r.n), r.n%r.layout.PieceSize == 0
}

// Sum returns the hash of what was recorded so far.
func (r *Recorder) Sum() []byte { return r.h.Sum(nil) }

// Digest returns the digest of what was recorded so far.
func (r *Recorder) Digest() Digest {
	return Digest{alg: r.alg, sum: string(r.Sum()), length: r.n, scale: r.scale}
}

// Matches reports whether the recorded octets are the body that p is about.
func (r *Recorder) Matches(p Proof) bool {
	return p.Valid() && r.Has(p.Digest())
}

// Has reports whether the recorded octets have the digest d, which is of the
// recorder's own algorithm or was to be observed.
func (r *Recorder) Has(d Digest) bool {
	if d.IsZero() || r.n != d.length {
		return false
	}
	if r.alg == d.alg {
		return matches(r.Sum(), []byte(d.sum))
	}
	for _, w := range r.also {
		if w.digest == d {
			return w.matches()
		}
	}
	return false
}

// Ahead returns the recorder as it will be once it has recorded rest too. r
// itself stays as it is.
func (r *Recorder) Ahead(rest io.Reader) (*Recorder, error) {
	next := *r
	next.states = slices.Clone(r.states)
	next.h = cloneHash(r.h)
	next.also, next.supposed = cloneAll(r.also), cloneAll(r.supposed)
	if _, err := io.Copy(&next, rest); err != nil {
		return nil, err
	}
	return &next, nil
}

func cloneAll(hashes []*wholeHash) (out []*wholeHash) {
	for _, w := range hashes {
		out = append(out, &wholeHash{w.digest, cloneHash(w.h)})
	}
	return out
}

// Whole is all that can be said of a complete body, to be stored beside it and
// offered to peers.
type Whole struct {
	Digest Digest
	// States is the state list (ParseStateList); nil when the length was not
	// known beforehand or the body ended before it, or where it has no borders.
	States []byte
}

// Whole returns what was recorded, once the body is complete. The caller must
// not write any more and owns what it gets.
func (r *Recorder) Whole() Whole {
	if r.n != r.layout.Length {
		return Whole{Digest: r.Digest()}
	}
	return Whole{Digest: r.Digest(), States: bytes.Clone(r.states)}
}

// WholeOf returns the whole body that r's front and c's proven tail make. It
// fails with ErrMalformed unless c.Joins(r). States are r's own up to where it
// stands and the list's behind: what the list says before its proven tail may
// be false, and this node must not commit to it.
func WholeOf(r *Recorder, c *Chain) (Whole, error) {
	if !c.Joins(r) {
		return Whole{}, fmt.Errorf("%w: front and tail do not join", ErrMalformed)
	}
	if c.NeedsWhole() {
		return r.Whole(), nil
	}
	states := slices.Concat(r.states, c.list.raw[len(r.states):])
	return Whole{Digest: c.list.digest, States: states}, nil
}

// PieceIs reports whether piece has the SHA-256 want.
func PieceIs(piece []byte, want [32]byte) bool {
	got := sha256.Sum256(piece)
	return matches(got[:], want[:])
}
