package fetch

import "github.com/flashcrowd/flashcrowd/verify"

const (
	// transferMemory is what orders under way may take up: with the buffers of
	// the origin's stream a transfer stays below 8 MiB (design.md section 12).
	transferMemory = 7 << 20
	// streamWindow is how much of an order waits in its stream at most, where
	// the order is longer than that.
	streamWindow = 2 << 20
)

// weight is how many octets of memory an order of n pieces may take up: what
// waits in its stream, the frame that is being read, and the piece that is
// judged.
func (v View) weight(n int) int64 {
	return min(int64(n)*v.Layout.PieceSize, streamWindow) + v.Layout.PieceSize + verify.MinPieceSize
}

// weightOf is what all orders under way take up.
func (v View) weightOf() (sum int64) {
	for _, p := range v.Peers {
		for _, o := range p.Orders {
			sum += v.weight(o.End - o.First)
		}
	}
	return sum
}

// affords returns how many of n pieces may be ordered at once while orders take
// up used octets: none where there is no room for one, unless nothing is under
// way.
func (v View) affords(n int, used int64) int {
	for n > 0 && used+v.weight(n) > transferMemory {
		n--
	}
	if n == 0 && used == 0 {
		return 1
	}
	return n
}
