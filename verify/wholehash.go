package verify

import (
	"crypto/md5" //nolint:gosec // the entity tags of S3
	"encoding/binary"
	"hash"
	"strconv"

	"github.com/pjbgf/sha1cd"
)

// wholeHash hashes a body that is proven only whole.
type wholeHash struct {
	digest Digest
	h      hash.Hash
}

func newWholeHash(d Digest) *wholeHash {
	return &wholeHash{digest: d, h: algorithmsKnown[d.alg].new(d)}
}

// matches reports whether what was hashed has the digest. A body that a
// collision attack made has no digest at all.
func (w *wholeHash) matches() bool {
	sum := w.sum()
	return sum != nil && matches(sum, []byte(w.digest.sum))
}

// sum returns nil when a collision attack was detected.
func (w *wholeHash) sum() []byte {
	if m, ok := w.h.(marking); ok && m.collides() {
		return nil
	}
	return w.h.Sum(nil)
}

// marking is a hash that can be attacked and knows the marks of it.
type marking interface{ collides() bool }

// safeSHA1 is SHA-1 that knows the marks of the known collision attacks. The
// state that the library writes out forgets what it detected, so that is kept
// beside it.
type safeSHA1 struct {
	sha1cd.CollisionResistantHash
	collided bool
}

func newSafeSHA1() *safeSHA1 {
	return &safeSHA1{CollisionResistantHash: sha1cd.New().(sha1cd.CollisionResistantHash)}
}

func (s *safeSHA1) collides() bool {
	_, now := s.CollisionResistantSum(nil)
	return isAttack(now || s.collided)
}

// gitBlob is SHA-1 over git's header and the body.
type gitBlob struct{ *safeSHA1 }

func newGitBlob(d Digest) hash.Hash {
	g := &gitBlob{newSafeSHA1()}
	_, _ = g.Write(append(strconv.AppendInt([]byte("blob "), d.length, 10), 0))
	return g
}

// parts is the MD5 of the MD5 of each part of the same size but for a shorter
// last one. It is the hash of nothing but whole bodies.
type parts struct {
	size  int64
	outer hash.Hash
	part  *safeMD5
	left  int64 // of the part
	// attacked: an attack made a part before. Nobody chooses the octets that
	// outer hashes.
	attacked bool
}

func newParts(d Digest) hash.Hash {
	p := &parts{size: partSize(d)}
	p.Reset()
	return p
}

// partSize returns the size of the parts that an MD5Parts digest is about.
func partSize(d Digest) int64 {
	return int64(binary.BigEndian.Uint64([]byte(d.sum[md5.Size:])))
}

func (p *parts) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		if p.left == 0 {
			p.closePart()
		}
		some := b[:min(int64(len(b)), p.left)]
		p.part.Write(some)
		p.left -= int64(len(some))
		b = b[len(some):]
	}
	return n, nil
}

func (p *parts) closePart() {
	p.attacked = p.collides()
	p.outer.Write(p.part.Sum(nil))
	p.part.Reset()
	p.left = p.size
}

// Sum leaves p as it was: MD5's Sum copies its state, and the open part is
// added to a second outer hash.
func (p *parts) Sum(b []byte) []byte {
	outer, err := p.outer.(hash.Cloner).Clone()
	if err != nil {
		panic("verify: internal error: clone md5: " + err.Error())
	}
	_, _ = outer.Write(p.part.Sum(nil))
	return binary.BigEndian.AppendUint64(outer.Sum(b), uint64(p.size))
}

func (p *parts) collides() bool { return p.attacked || p.part.collides() }
func (p *parts) Reset() {
	p.outer, p.part, p.left, p.attacked = md5.New(), newSafeMD5(), p.size, false
}
func (p *parts) Size() int      { return md5.Size + 8 }
func (p *parts) BlockSize() int { return md5.BlockSize }

// partsDigest returns the digest that an S3 tag of n parts states, if parts of
// size octets can make a body of length octets of them.
func partsDigest(sum []byte, n, size, length int64) (Digest, error) {
	if size <= 0 || n <= 0 || n > 10000 || (length+size-1)/size != n {
		return Digest{}, ErrMalformed
	}
	return NewDigest(MD5Parts, binary.BigEndian.AppendUint64(append([]byte(nil), sum...), uint64(size)), length)
}
