package verify_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flashcrowd/flashcrowd/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const piece = verify.MinPieceSize

var (
	algorithms = []verify.Algorithm{verify.SHA256, verify.SHA512}
	noon       = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
)

// newRand is seeded, so that a failure repeats.
func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x666c617368)) }

func bodyOf(n int, seed uint64) []byte {
	src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 0xfc})
	b := make([]byte, n)
	_, _ = src.Read(b)
	return b
}

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatalf("parse %q: %v", s, err)
	}
	return u
}

func stdSum(alg verify.Algorithm, b []byte) []byte {
	if alg == verify.SHA512 {
		s := sha512.Sum512(b)
		return s[:]
	}
	s := sha256.Sum256(b)
	return s[:]
}

func stdDigest(t testing.TB, alg verify.Algorithm, b []byte) verify.Digest {
	t.Helper()
	return newDigest(t, alg, stdSum(alg, b), int64(len(b)))
}

func newDigest(t testing.TB, alg verify.Algorithm, sum []byte, length int64) verify.Digest {
	t.Helper()
	d, err := verify.NewDigest(alg, sum, length)
	if err != nil {
		t.Fatalf("digest: %v", err)
	}
	return d
}

// said is an answer to GET of u with d in its Repr-Digest field.
func said(u *url.URL, d verify.Digest, at time.Time) verify.Exchange {
	return verify.Exchange{
		URL: u, Method: http.MethodGet, Status: http.StatusOK, Length: d.Length(), At: at,
		Header: http.Header{"Repr-Digest": {fmt.Sprintf("%s=:%s:", d.Algorithm(), b64(d.Sum()))}},
	}
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// proofOf goes the only way to a proof: an origin states d, and it is admitted.
func proofOf(t testing.TB, d verify.Digest) verify.Proof {
	t.Helper()
	u := mustURL(t, "https://bank.test/x")
	p, err := verify.Admit(verify.Strict, u, verify.Read(said(u, d, noon)))
	if err != nil {
		t.Fatalf("admit: %v", err)
	}
	return p
}

func wholeOf(t testing.TB, alg verify.Algorithm, body []byte) verify.Whole {
	t.Helper()
	r := recorded(t, alg, int64(len(body)), body)
	return r.Whole()
}

// recorded is a recorder for length octets that has seen front.
func recorded(t testing.TB, alg verify.Algorithm, length int64, front []byte) *verify.Recorder {
	t.Helper()
	r := verify.NewRecorder(alg, length)
	if _, err := r.Write(front); err != nil {
		t.Fatalf("record: %v", err)
	}
	return r
}

// chainOver is a chain for body's true digest over list, which may be false.
func chainOver(t testing.TB, alg verify.Algorithm, body, list []byte) *verify.Chain {
	t.Helper()
	d := stdDigest(t, alg, body)
	l, err := verify.ParseStateList(d, list)
	if err != nil {
		t.Fatalf("state list: %v", err)
	}
	c, err := verify.NewChain(proofOf(t, d), l)
	if err != nil {
		t.Fatalf("chain: %v", err)
	}
	return c
}

func cut(body []byte) [][]byte { return slices.Collect(slices.Chunk(body, piece)) }

// flipped returns a copy of b with bit i inverted.
func flipped(b []byte, i int) []byte {
	c := slices.Clone(b)
	c[i/8] ^= 1 << (i % 8)
	return c
}

// eachAlgorithm runs f once for each algorithm, as a subtest.
func eachAlgorithm(t *testing.T, f func(t *testing.T, alg verify.Algorithm)) {
	for _, alg := range algorithms {
		t.Run(alg.String(), func(t *testing.T) { f(t, alg) })
	}
}
