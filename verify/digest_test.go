package verify_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/flashcrowd/flashcrowd/verify"
)

func TestNewDigest(t *testing.T) {
	for _, c := range []struct {
		name   string
		alg    verify.Algorithm
		octets int
		length int64
		ok     bool
	}{
		{"sha-256", verify.SHA256, 32, 5, true},
		{"sha-512", verify.SHA512, 64, 5, true},
		{"no octets at all", verify.SHA256, 32, 0, true},
		{"longest", verify.SHA256, 32, 1<<63 - 1, true},
		{"no algorithm", 0, 0, 5, false},
		{"md5", 0xd5, 16, 5, true},
		{"sha-1", 0x11, 20, 5, true},
		{"sha-384", 0x20, 48, 5, true},
		{"sha-224", 0x1013, 28, 5, false},
		{"parts of no size", verify.MD5Parts, 24, 5, false},
		{"cut", verify.SHA256, 31, 5, false},
		{"padded", verify.SHA256, 33, 5, false},
		{"of the other algorithm", verify.SHA256, 64, 5, false},
		{"empty", verify.SHA512, 0, 5, false},
		{"negative length", verify.SHA256, 32, -1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := verify.NewDigest(c.alg, make([]byte, c.octets), c.length)
			if c.ok != (err == nil) || c.ok == d.IsZero() {
				t.Fatalf("digest = %v, error = %v, want ok = %v", d, err, c.ok)
			}
			if !c.ok && !errors.Is(err, verify.ErrMalformed) {
				t.Errorf("error = %v, want ErrMalformed", err)
			}
		})
	}
}

func TestDigestIsAValue(t *testing.T) {
	sum := stdSum(verify.SHA256, []byte("abc"))
	d := newDigest(t, verify.SHA256, sum, 3)
	same := newDigest(t, verify.SHA256, bytes.Clone(sum), 3)
	want := "sha-256:" + hex.EncodeToString(sum) + "/3"
	sum[0] ^= 1
	d.Sum()[1] ^= 1
	d.Multihash()[2] ^= 1
	if d != same || d.String() != want {
		t.Errorf("digest = %s after its octets were changed outside, want %s", d, want)
	}
	if d == newDigest(t, verify.SHA256, d.Sum(), 4) {
		t.Error("digests with different lengths are equal")
	}
}

func TestMultihash(t *testing.T) {
	head := map[verify.Algorithm]string{verify.SHA256: "\x12\x20", verify.SHA512: "\x13\x40"}
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		d := stdDigest(t, alg, []byte("abc"))
		if got, want := string(d.Multihash()), head[alg]+string(d.Sum()); got != want {
			t.Errorf("multihash = %x, want %x", got, want)
		}
	})
}

// TestTokenVector has its expectations from another program (Python's hashlib)
// and, beside it, the formula of design.md section 2 written out.
func TestTokenVector(t *testing.T) {
	var id [32]byte
	for i := range id {
		id[i] = byte(i)
	}
	vectors := map[verify.Algorithm]string{
		verify.SHA256: "9b9685bf79c5027aef23f0ca907e5f02",
		verify.SHA512: "ad15f1b8cfc80472e86c521011351269",
	}
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		d := stdDigest(t, alg, []byte("abc"))
		token := verify.TokenOf(id, d)
		if token.String() != vectors[alg] {
			t.Errorf("token = %s, want %s", token, vectors[alg])
		}
		long := sha256.Sum256(append([]byte("flashcrowd/version/1\x00"+string(id[:])+"\x00"), d.Multihash()...))
		if !bytes.Equal(token[:], long[:16]) {
			t.Errorf("token = %s, want %x", token, long[:16])
		}
		other := id
		other[31] ^= 1
		if verify.TokenOf(other, d) == token {
			t.Error("another URL has the same token")
		}
		if verify.TokenOf(id, stdDigest(t, alg, []byte("abd"))) == token {
			t.Error("another version has the same token")
		}
	})
}
