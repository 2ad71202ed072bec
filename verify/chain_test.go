package verify_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math"
	"reflect"
	"sync"
	"testing"

	"github.com/flashcrowd/flashcrowd/verify"
)

// TestChainClosesFromTheEnd feeds the pieces in random orders: piece i is
// proven exactly when all pieces from i on fit, and Closed only ever falls.
func TestChainClosesFromTheEnd(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		rng := newRand(10)
		for _, n := range bodyLengths {
			body := bodyOf(n, 10)
			list := wholeOf(t, alg, body).States
			pieces := cut(body)
			for range 20 {
				checkOrder(t, chainOver(t, alg, body, list), pieces, rng.Perm(len(pieces)))
			}
		}
	})
}

func checkOrder(t *testing.T, c *verify.Chain, pieces [][]byte, order []int) {
	t.Helper()
	fitted := make([]bool, len(pieces))
	want := len(pieces)
	if c.Closed() != want {
		t.Fatalf("closed = %d of %d before any piece", c.Closed(), want)
	}
	for _, i := range order {
		if c.Fits(i) {
			t.Fatalf("order %v: piece %d fits before it came", order, i)
		}
		if err := c.Fit(i, pieces[i]); err != nil {
			t.Fatalf("order %v: fit %d: %v", order, i, err)
		}
		fitted[i] = true
		for want > 0 && fitted[want-1] {
			want--
		}
		if got := c.Closed(); got != want {
			t.Fatalf("order %v: closed = %d after piece %d, want %d", order, got, i, want)
		}
		for j := range fitted {
			if c.Fits(j) != fitted[j] {
				t.Fatalf("order %v: fits(%d) = %v after piece %d", order, j, c.Fits(j), i)
			}
		}
	}
	if c.Closed() != 0 {
		t.Fatalf("order %v: closed = %d after all pieces", order, c.Closed())
	}
}

func TestPieceAgain(t *testing.T) {
	body := bodyOf(3*piece, 11)
	c := chainOver(t, verify.SHA256, body, wholeOf(t, verify.SHA256, body).States)
	for range 2 {
		if err := c.Fit(2, cut(body)[2]); err != nil {
			t.Fatalf("fit: %v", err)
		}
	}
	if err := c.Fit(2, []byte("false")); err == nil {
		t.Fatal("false piece fits")
	}
	if c.Closed() != 2 || !c.Fits(2) {
		t.Errorf("closed = %d, fits = %v after a false piece came for a proven one", c.Closed(), c.Fits(2))
	}
}

func TestPieceThatIsNot(t *testing.T) {
	body := bodyOf(2*piece+1, 12)
	c := chainOver(t, verify.SHA256, body, wholeOf(t, verify.SHA256, body).States)
	for _, i := range []int{-1, 3, math.MaxInt, math.MinInt} {
		if err := c.Fit(i, cut(body)[0]); !errors.Is(err, verify.ErrMalformed) {
			t.Errorf("fit %d = %v, want ErrMalformed", i, err)
		}
		if c.Fits(i) {
			t.Errorf("piece %d of 3 fits", i)
		}
	}
}

// TestPieceOfAnotherLength: length is compared first, so that no padding and
// no extension of the hash helps.
func TestPieceOfAnotherLength(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		body := bodyOf(2*piece+100, 13)
		c := chainOver(t, alg, body, wholeOf(t, alg, body).States)
		for i, p := range cut(body) {
			for _, other := range [][]byte{nil, p[:1], p[:len(p)-1], append(bytes.Clone(p), 0), append(bytes.Clone(p), p...)} {
				var m *verify.MismatchError
				if err := c.Fit(i, other); !errors.As(err, &m) {
					t.Fatalf("fit %d with %d of %d octets = %v", i, len(other), len(p), err)
				}
				if m.Piece != i || m.Length != int64(len(other)) || m.Want != int64(len(p)) || m.Got != nil {
					t.Errorf("mismatch = %+v", m)
				}
			}
		}
		if c.Closed() != 3 {
			t.Errorf("closed = %d, want 3", c.Closed())
		}
	})
}

