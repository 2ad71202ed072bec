package verify

import (
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"

	"github.com/multiformats/go-multihash"
	"golang.org/x/crypto/blake2b"
)

// Algorithm is a hash function, by its multicodec code.
type Algorithm uint64

// The algorithms by which a body can be proven. State lists exist for SHA256
// and SHA512; by any other one only a whole body is.
const (
	SHA256     Algorithm = multihash.SHA2_256
	SHA512     Algorithm = multihash.SHA2_512
	SHA384     Algorithm = 0x20
	BLAKE2b256 Algorithm = 0xb220
	// SHA1 and MD5 never match a body in which a collision attack is detected.
	SHA1 Algorithm = multihash.SHA1
	MD5  Algorithm = multihash.MD5
	// GitBlob is the SHA-1 of "blob LENGTH" NUL body, as git names files.
	GitBlob Algorithm = private + 1
	// MD5Parts is the MD5 of the MD5 of each part, as S3 tags an object that
	// was uploaded in parts; the size of the parts, 8 octets, is behind it.
	MD5Parts Algorithm = private + 2
)

// private is where multicodec leaves room for codes of one's own: the input
// rules of these have no multihash.
const private = 0x300000

type algorithm struct {
	name string
	size int
	// states: state lists exist.
	states bool
	// strong: nobody can make two bodies of one digest.
	strong bool
	new    func(Digest) hash.Hash
}

var algorithmsKnown = map[Algorithm]algorithm{
	SHA256:     {"sha-256", 32, true, true, func(Digest) hash.Hash { return sha256.New() }},
	SHA512:     {"sha-512", 64, true, true, func(Digest) hash.Hash { return sha512.New() }},
	SHA384:     {"sha-384", 48, false, true, func(Digest) hash.Hash { return sha512.New384() }},
	BLAKE2b256: {"blake2b-256", 32, false, true, func(Digest) hash.Hash { return newBLAKE2b() }},
	SHA1:       {"sha-1", 20, false, false, func(Digest) hash.Hash { return newSafeSHA1() }},
	MD5:        {"md5", 16, false, false, func(Digest) hash.Hash { return newSafeMD5() }},
	GitBlob:    {"git-blob-sha-1", 20, false, false, newGitBlob},
	MD5Parts:   {"md5-of-parts", 24, false, false, newParts},
}

// preferred is which of equally strong digests is used: SHA-256 first, because
// all peers have it in common.
var preferred = []Algorithm{SHA256, SHA512, SHA384, BLAKE2b256, SHA1, GitBlob, MD5, MD5Parts}

// String returns the name in the RFC 9530 registry, or one in its manner.
func (a Algorithm) String() string {
	if k, known := algorithmsKnown[a]; known {
		return k.name
	}
	return fmt.Sprintf("multihash-%#x", uint64(a))
}

// Size is the length of a digest in octets, 0 for an unknown algorithm.
func (a Algorithm) Size() int { return algorithmsKnown[a].size }

// Lists reports whether a state list can prove single pieces under a.
func (a Algorithm) Lists() bool { return algorithmsKnown[a].states }

// Strong reports whether nobody is able to make two bodies of one digest.
func (a Algorithm) Strong() bool { return algorithmsKnown[a].strong }

// listing is the algorithm of the state lists of bodies that are known by a.
func (a Algorithm) listing() Algorithm {
	if a.Lists() {
		return a
	}
	return SHA256
}

// new returns the hash of an algorithm that has state lists.
func (a Algorithm) new() hash.Hash {
	if !a.Lists() {
		panic("verify: internal error: no state lists for " + a.String())
	}
	return algorithmsKnown[a].new(Digest{})
}

func newBLAKE2b() hash.Hash {
	h, err := blake2b.New256(nil)
	if err != nil {
		panic("verify: internal error: blake2b without a key: " + err.Error())
	}
	return h
}

// algorithmNamed reads what String wrote.
func algorithmNamed(name string) (Algorithm, bool) {
	for a, k := range algorithmsKnown {
		if k.name == name {
			return a, true
		}
	}
	return 0, false
}
