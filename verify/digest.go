package verify

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"

	"github.com/multiformats/go-multihash"
)

// Algorithm is a hash function, by its multicodec code.
type Algorithm uint64

// The algorithms that prove bytes, and for which state lists exist.
const (
	SHA256 Algorithm = multihash.SHA2_256
	SHA512 Algorithm = multihash.SHA2_512
)

// String returns the name in the RFC 9530 registry.
func (a Algorithm) String() string {
	switch a {
	case SHA256:
		return "sha-256"
	case SHA512:
		return "sha-512"
	default:
		return fmt.Sprintf("multihash-%#x", uint64(a))
	}
}

// Size is the length of a digest in octets, 0 for an unknown algorithm.
func (a Algorithm) Size() int {
	switch a {
	case SHA256:
		return sha256.Size
	case SHA512:
		return sha512.Size
	default:
		return 0
	}
}

func (a Algorithm) new() hash.Hash {
	switch a {
	case SHA256:
		return sha256.New()
	case SHA512:
		return sha512.New()
	default:
		panic("verify: internal error: no hash for " + a.String())
	}
}

func algorithmNamed(name string) (Algorithm, bool) {
	switch name {
	case "sha-256":
		return SHA256, true
	case "sha-512":
		return SHA512, true
	default:
		return 0, false
	}
}

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
	if alg.Size() == 0 || len(sum) != alg.Size() || length < 0 {
		return Digest{}, fmt.Errorf("%w: %s digest of %d octets for a body of %d", ErrMalformed, alg, len(sum), length)
	}
	return Digest{alg: alg, sum: string(sum), length: length}, nil
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