func TestNewChainRefuses(t *testing.T) {
	body := bodyOf(2*piece, 14)
	d := stdDigest(t, verify.SHA256, body)
	list, err := verify.ParseStateList(d, wholeOf(t, verify.SHA256, body).States)
	if err != nil {
		t.Fatal(err)
	}
	otherBody := stdDigest(t, verify.SHA256, flipped(body, 9))
	otherLength := newDigest(t, verify.SHA256, d.Sum(), d.Length()-1)
	for _, c := range []struct {
		name  string
		proof verify.Proof
		list  *verify.StateList
		want  error
	}{
		{"zero proof", verify.Proof{}, list, verify.ErrNoEvidence},
		{"zero proof, no list", verify.Proof{}, nil, verify.ErrNoEvidence},
		{"zero proof, zero list", verify.Proof{}, &verify.StateList{}, verify.ErrNoEvidence},
		{"no list", proofOf(t, d), nil, verify.ErrMalformed},
		{"zero list", proofOf(t, d), &verify.StateList{}, verify.ErrMalformed},
		{"list of another body", proofOf(t, otherBody), list, verify.ErrMalformed},
		{"list of another length", proofOf(t, otherLength), list, verify.ErrMalformed},
		{"list of another algorithm", proofOf(t, stdDigest(t, verify.SHA512, body)), list, verify.ErrMalformed},
	} {
		if got, err := verify.NewChain(c.proof, c.list); got != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: chain = %v, error = %v, want %v", c.name, got, err, c.want)
		}
	}
}

func TestStateListLength(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		for _, n := range bodyLengths {
			w := wholeOf(t, alg, bodyOf(n, 15))
			for _, delta := range []int{-alg.Size(), -1, 1, alg.Size()} {
				if len(w.States)+delta < 0 {
					continue
				}
				raw := append(bytes.Clone(w.States), make([]byte, alg.Size())...)[:len(w.States)+delta]
				if _, err := verify.ParseStateList(w.Digest, raw); !errors.Is(err, verify.ErrMalformed) {
					t.Errorf("list of %d octets for %d pieces = %v", len(raw), w.Digest.Layout().Pieces(), err)
				}
			}
		}
	})
	if _, err := verify.ParseStateList(verify.Digest{}, nil); !errors.Is(err, verify.ErrMalformed) {
		t.Errorf("list of the zero digest = %v, want ErrMalformed", err)
	}
	longest := newDigest(t, verify.SHA512, make([]byte, 64), 512<<20)
	if _, err := verify.ParseStateList(longest, make([]byte, verify.MaxStateList)); err != nil {
		t.Errorf("longest list: %v", err)
	}
	huge := newDigest(t, verify.SHA256, make([]byte, 32), math.MaxInt64)
	if _, err := verify.ParseStateList(huge, nil); !errors.Is(err, verify.ErrMalformed) {
		t.Errorf("no list for a body of %d octets = %v, want ErrMalformed", huge.Length(), err)
	}
}

// TestStateListIsImmutable: neither what it was parsed from, nor what it gave
// out, nor an error leads back into it.
func TestStateListIsImmutable(t *testing.T) {
	body := bodyOf(3*piece, 16)
	raw := wholeOf(t, verify.SHA256, body).States
	want := bytes.Clone(raw)
	c := chainOver(t, verify.SHA256, body, raw)
	hash := c.List().Hash()
	if hash != sha256.Sum256(raw) {
		t.Errorf("hash of the list = %x", hash)
	}
	raw[0] ^= 1
	c.List().Bytes()[1] ^= 1
	var m *verify.MismatchError
	if err := c.Fit(1, nil); !errors.As(err, &m) {
		t.Fatalf("fit = %v", err)
	}
	m.Before[2] ^= 1
	m.After[3] ^= 1
	if c.List().Layout() != verify.LayoutOf(3*piece) {
		t.Errorf("layout = %+v", c.List().Layout())
	}
	if !bytes.Equal(c.List().Bytes(), want) || c.List().Hash() != hash {
		t.Error("the list was changed from outside")
	}
}

