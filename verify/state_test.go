package verify

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"math/rand/v2"
	"testing"
)

// TestResumeAtEveryBorder is the one test that looks inside: from each
// chaining value and nothing else, the rest of the body leads to the digest of
// the standard library.
func TestResumeAtEveryBorder(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{7})
	for alg, std := range map[Algorithm]func() hash.Hash{SHA256: sha256.New, SHA512: sha512.New} {
		for _, tail := range []int{1, 55, 56, 63, 64, 111, 112, 127, 128, 4096, MinPieceSize} {
			body := make([]byte, 3*MinPieceSize+tail)
			_, _ = rng.Read(body)
			want := std()
			want.Write(body)
			h := alg.new()
			for offset := 0; offset < len(body); offset += MinPieceSize {
				chain := chainingValue(alg, h)
				again := resume(alg, chain, int64(offset))
				if !bytes.Equal(chainingValue(alg, again), chain) || len(chain) != alg.Size() {
					t.Fatalf("%s: state at %d changes by being resumed", alg, offset)
				}
				again.Write(body[offset:])
				if got := again.Sum(nil); !bytes.Equal(got, want.Sum(nil)) {
					t.Errorf("%s: resumed at %d of %d = %x, want %x", alg, offset, len(body), got, want.Sum(nil))
				}
				h.Write(body[offset:min(offset+MinPieceSize, len(body))])
			}
		}
	}
}

// TestChainingValueHidesTheRest: bare chaining values are sent to strangers,
// so nothing of the marshalled state may hang on behind them.
func TestChainingValueHidesTheRest(t *testing.T) {
	h := SHA256.new()
	h.Write(make([]byte, 64))
	if c := chainingValue(SHA256, h); cap(c) != len(c) {
		t.Errorf("chaining value of %d octets has %d behind it", len(c), cap(c)-len(c))
	}
}
