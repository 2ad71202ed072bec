package verify_test

import (
	"math"
	"math/bits"
	"testing"

	"github.com/flashcrowd/flashcrowd/verify"
)

func TestLayoutOf(t *testing.T) {
	const kib, mib, tib = 1 << 10, 1 << 20, 1 << 40
	for _, c := range []struct {
		length, size int64
		pieces       int
		last         int64
	}{
		{0, 64 * kib, 0, 0},
		{1, 64 * kib, 1, 1},
		{65535, 64 * kib, 1, 65535},
		{65536, 64 * kib, 1, 65536},
		{65537, 64 * kib, 2, 1},
		{512 * mib, 64 * kib, 8192, 64 * kib},
		{512*mib + 1, 128 * kib, 4097, 1},
		{1024 * mib, 128 * kib, 8192, 128 * kib},
		{tib, 128 * mib, 8192, 128 * mib},
		{tib + 1, 256 * mib, 4097, 1},
		{math.MaxInt64, 1 << 50, 8192, 1<<50 - 1},
	} {
		l := verify.LayoutOf(c.length)
		if l.PieceSize != c.size || l.Pieces() != c.pieces || l.Length != c.length {
			t.Errorf("layout of %d = %d pieces of %d, want %d of %d", c.length, l.Pieces(), l.PieceSize, c.pieces, c.size)
		}
		if n := l.Pieces(); n > 0 && l.Size(n-1) != c.last {
			t.Errorf("last piece of %d = %d octets, want %d", c.length, l.Size(n-1), c.last)
		}
		checkLayout(t, c.length)
	}
}

func TestLayoutProperties(t *testing.T) {
	rng := newRand(1)
	for range 2000 {
		checkLayout(t, rng.Int64()>>rng.IntN(63))
	}
	for shift := range 63 {
		for d := int64(-1); d <= 1; d++ {
			checkLayout(t, 1<<shift+d)
		}
	}
}

// TestLayoutOfNonsense: a length that no body has makes no pieces, whatever
// its arithmetic does.
func TestLayoutOfNonsense(t *testing.T) {
	for _, length := range []int64{-1, -65536, -65537, math.MinInt64 + 1, math.MinInt64} {
		if l := verify.LayoutOf(length); l.Pieces() != 0 || l.Borders() != 0 {
			t.Errorf("layout of %d has %d pieces, %d borders", length, l.Pieces(), l.Borders())
		}
	}
	if n := (verify.Layout{}).Pieces(); n != 0 {
		t.Errorf("zero layout has %d pieces", n)
	}
}

func checkLayout(t *testing.T, length int64) {
	t.Helper()
	l := verify.LayoutOf(length)
	n := l.Pieces()
	if bits.OnesCount64(uint64(l.PieceSize)) != 1 || l.PieceSize < verify.MinPieceSize {
		t.Fatalf("length %d: piece size %d", length, l.PieceSize)
	}
	if n < 0 || n > verify.MaxPieces || length > 0 && n == 0 {
		t.Fatalf("length %d: %d pieces", length, n)
	}
	if half := l.PieceSize / 2; half >= verify.MinPieceSize && (length-1)/half < verify.MaxPieces {
		t.Fatalf("length %d: pieces of %d would have done, not %d", length, half, l.PieceSize)
	}
	if l.Borders() != max(n-1, 0) || l.Offset(0) != 0 || l.Offset(n) != length {
		t.Fatalf("length %d: %d borders, from %d to %d", length, l.Borders(), l.Offset(0), l.Offset(n))
	}
	for i := range n {
		first, size := l.Offset(i), l.Size(i)
		if size <= 0 || size > l.PieceSize || i < n-1 && size != l.PieceSize {
			t.Fatalf("length %d: piece %d has %d octets", length, i, size)
		}
		if l.PieceAt(first) != i || l.PieceAt(first+size-1) != i {
			t.Fatalf("length %d: piece %d is not where its octets are", length, i)
		}
	}
}