func TestZeroProofIsRefusedEverywhere(t *testing.T) {
	var p verify.Proof
	if p.Valid() || !p.Digest().IsZero() || p.Evidence().Level() != 0 {
		t.Error("the zero proof proves something")
	}
	if verify.NewRecorder(verify.SHA256, 0).Matches(p) || verify.NewRecorder(verify.SHA256, -1).Matches(p) || new(verify.Recorder).Matches(p) {
		t.Error("an empty body matches the zero proof")
	}
	var c verify.Chain
	if c.Closed() != math.MaxInt || c.Fits(0) || c.List() != nil {
		t.Error("the zero chain proves something")
	}
	if err := c.Fit(0, nil); !errors.Is(err, verify.ErrNoEvidence) {
		t.Errorf("fit in the zero chain = %v", err)
	}
	for _, r := range []*verify.Recorder{new(verify.Recorder), verify.NewRecorder(verify.SHA256, 0), verify.NewRecorder(verify.SHA256, -1)} {
		if c.Joins(r) {
			t.Error("the zero chain joins")
		}
		if _, err := verify.WholeOf(r, &c); !errors.Is(err, verify.ErrMalformed) {
			t.Errorf("whole of the zero chain = %v", err)
		}
	}
}

// TestJoinsAtEachBorder: the origin's front meets the proven tail, and the
// whole is what one would have recorded alone.
func TestJoinsAtEachBorder(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		for _, n := range []int{0, 1, piece, piece + 1, 4*piece + 3} {
			body := bodyOf(n, 17)
			whole := wholeOf(t, alg, body)
			for closed := range len(cut(body)) + 1 {
				for front := range len(cut(body)) + 1 {
					checkJoin(t, alg, body, whole, closed, front)
				}
			}
		}
	})
}

func checkJoin(t *testing.T, alg verify.Algorithm, body []byte, whole verify.Whole, closed, front int) {
	t.Helper()
	c := chainOver(t, alg, body, whole.States)
	for i := closed; i < len(cut(body)); i++ {
		if err := c.Fit(i, cut(body)[i]); err != nil {
			t.Fatalf("fit: %v", err)
		}
	}
	r := recorded(t, alg, int64(len(body)), body[:min(front*piece, len(body))])
	want := front >= closed
	if c.Joins(r) != want {
		t.Fatalf("%d octets: front of %d pieces joins the tail from %d = %v", len(body), front, closed, !want)
	}
	got, err := verify.WholeOf(r, c)
	if want && (err != nil || !reflect.DeepEqual(got, whole)) {
		t.Fatalf("%d octets: whole of front %d and tail %d differs: %v", len(body), front, closed, err)
	}
	if !want && !errors.Is(err, verify.ErrMalformed) {
		t.Fatalf("%d octets: whole of front %d and tail %d = %v", len(body), front, closed, err)
	}
}

func TestDoesNotJoin(t *testing.T) {
	body := bodyOf(3*piece+5, 18)
	c := chainOver(t, verify.SHA256, body, wholeOf(t, verify.SHA256, body).States)
	for i, p := range cut(body) {
		if err := c.Fit(i, p); err != nil {
			t.Fatal(err)
		}
	}
	n := int64(len(body))
	for name, r := range map[string]*verify.Recorder{
		"between borders":   recorded(t, verify.SHA256, n, body[:piece+1]),
		"before the border": recorded(t, verify.SHA256, n, body[:2*piece-1]),
		"other algorithm":   recorded(t, verify.SHA512, n, body[:piece]),
		"nothing of other":  verify.NewRecorder(verify.SHA512, n),
		"other length":      recorded(t, verify.SHA256, n+1, body[:piece]),
		"unknown length":    recorded(t, verify.SHA256, -1, body[:piece]),
		"unknown, complete": recorded(t, verify.SHA256, -1, body),
		"zero":              new(verify.Recorder),
	} {
		if c.Joins(r) {
			t.Errorf("%s: joins", name)
		}
		if _, err := verify.WholeOf(r, c); !errors.Is(err, verify.ErrMalformed) {
			t.Errorf("%s: whole = %v", name, err)
		}
	}
}

