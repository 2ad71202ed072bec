package verify_test

import (
	"errors"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// pieceSizes are pieces as bodies up to 512 MiB have them, and of one of 8 GiB.
var pieceSizes = []struct {
	name   string
	length int64
}{{"64KiB", 512 << 20}, {"1MiB", 8 << 30}}

// BenchmarkSHA is the yardstick: the standard library over one piece.
func BenchmarkSHA(b *testing.B) {
	for _, alg := range algorithms {
		for _, size := range pieceSizes {
			b.Run(alg.String()+"/"+size.name, func(b *testing.B) {
				p := make([]byte, verify.LayoutOf(size.length).PieceSize)
				b.SetBytes(int64(len(p)))
				for b.Loop() {
					stdSum(alg, p)
				}
			})
		}
	}
}

// BenchmarkFit judges one piece in the middle of a long body. "of-hash" is its
// speed as a share of the plain hash's in the same run.
func BenchmarkFit(b *testing.B) {
	for _, alg := range algorithms {
		for _, size := range pieceSizes {
			b.Run(alg.String()+"/"+size.name, func(b *testing.B) {
				c, p := middleOf(b, alg, size.length)
				b.SetBytes(int64(len(p)))
				b.ReportAllocs()
				for b.Loop() {
					if err := c.Fit(1, p); err != nil {
						b.Fatal(err)
					}
				}
				ofHash(b, alg, p)
			})
		}
	}
}

// middleOf is a chain for a body of length octets that begins with zeros, and
// its second piece.
func middleOf(b *testing.B, alg verify.Algorithm, length int64) (*verify.Chain, []byte) {
	b.Helper()
	l := verify.LayoutOf(length)
	p := make([]byte, l.PieceSize)
	raw := make([]byte, l.Borders()*alg.Size())
	d := newDigest(b, alg, make([]byte, alg.Size()), length)
	for i := 0; ; i++ {
		list, err := verify.ParseStateList(d, raw)
		if err != nil {
			b.Fatal(err)
		}
		c, err := verify.NewChain(proofOf(b, d), list)
		if err != nil {
			b.Fatal(err)
		}
		if i == 2 {
			return c, p
		}
		var m *verify.MismatchError // says what the list should have said
		if err := c.Fit(i, p); !errors.As(err, &m) {
			b.Fatalf("fit = %v", err)
		}
		copy(raw[i*alg.Size():], m.Got)
	}
}

// BenchmarkRecorder hashes a body as it comes, with states and piece hashes,
// and then, as unknown, without.
func BenchmarkRecorder(b *testing.B) {
	for _, alg := range algorithms {
		for _, size := range pieceSizes {
			b.Run(alg.String()+"/"+size.name, func(b *testing.B) { benchRecorder(b, alg, size.length, size.length) })
		}
		b.Run(alg.String()+"/unknown", func(b *testing.B) { benchRecorder(b, alg, -1, pieceSizes[0].length) })
	}
}

func benchRecorder(b *testing.B, alg verify.Algorithm, length, of int64) {
	p := make([]byte, verify.LayoutOf(of).PieceSize)
	r := verify.NewRecorder(alg, length)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Write(p); err != nil {
			b.StopTimer() // the body is complete: begin another
			r = verify.NewRecorder(alg, length)
			b.StartTimer()
		}
	}
	ofHash(b, alg, p)
}

// ofHash hashes p as often as the benchmark ran and reports how the two compare.
func ofHash(b *testing.B, alg verify.Algorithm, p []byte) {
	took := b.Elapsed()
	begin := time.Now()
	for range b.N {
		stdSum(alg, p)
	}
	b.ReportMetric(float64(time.Since(begin))/float64(took), "of-hash")
}
