package verify_test

// The tests of this file are the defence. Every one of them must fail with the
// build tag sabotage, and no other test may.

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/flashcrowd/flashcrowd/verify"
)

func TestSabotageIsNotBuiltIn(t *testing.T) {
	if verify.Credulous {
		t.Error("this binary believes everything")
	}
}

// expectMismatch fails the test unless piece i is refused as a mismatch.
func expectMismatch(t *testing.T, c *verify.Chain, i int, p []byte) *verify.MismatchError {
	t.Helper()
	var m *verify.MismatchError
	if err := c.Fit(i, p); !errors.As(err, &m) {
		t.Fatalf("false piece %d: error = %v, want a mismatch", i, err)
	}
	if m.Piece != i || m.Length != m.Want || len(m.Got) == 0 || bytes.Equal(m.Got, m.After) || m.ListHash != c.List().Hash() {
		t.Errorf("mismatch = %+v", m)
	}
	return m
}

func TestLyingOneBorder(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		rng := newRand(30)
		body := bodyOf(6*piece+77, 30)
		list := wholeOf(t, alg, body).States
		for b := range 6 {
			c := chainOver(t, alg, body, flipped(list, (b*alg.Size()*8)+rng.IntN(alg.Size()*8)))
			for _, i := range rng.Perm(7) {
				if i == b || i == b+1 {
					expectMismatch(t, c, i, cut(body)[i])
				} else if err := c.Fit(i, cut(body)[i]); err != nil {
					t.Errorf("border %d false: piece %d: %v", b, i, err)
				}
			}
			if c.Closed() != b+2 {
				t.Errorf("border %d false: closed = %d, want %d", b, c.Closed(), b+2)
			}
		}
	})
}

func TestLyingEveryBorder(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		body := bodyOf(5*piece, 31)
		list := wholeOf(t, alg, body).States
		reversed := make([]byte, 0, len(list))
		for b := 3; b >= 0; b-- {
			reversed = append(reversed, list[b*alg.Size():][:alg.Size()]...)
		}
		for name, raw := range map[string][]byte{
			"zero": make([]byte, len(list)), "junk": bodyOf(len(list), 1), "reversed": reversed,
			"the digest": bytes.Repeat(stdSum(alg, body), 4),
		} {
			c := chainOver(t, alg, body, raw)
			for i, p := range cut(body) {
				expectMismatch(t, c, i, p)
			}
			if c.Closed() != 5 {
				t.Errorf("%s: closed = %d, want 5", name, c.Closed())
			}
		}
	})
}

// TestLyingAboutTheBody: list and pieces are those of another body of the same
// length, so that all of them agree with each other; only the digest does not.
// However much of the true tail the liar mixes in, nothing of its own front is
// ever proven.
func TestLyingAboutTheBody(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		body, evil := bodyOf(5*piece+3, 32), bodyOf(5*piece+3, 33)
		copy(evil[3*piece:], body[3*piece:]) // the same tail even
		truth, lie := wholeOf(t, alg, body).States, wholeOf(t, alg, evil).States
		for bridge := 1; bridge <= 6; bridge++ { // the false list's borders before it
			n := min(bridge-1, 5) * alg.Size()
			c := chainOver(t, alg, body, append(bytes.Clone(lie[:n]), truth[n:]...))
			for i := range 6 {
				p := cut(evil)[i]
				switch {
				case i < bridge-1:
					if err := c.Fit(i, p); err != nil {
						t.Errorf("bridge %d: piece %d of the false body does not even fit its list: %v", bridge, i, err)
					}
				case i == bridge-1:
					expectMismatch(t, c, i, p)
				default:
					if err := c.Fit(i, cut(body)[i]); err != nil {
						t.Errorf("bridge %d: piece %d: %v", bridge, i, err)
					}
				}
			}
			if c.Closed() != bridge {
				t.Errorf("bridge %d: closed = %d", bridge, c.Closed())
			}
		}
	})
}

