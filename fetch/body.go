package fetch

import (
	"net/http"
	"strings"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// body is how far a flight's body has come. The front is what the origin
// delivered, in order; the tail what peers delivered and the state list
// proves, backwards from the digest. The flight's mu guards it.
type body struct {
	length int64 // -1 when unknown
	layout verify.Layout
	// front: octets before it are the origin's and with the readers.
	front int64
	// end: octets before it may be read; it is front until front and tail
	// have joined, and then the length.
	end int64
	// held are the pieces behind front that fit; all from tail on are held.
	held Pieces
	tail int
	// arrivals of the held pieces; loose are those before tail.
	arrivals map[int]arrival
	loose    map[int]bool
	// own are pieces behind front that this node took from the origin itself,
	// hashes those of held ones, of all once somebody follows (claims.go).
	own    Pieces
	hashes map[int][32]byte
	// scraps are what was on disk from the start of pieces that were not there
	// whole; onDisk is how far the front can come without the origin.
	scraps map[int][]Span
	onDisk int64
	// dripping: what is behind end is let out bit by bit.
	dripping bool
	// returns: ranges of the origin can be asked for.
	returns bool
	// originRate is octets a second of the origin at its best.
	originRate float64
}

// arrival is which peer a piece came from, and between which moments.
type arrival struct {
	peer     string
	from, to time.Time
}

func newBody(m *Meta, proof verify.Proof) body {
	b := body{length: m.Length, arrivals: map[int]arrival{}, loose: map[int]bool{}, hashes: map[int][32]byte{}, scraps: map[int][]Span{}}
	if m.Length >= 0 {
		b.layout = verify.LayoutOf(m.Length)
		b.returns = m.Status == http.StatusOK && acceptsRanges(m) && (m.StrongETag() != "" || proof.Valid())
	}
	b.tail = b.layout.Pieces()
	b.held, b.own = NewPieces(b.tail), NewPieces(b.tail)
	return b
}

func acceptsRanges(m *Meta) bool {
	for _, line := range m.Header.Values("Accept-Ranges") {
		for unit := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(unit), "bytes") {
				return true
			}
		}
	}
	return false
}

// hold notes that piece i is on disk and fits.
func (b *body) hold(i int, a arrival) {
	b.held.Add(i)
	b.arrivals[i], b.loose[i] = a, true
	for b.tail > 0 && b.held.Has(b.tail-1) {
		b.tail--
		delete(b.loose, b.tail)
	}
}

// drop forgets piece i, which is not proven.
func (b *body) drop(i int) {
	for k := b.tail; k < i; k++ {
		b.loose[k] = true
	}
	if i >= b.tail {
		b.tail = i + 1
	}
	b.held.Remove(i)
	delete(b.arrivals, i)
	delete(b.loose, i)
	delete(b.hashes, i)
}

// dropTail forgets all that peers delivered.
func (b *body) dropTail() {
	b.tail = b.layout.Pieces()
	b.held = NewPieces(b.tail)
	clear(b.arrivals)
	clear(b.hashes)
	b.own = NewPieces(b.tail)
	clear(b.loose)
}

// open returns when the first of what is held and not proven came, or of several
// that came longer than maxLag ago any (readBefore tells them not apart); now if all
// is proven.
func (b *body) open(now time.Time) time.Time {
	longAgo := now.Add(-maxLag)
	for i := range b.loose {
		if from := b.arrivals[i].from; from.Before(now) {
			now = from
		}
		if now.Before(longAgo) {
			break
		}
	}
	return now
}

// next returns the border that the front stands at, or the next one, and
// whether the front is between two.
func (b *body) next() (piece int, between bool) {
	if b.front >= b.layout.Length {
		return b.layout.Pieces(), false
	}
	piece = b.layout.PieceAt(b.front)
	if b.layout.Offset(piece) == b.front {
		return piece, false
	}
	return piece + 1, true
}
