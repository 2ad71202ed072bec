package verify_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/flashcrowd/flashcrowd/verify"
)

var bodyLengths = []int{0, 1, 63, 64, 65, piece - 1, piece, piece + 1, 2 * piece, 3*piece + 17, 5*piece - 1}

// TestRecorderStates holds states, pieces and digest against an independent
// SHA-2, for bodies that come in writes of random size.
func TestRecorderStates(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		rng := newRand(2)
		for _, n := range bodyLengths {
			body := bodyOf(n, uint64(n))
			r := verify.NewRecorder(alg, int64(n))
			for rest := body; len(rest) > 0; {
				k := min(rng.IntN(1<<rng.IntN(19)), len(rest))
				if m, err := r.Write(rest[:k]); m != k || err != nil {
					t.Fatalf("write %d = %d, %v", k, m, err)
				}
				rest = rest[k:]
			}
			if r.Written() != int64(n) {
				t.Fatalf("written = %d, want %d", r.Written(), n)
			}
			checkWhole(t, alg, body, r.Whole())
		}
	})
}

func checkWhole(t *testing.T, alg verify.Algorithm, body []byte, w verify.Whole) {
	t.Helper()
	after, sum := sha2Of[alg].run(nil, 0, body)
	if w.Digest != newDigest(t, alg, sum, int64(len(body))) || w.Digest != stdDigest(t, alg, body) {
		t.Errorf("%d octets: digest %s, want %x", len(body), w.Digest, sum)
	}
	var states []byte
	for i := range cut(body) {
		if i > 0 {
			states = append(states, after(i*piece)...)
		}
	}
	if !bytes.Equal(w.States, states) {
		t.Errorf("%d octets: states differ from an independent computation", len(body))
	}
	if _, err := verify.ParseStateList(w.Digest, w.States); err != nil {
		t.Errorf("%d octets: own state list: %v", len(body), err)
	}
}

func TestRecorderOfUnknownLength(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		body := bodyOf(2*piece+5, 3)
		r := recorded(t, alg, -1, body)
		w := r.Whole()
		if w.States != nil || w.Digest != stdDigest(t, alg, body) {
			t.Errorf("whole = %d octets of states, %s", len(w.States), w.Digest)
		}
		if !r.Matches(proofOf(t, w.Digest)) {
			t.Error("the body does not match its own digest")
		}
	})
}

func TestRecorderOfTooLongBody(t *testing.T) {
	for _, n := range bodyLengths {
		body := bodyOf(n+piece, 4)
		r := verify.NewRecorder(verify.SHA256, int64(n))
		done, err := r.Write(body)
		if done != n || !errors.Is(err, verify.ErrMalformed) {
			t.Errorf("%d octets into %d: wrote %d, error %v", len(body), n, done, err)
		}
		if done, err := r.Write([]byte{1}); done != 0 || !errors.Is(err, verify.ErrMalformed) {
			t.Errorf("one more into %d: wrote %d, error %v", n, done, err)
		}
		if done, err := r.Write(nil); done != 0 || err != nil {
			t.Errorf("nothing more into %d: wrote %d, error %v", n, done, err)
		}
		checkWhole(t, verify.SHA256, body[:n], r.Whole())
	}
}

// TestRecorderOfShortBody: a body that ended early has a digest of its own but
// no list, since list and digest would be of different layouts.
func TestRecorderOfShortBody(t *testing.T) {
	body := bodyOf(2*piece, 5)
	for _, n := range []int{0, 1, piece, piece + 1, 2*piece - 1} {
		w := recorded(t, verify.SHA256, int64(len(body)), body[:n]).Whole()
		if w.States != nil || w.Digest != stdDigest(t, verify.SHA256, body[:n]) {
			t.Errorf("%d of %d octets: %d octets of states, %s", n, len(body), len(w.States), w.Digest)
		}
	}
}

func TestWholeIsTheCallers(t *testing.T) {
	body := bodyOf(3*piece, 6)
	r := recorded(t, verify.SHA256, int64(len(body)), body)
	w := r.Whole()
	w.States[0] ^= 1
	checkWhole(t, verify.SHA256, body, r.Whole())
}

func TestRecorderMatches(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		for _, n := range bodyLengths {
			body := bodyOf(n, 7)
			r := recorded(t, alg, int64(n), body)
			if !r.Matches(proofOf(t, stdDigest(t, alg, body))) {
				t.Errorf("body of %d does not match its digest", n)
			}
			if r.Matches(verify.Proof{}) {
				t.Error("matches the zero proof")
			}
			if r.Matches(proofOf(t, newDigest(t, alg, stdSum(alg, body), int64(n)+1))) {
				t.Error("matches a digest that is bound to another length")
			}
			other := map[verify.Algorithm]verify.Algorithm{verify.SHA256: verify.SHA512, verify.SHA512: verify.SHA256}[alg]
			if r.Matches(proofOf(t, stdDigest(t, other, body))) {
				t.Error("matches a digest of another algorithm")
			}
		}
	})
}

func TestPieceIs(t *testing.T) {
	p := bodyOf(piece, 8)
	if !verify.PieceIs(p, sha256.Sum256(p)) || !verify.PieceIs(nil, sha256.Sum256(nil)) {
		t.Error("a piece is not itself")
	}
}

// TestHugeRecorder: a length that only a hostile origin states makes no trouble
// before its octets come.
func TestHugeRecorder(t *testing.T) {
	r := recorded(t, verify.SHA256, 1<<63-1, make([]byte, 1000))
	if r.Written() != 1000 {
		t.Errorf("written = %d, want 1000", r.Written())
	}
}