func TestLyingBit(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		rng := newRand(34)
		for _, n := range []int{1, piece, 4*piece + 1} {
			body := bodyOf(n, 34)
			c := chainOver(t, alg, body, wholeOf(t, alg, body).States)
			pieces := cut(body)
			for i, p := range pieces {
				for _, bit := range []int{0, 8*len(p) - 1, rng.IntN(8 * len(p)), rng.IntN(8 * len(p))} {
					expectMismatch(t, c, i, flipped(p, bit))
				}
				if c.Fits(i) || c.Closed() != len(pieces) {
					t.Errorf("piece %d: fits = %v, closed = %d", i, c.Fits(i), c.Closed())
				}
			}
		}
	})
}

func TestLyingOrder(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		body := bodyOf(5*piece, 35)
		c := chainOver(t, alg, body, wholeOf(t, alg, body).States)
		for i := range 5 {
			for j := range 5 {
				if i != j {
					expectMismatch(t, c, i, cut(body)[j])
				}
			}
		}
		if c.Closed() != 5 {
			t.Errorf("closed = %d, want 5", c.Closed())
		}
	})
}

// TestLyingBorderChangedLater: the liar's list is true when its last piece
// fits, and another one when the piece before is held against it.
func TestLyingBorderChangedLater(t *testing.T) {
	body := bodyOf(2*piece, 36)
	raw := wholeOf(t, verify.SHA256, body).States
	c := chainOver(t, verify.SHA256, body, raw)
	if err := c.Fit(1, cut(body)[1]); err != nil {
		t.Fatal(err)
	}
	evil := bodyOf(2*piece, 37)
	lie := wholeOf(t, verify.SHA256, evil).States
	copy(raw, lie)
	copy(c.List().Bytes(), lie)
	copy(expectMismatch(t, c, 0, cut(evil)[0]).After, lie)
	expectMismatch(t, c, 0, cut(evil)[0])
	if c.Closed() != 1 {
		t.Errorf("closed = %d, want 1", c.Closed())
	}
}

// TestLyingLength: the digest is right, but the length that is bound to it is
// not, so no piece may be the last one.
func TestLyingLength(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		body := bodyOf(2*piece, 38)
		for _, n := range []int{1, piece, 2*piece - 1} {
			d := newDigest(t, alg, stdSum(alg, body), int64(n))
			short := body[:n]
			list, err := verify.ParseStateList(d, wholeOf(t, alg, short).States)
			if err != nil {
				t.Fatal(err)
			}
			c, err := verify.NewChain(proofOf(t, d), list)
			if err != nil {
				t.Fatal(err)
			}
			last := len(cut(short)) - 1
			expectMismatch(t, c, last, cut(short)[last])
			if r := recorded(t, alg, int64(n), short); r.Matches(proofOf(t, d)) || c.Joins(r) {
				t.Errorf("%d of %d octets are the whole", n, len(body))
			}
		}
	})
}

// TestLyingOrigin: its front differs from what its own digest says in a single
// octet. It never joins the tail that peers proved, and the mix is no body.
func TestLyingOrigin(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		rng := newRand(39)
		body := bodyOf(4*piece+8, 39)
		n := int64(len(body))
		for front := 1; front <= 5; front++ {
			c := chainOver(t, alg, body, wholeOf(t, alg, body).States)
			for i := front; i < 5; i++ {
				if err := c.Fit(i, cut(body)[i]); err != nil {
					t.Fatal(err)
				}
			}
			end := min(front*piece, len(body))
			mix := flipped(body, rng.IntN(8*end))
			r := recorded(t, alg, n, mix[:end])
			if c.Joins(r) {
				t.Errorf("false front of %d pieces joins", front)
			}
			if _, err := verify.WholeOf(r, c); !errors.Is(err, verify.ErrMalformed) {
				t.Errorf("whole of a false front of %d pieces = %v", front, err)
			}
			if recorded(t, alg, n, mix).Matches(proofOf(t, stdDigest(t, alg, body))) {
				t.Errorf("false front of %d pieces and true tail match", front)
			}
		}
	})
}

