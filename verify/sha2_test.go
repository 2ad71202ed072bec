package verify_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"testing"

	"github.com/flashcrowd/flashcrowd/verify"
)

// sha2 is FIPS 180-4 written down once for both word sizes, with its constants
// computed from the primes. It shares nothing with the standard library, and
// it lets the tests see and choose chaining values.
type sha2 struct {
	bits   uint // in a word
	rounds int
	sigma  [4][3]uint // Σ0 Σ1 σ0 σ1: rotations, but the last of σ is a shift
	k, iv  []uint64
}

var sha2Of = map[verify.Algorithm]*sha2{
	verify.SHA256: newSHA2(32, 64, [4][3]uint{{2, 13, 22}, {6, 11, 25}, {7, 18, 3}, {17, 19, 10}}),
	verify.SHA512: newSHA2(64, 80, [4][3]uint{{28, 34, 39}, {14, 18, 41}, {1, 8, 7}, {19, 61, 6}}),
}

func newSHA2(bits uint, rounds int, sigma [4][3]uint) *sha2 {
	s := &sha2{bits: bits, rounds: rounds, sigma: sigma}
	for n := int64(2); len(s.k) < rounds; n++ {
		if !big.NewInt(n).ProbablyPrime(0) {
			continue
		}
		if len(s.iv) < 8 {
			s.iv = append(s.iv, rootFraction(n, 2)>>(64-bits))
		}
		s.k = append(s.k, rootFraction(n, 3)>>(64-bits))
	}
	return s
}

// rootFraction returns the first 64 bits of the fraction of n's degree-th root.
func rootFraction(n int64, degree int64) uint64 {
	scaled := new(big.Int).Lsh(big.NewInt(n), uint(64*degree))
	lo, hi := new(big.Int), new(big.Int).Lsh(big.NewInt(n), 64)
	for one := big.NewInt(1); new(big.Int).Sub(hi, lo).Cmp(one) > 0; {
		mid := new(big.Int).Rsh(new(big.Int).Add(lo, hi), 1)
		if new(big.Int).Exp(mid, big.NewInt(degree), nil).Cmp(scaled) > 0 {
			hi = mid
		} else {
			lo = mid
		}
	}
	return new(big.Int).And(lo, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
}

func (s *sha2) word() int   { return int(s.bits / 8) }
func (s *sha2) block() int  { return 16 * s.word() }
func (s *sha2) low() uint64 { return math.MaxUint64 >> (64 - s.bits) }

func (s *sha2) mix(i int, x uint64) uint64 {
	rot := func(n uint) uint64 { return (x>>n | x<<(s.bits-n)) & s.low() }
	r := s.sigma[i]
	if i < 2 {
		return rot(r[0]) ^ rot(r[1]) ^ rot(r[2])
	}
	return rot(r[0]) ^ rot(r[1]) ^ x>>r[2]
}

// compress returns the chaining value after one block.
func (s *sha2) compress(chain []uint64, block []byte) []uint64 {
	w := make([]uint64, s.rounds)
	for i := range w {
		if i < 16 {
			w[i] = s.read(block[i*s.word():])
			continue
		}
		w[i] = (s.mix(3, w[i-2]) + w[i-7] + s.mix(2, w[i-15]) + w[i-16]) & s.low()
	}
	v := [8]uint64(chain)
	for i := range w {
		a, b, c, e, f, g := v[0], v[1], v[2], v[4], v[5], v[6]
		t1 := v[7] + s.mix(1, e) + (e&f ^ ^e&g) + s.k[i] + w[i]
		t2 := s.mix(0, a) + (a&b ^ a&c ^ b&c)
		v = [8]uint64{(t1 + t2) & s.low(), a, b, c, (v[3] + t1) & s.low(), e, f, g}
	}
	next := make([]uint64, 8)
	for i := range next {
		next[i] = (chain[i] + v[i]) & s.low()
	}
	return next
}

func (s *sha2) read(b []byte) uint64 {
	if s.bits == 32 {
		return uint64(binary.BigEndian.Uint32(b))
	}
	return binary.BigEndian.Uint64(b)
}

func (s *sha2) octets(chain []uint64) []byte {
	var out []byte
	for _, x := range chain {
		out = append(out, binary.BigEndian.AppendUint64(nil, x)[8-s.word():]...)
	}
	return out
}

// run hashes body, which stands at offset behind chain (nil: the start), and
// returns the chaining value behind every whole block and the digest.
func (s *sha2) run(chain []uint64, offset uint64, body []byte) (after func(n int) []byte, sum []byte) {
	if chain == nil {
		chain = s.iv
	}
	padded := append(bytes.Clone(body), 0x80)
	for len(padded)%s.block() != s.block()-2*s.word() {
		padded = append(padded, 0)
	}
	padded = append(padded, make([]byte, 2*s.word()-8)...)
	padded = binary.BigEndian.AppendUint64(padded, 8*(offset+uint64(len(body))))
	states := [][]uint64{chain}
	for i := 0; i < len(padded); i += s.block() {
		chain = s.compress(chain, padded[i:i+s.block()])
		states = append(states, chain)
	}
	return func(n int) []byte { return s.octets(states[n/s.block()]) }, s.octets(chain)
}

// TestOwnSHA2 keeps the yardstick straight: FIPS 180-4 examples, and the
// standard library on lengths around every block border.
func TestOwnSHA2(t *testing.T) {
	abc := map[verify.Algorithm]string{
		verify.SHA256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		verify.SHA512: "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
			"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
	}
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		if _, sum := sha2Of[alg].run(nil, 0, []byte("abc")); hex.EncodeToString(sum) != abc[alg] {
			t.Errorf("digest of abc = %x, want %s", sum, abc[alg])
		}
		body := bodyOf(300, 1)
		for n := range body {
			if _, sum := sha2Of[alg].run(nil, 0, body[:n]); !bytes.Equal(sum, stdSum(alg, body[:n])) {
				t.Fatalf("digest of %d octets differs from the standard library's", n)
			}
		}
	})
}