// TestWholeOfAdoptsNoUnprovenBorder: a liar's list is true where its tail
// proves it and false before. A node that took the front from the origin must
// not publish those borders as its own, or the next one would ban it.
func TestWholeOfAdoptsNoUnprovenBorder(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		body := bodyOf(5*piece+9, 19)
		whole := wholeOf(t, alg, body)
		for front := 1; front <= 6; front++ {
			list := bytes.Clone(whole.States)
			for b := range min(front, 5) - 1 { // borders before the one where both meet
				list[b*alg.Size()] ^= 1
			}
			c := chainOver(t, alg, body, list)
			for i := front; i < 6; i++ {
				if err := c.Fit(i, cut(body)[i]); err != nil {
					t.Fatalf("fit: %v", err)
				}
			}
			r := recorded(t, alg, int64(len(body)), body[:min(front*piece, len(body))])
			got, err := verify.WholeOf(r, c)
			if err != nil {
				t.Fatalf("whole: %v", err)
			}
			if !reflect.DeepEqual(got, whole) {
				t.Errorf("front of %d pieces: the whole has borders that are not the body's", front)
			}
			got.States[0] ^= 1
			if again, _ := verify.WholeOf(r, c); !reflect.DeepEqual(again, whole) {
				t.Error("the whole leads back into recorder or list")
			}
		}
	})
}

// TestFitAtHugeOffsets takes the tail of bodies that no test can hold: an
// independent SHA-2 says what the last piece leads to from any state.
func TestFitAtHugeOffsets(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, alg verify.Algorithm) {
		for _, whole := range []int64{512 << 20, 4 << 30, 1 << 40, 1 << 60} {
			tail := bodyOf(300, 20)
			length := whole + int64(len(tail))
			l := verify.LayoutOf(length)
			offset := l.Offset(l.Pieces() - 1)
			if offset != whole {
				t.Fatalf("tail of %d begins at %d", length, offset)
			}
			state := stdSum(alg, []byte("any state"))
			words := make([]uint64, 8)
			for i := range words {
				words[i] = sha2Of[alg].read(state[i*sha2Of[alg].word():])
			}
			_, sum := sha2Of[alg].run(words, uint64(offset), tail)
			d := newDigest(t, alg, sum, length)
			raw := make([]byte, l.Borders()*alg.Size())
			copy(raw[len(raw)-len(state):], state)
			list, err := verify.ParseStateList(d, raw)
			if err != nil {
				t.Fatal(err)
			}
			c, err := verify.NewChain(proofOf(t, d), list)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Fit(l.Pieces()-1, tail); err != nil {
				t.Errorf("tail at %d: %v", offset, err)
			}
			if c.Closed() != l.Pieces()-1 {
				t.Errorf("closed = %d of %d", c.Closed(), l.Pieces())
			}
		}
	})
}

// TestConcurrentFit is for -race: each piece comes from two goroutines, while
// another one sees Closed only ever fall.
func TestConcurrentFit(t *testing.T) {
	body := bodyOf(12*piece+1, 21)
	c := chainOver(t, verify.SHA256, body, wholeOf(t, verify.SHA256, body).States)
	var fitters, watcher sync.WaitGroup
	stop := make(chan struct{})
	watcher.Go(func() {
		for last := c.Closed(); ; {
			now := c.Closed()
			if now > last {
				t.Errorf("closed rose from %d to %d", last, now)
			}
			if now < 13 && !c.Fits(now) {
				t.Errorf("closed = %d, which does not fit", now)
			}
			last = now
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for i, p := range cut(body) {
		for range 2 {
			fitters.Go(func() {
				if err := c.Fit(i, p); err != nil {
					t.Errorf("fit %d: %v", i, err)
				}
				c.Joins(recorded(t, verify.SHA256, int64(len(body)), nil))
			})
		}
	}
	fitters.Wait()
	close(stop)
	watcher.Wait()
	if c.Closed() != 0 {
		t.Errorf("closed = %d", c.Closed())
	}
}