func TestLyingRecorder(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		for _, n := range bodyLengths[1:] {
			body := bodyOf(n, 40)
			p := proofOf(t, stdDigest(t, alg, body))
			for _, known := range []int64{int64(n), -1} {
				if recorded(t, alg, known, flipped(body, 8*n-1)).Matches(p) {
					t.Errorf("false body of %d octets matches", n)
				}
			}
		}
		if verify.NewRecorder(alg, 0).Matches(proofOf(t, newDigest(t, alg, stdSum(alg, []byte("x")), 0))) {
			t.Error("no octets match a digest of some")
		}
	})
}

func TestLyingEmptyBody(t *testing.T) {
	d := newDigest(t, verify.SHA256, stdSum(verify.SHA256, []byte("x")), 0)
	list, err := verify.ParseStateList(d, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := verify.NewChain(proofOf(t, d), list)
	if err != nil {
		t.Fatal(err)
	}
	if c.Joins(verify.NewRecorder(verify.SHA256, 0)) {
		t.Error("no octets join under a digest of some")
	}
}

func TestLyingDisk(t *testing.T) {
	p := bodyOf(piece, 41)
	for _, other := range [][]byte{nil, p[:piece-1], flipped(p, 5), append(bytes.Clone(p), 0)} {
		if verify.PieceIs(other, sha256.Sum256(p)) {
			t.Errorf("%d other octets are the piece", len(other))
		}
	}
	if verify.PieceIs(p, [32]byte{}) {
		t.Error("a piece has the hash of nothing")
	}
}

// TestLyingConcurrently is for -race: honest and false pieces at once.
func TestLyingConcurrently(t *testing.T) {
	body := bodyOf(8*piece, 42)
	c := chainOver(t, verify.SHA256, body, wholeOf(t, verify.SHA256, body).States)
	var wg sync.WaitGroup
	for i, p := range cut(body) {
		wg.Go(func() {
			var m *verify.MismatchError
			if err := c.Fit(i, flipped(p, i)); !errors.As(err, &m) {
				t.Errorf("false piece %d: error = %v", i, err)
			}
		})
		if i != 3 {
			wg.Go(func() {
				if err := c.Fit(i, p); err != nil {
					t.Errorf("piece %d: %v", i, err)
				}
			})
		}
	}
	wg.Wait()
	if c.Closed() != 4 || c.Fits(3) {
		t.Errorf("closed = %d, want 4", c.Closed())
	}
}

// TestLyingLeavesALie: what a ban is justified by names who, what and which.
func TestLyingLeavesALie(t *testing.T) {
	body := bodyOf(3*piece, 43)
	d := stdDigest(t, verify.SHA256, body)
	c := chainOver(t, verify.SHA256, body, wholeOf(t, verify.SHA256, body).States)
	for i := range 3 {
		err := c.Fit(i, flipped(cut(body)[i], 0))
		lie, ok := verify.LieOf("12D3KooWLiar", d, errors.Join(errors.New("piece refused"), err), noon)
		if !ok || lie.Peer != "12D3KooWLiar" || lie.Digest != d.String() || lie.Piece != i || !lie.At.Equal(noon) {
			t.Fatalf("lie = %+v, %v", lie, ok)
		}
		if lie.Committed == "" || lie.Sent == "" || lie.Committed == lie.Sent {
			t.Errorf("lie = %+v", lie)
		}
		if (i == 0) != strings.Contains(lie.Committed, "start") {
			t.Errorf("piece %d: committed = %q", i, lie.Committed)
		}
		if !json.Valid([]byte(lie.String())) {
			t.Errorf("lie as text = %s", lie)
		}
	}
}
