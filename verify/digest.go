package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/multiformats/go-multihash"
)

// Digest is a hash of a body together with the body's exact length. Digests
// are comparable with ==; the zero Digest is none.
type Digest struct {
	alg    Algorithm
	sum    string
	length int64
	scale  uint8 // see Proof.Scaled; 0 in every node
}

// NewDigest binds sum to length. It fails with ErrMalformed for an unknown
// algorithm, a sum of the wrong size or a negative length.
func NewDigest(alg Algorithm, sum []byte, length int64) (Digest, error) {
	d := Digest{alg: alg, sum: string(sum), length: length}
	if alg.Size() == 0 || len(sum) != alg.Size() || length < 0 || alg == MD5Parts && partSize(d) <= 0 {
		return Digest{}, fmt.Errorf("%w: %s digest of %d octets for a body of %d", ErrMalformed, alg, len(sum), length)
	}
	return d, nil
}

// IsZero reports whether d is no digest.
func (d Digest) IsZero() bool { return d.alg == 0 }

// Algorithm returns the hash function.
func (d Digest) Algorithm() Algorithm { return d.alg }

// Sum returns a copy of the hash.
func (d Digest) Sum() []byte { return []byte(d.sum) }

// Length returns the length of the body in octets.
func (d Digest) Length() int64 { return d.length }

// Layout returns how a body of this length is cut into pieces.
func (d Digest) Layout() Layout { return scaledLayout(d.length, d.scale) }

// Multihash returns the hash as a multihash.
func (d Digest) Multihash() multihash.Multihash {
	mh, err := multihash.Encode([]byte(d.sum), uint64(d.alg))
	if err != nil {
		panic("verify: internal error: encode multihash: " + err.Error())
	}
	return mh
}

// String returns the form "sha-256:HEX/LENGTH".
func (d Digest) String() string {
	return fmt.Sprintf("%s:%s/%d", d.alg, hex.EncodeToString([]byte(d.sum)), d.length)
}

// Token names one version of one URL between nodes that both have the digest
// from the origin. Whoever does not have it can neither ask nor probe.
type Token [16]byte

// String returns the token in lower-case hexadecimal.
func (t Token) String() string { return hex.EncodeToString(t[:]) }

// TokenOf returns the first 16 octets of
// SHA-256("flashcrowd/version/1" NUL id NUL multihash).
func TokenOf(id [32]byte, d Digest) Token {
	h := sha256.New()
	h.Write([]byte("flashcrowd/version/1\x00"))
	h.Write(id[:])
	h.Write([]byte{0})
	h.Write(d.Multihash())
	return Token(h.Sum(nil)[:16])
}
