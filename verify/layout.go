package verify

const (
	// MinPieceSize is the smallest unit of exchange.
	MinPieceSize = 64 << 10
	// MaxPieces bounds every list that is as long as a body has pieces: the
	// piece size is doubled until a body has no more.
	MaxPieces = 8192
)

// Layout is how a body is cut into pieces. It follows from the length alone.
type Layout struct {
	// Length of the body in octets.
	Length int64
	// PieceSize is a power of two, at least MinPieceSize.
	PieceSize int64
}

// LayoutOf returns the layout of a body of length octets. A body without
// octets has no pieces.
func LayoutOf(length int64) Layout {
	l := Layout{Length: length, PieceSize: MinPieceSize}
	for (length-1)/l.PieceSize >= MaxPieces { // in int64: Pieces of too small a size may not fit an int
		l.PieceSize *= 2
	}
	return l
}

// Pieces returns how many pieces there are.
func (l Layout) Pieces() int {
	if l.Length <= 0 {
		return 0
	}
	return int((l.Length-1)/l.PieceSize + 1) // cannot overflow, as Length+PieceSize can
}

// Offset returns where piece i begins; Offset(Pieces()) is the body's end.
func (l Layout) Offset(i int) int64 {
	if i >= l.Pieces() {
		return l.Length
	}
	return int64(i) * l.PieceSize
}

// Size returns the length of piece i: PieceSize, but for a shorter last one.
func (l Layout) Size(i int) int64 { return l.Offset(i+1) - l.Offset(i) }

// Borders returns how many borders between pieces there are: one fewer than
// pieces. A state list has one chaining value for each.
func (l Layout) Borders() int { return max(l.Pieces()-1, 0) }

// PieceAt returns the piece that holds the octet at offset.
func (l Layout) PieceAt(offset int64) int { return int(offset / l.PieceSize) }
