package verify_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/flashcrowd/flashcrowd/verify"
)

// md5Pairs are real pairs of one MD5 (testdata/collision/README), of each kind
// that is published and found.
var md5Pairs = []string{"", "-fastcoll", "-unicoll", "-textcoll", "-oneblock", "-prefix"}

func md5Pair(t testing.TB, kind string) (two [2][]byte) {
	t.Helper()
	for i := range two {
		b, err := os.ReadFile(fmt.Sprintf("testdata/collision/md5%s-%d.bin", kind, i+1))
		if err != nil {
			t.Fatal(err)
		}
		two[i] = b
	}
	if md5.Sum(two[0]) != md5.Sum(two[1]) || bytes.Equal(two[0], two[1]) {
		t.Fatalf("md5%s is no pair", kind)
	}
	return two
}

// hasMD5 reports whether verify believes that body has its MD5, when it comes
// in pieces of n octets.
func hasMD5(t testing.TB, body []byte, n int) bool {
	t.Helper()
	d := newDigest(t, verify.MD5, md5Of(body), int64(len(body)))
	r := verify.NewRecorder(verify.SHA256, -1)
	r.Observe(d)
	for part := body; len(part) > 0; part = part[min(n, len(part)):] {
		_, _ = r.Write(part[:min(n, len(part))])
	}
	return r.Has(d)
}

// TestLyingMD5Pairs: neither body of a pair has an MD5, however it comes and
// whatever is behind it; with one bit of it changed it has.
func TestLyingMD5Pairs(t *testing.T) {
	for _, kind := range md5Pairs {
		for i, body := range md5Pair(t, kind) {
			rests := [][]byte{nil}
			if len(body)%md5.BlockSize == 0 {
				rests = append(rests, []byte("x"), bodyOf(55, 1), bodyOf(56, 2), bodyOf(3*piece+1, 3))
			}
			for _, rest := range rests {
				whole := append(bytes.Clone(body), rest...)
				for _, n := range []int{1, 63, 64, 100, 1 << 20} {
					if hasMD5(t, whole, n) {
						t.Errorf("md5%s-%d and %d octets, by %d: believed", kind, i+1, len(rest), n)
					}
				}
			}
			if other := flipped(body, len(body)/2-20); !hasMD5(t, other, 64) {
				t.Errorf("md5%s-%d with another bit: not believed", kind, i+1)
			}
		}
	}
}

// TestLyingMD5Parts: an upload in parts is one body of a pair for each part.
func TestLyingMD5Parts(t *testing.T) {
	for _, first := range []bool{true, false} {
		attack := append(md5Pair(t, "-fastcoll")[0], bodyOf(172, 4)...)
		body := slicesOf(first, attack, bodyOf(300, 5))
		for name, b := range map[string][]byte{"attacked": body, "plain": bodyOf(600, 6)} {
			d := partsOf(t, b, 300)
			r := verify.NewRecorder(verify.SHA256, int64(len(b)))
			r.Observe(d)
			_, _ = r.Write(b[:150])
			r, err := r.Ahead(bytes.NewReader(b[150:]))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := r.Has(d), name == "plain"; got != want {
				t.Errorf("%s, first %v: has = %v", name, first, got)
			}
		}
	}
}

func slicesOf(first bool, a, b []byte) []byte {
	if first {
		return append(bytes.Clone(a), b...)
	}
	return append(bytes.Clone(b), a...)
}

// partsOf is what S3 tags body with, of parts of size octets.
func partsOf(t testing.TB, body []byte, size int) verify.Digest {
	t.Helper()
	var sums []byte
	for part := body; len(part) > 0; part = part[min(size, len(part)):] {
		sums = append(sums, md5Of(part[:min(size, len(part))])...)
	}
	return newDigest(t, verify.MD5Parts, binary.BigEndian.AppendUint64(md5Of(sums), uint64(size)), int64(len(body)))
}

// TestMD5IsMD5 of bodies of all lengths around blocks and paddings, and rejects
// none that nobody made.
func TestMD5IsMD5(t *testing.T) {
	for n := range 300 {
		body := bodyOf(n, uint64(n))
		for _, by := range []int{1, 7, 64, 1000} {
			if !hasMD5(t, body, by) {
				t.Errorf("%d octets by %d: not believed", n, by)
			}
		}
	}
	bodies := map[string][]byte{"random": bodyOf(64<<20, 7), "zeros": make([]byte, 1<<20), "ones": bytes.Repeat([]byte{0xff}, 1<<20)}
	for name, body := range bodies {
		if !hasMD5(t, body, 1<<16) {
			t.Errorf("%s: not believed", name)
		}
	}
}

// TestMD5PairThatIsNotFound: what SECURITY.md does not promise. Should it be
// found one day, then that is to change.
func TestMD5PairThatIsNotFound(t *testing.T) {
	for i, body := range md5Pair(t, "-unfound") {
		if !hasMD5(t, body, 64) {
			t.Errorf("body %d is found", i+1)
		}
	}
}

// TestGuessProvesNothing: what a body is supposed to have it is not known to have; but
// for learning what entity tags mean an attacked body is as good as any.
func TestGuessProvesNothing(t *testing.T) {
	for _, body := range [][]byte{bodyOf(300, 9), append(md5Pair(t, "-fastcoll")[0], "more"...)} {
		x := shape{text: "ETag: \"{md5}\""}.of(t, body)
		x.Profiles = &verify.Profiles{}
		for range 8 {
			r := verify.NewRecorder(verify.SHA256, int64(len(body)))
			r.Suppose(x.Profiles.Guesses(x)...)
			r, err := r.Ahead(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if r.Has(newDigest(t, verify.MD5, md5Of(body), int64(len(body)))) {
				t.Error("a guess is known")
			}
			x.Profiles.Learn(x, r)
		}
		if !x.Profiles.Derives(x) {
			t.Error("not learned")
		}
	}
}

func FuzzMD5(f *testing.F) {
	for _, kind := range append(md5Pairs, "-unfound") {
		for _, body := range md5Pair(f, kind) {
			f.Add(body, uint16(64))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, n uint16) {
		// What is a pair's body and whose is not is for the tests above; here
		// it must be of one mind however the body comes.
		if hasMD5(t, body, int(n)+1) != hasMD5(t, body, len(body)+1) {
			t.Errorf("%x by %d", body, n)
		}
	})
}

// BenchmarkMD5 is what the search for marks costs: one body by crypto/md5, by
// this package, which looks for them, and by SHA-256, which each body is hashed
// with too.
func BenchmarkMD5(b *testing.B) {
	body := bodyOf(1<<20, 8)
	run := func(name string, w io.Writer) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				_, _ = w.Write(body)
			}
		})
	}
	sum := func(ds ...verify.Digest) *verify.Recorder {
		r := verify.NewRecorder(verify.SHA256, -1)
		r.Observe(ds...)
		return r
	}
	run("crypto-md5", md5.New())
	run("crypto-sha256", sha256.New())
	run("sha256", sum())
	run("sha256-and-md5", sum(newDigest(b, verify.MD5, md5Of(body), int64(len(body)))))
	guess := verify.NewRecorder(verify.SHA256, -1)
	guess.Suppose(newDigest(b, verify.MD5, md5Of(body), int64(len(body))))
	run("sha256-and-guess", guess)
	run("sha256-and-sha1", sum(newDigest(b, verify.SHA1, make([]byte, 20), int64(len(body)))))
}
