package verify_test

import (
	"errors"
	"testing"

	"github.com/flashcrowd/flashcrowd/verify"
)

// TestScaledLyingPieceIsSeen cuts a body into pieces of 64 octets. A right list
// closes to the front; a wrong octet in any piece is seen.
func TestScaledLyingPieceIsSeen(t *testing.T) {
	body := bodyOf(64*40+17, 3)
	p := proofOf(t, stdDigest(t, verify.SHA256, body)).Scaled(verify.MaxScale)
	layout := p.Digest().Layout()
	if layout.PieceSize != 64 || layout.Pieces() != 41 {
		t.Fatalf("cut into %d pieces of %d", layout.Pieces(), layout.PieceSize)
	}
	r := p.Recorder()
	if _, err := r.Write(body); err != nil || !r.Matches(p) || r.Digest() != p.Digest() {
		t.Fatalf("recorded %v, want %v (%v)", r.Digest(), p.Digest(), err)
	}
	list, err := verify.ParseStateList(p.Digest(), r.Whole().States)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := verify.NewChain(p, list)
	if err != nil {
		t.Fatal(err)
	}
	for i := range layout.Pieces() {
		piece := append([]byte(nil), body[layout.Offset(i):layout.Offset(i+1)]...)
		piece[i%len(piece)] ^= 1
		if err := chain.Fit(i, piece); !errors.As(err, new(*verify.MismatchError)) {
			t.Errorf("piece %d with a wrong octet: %v", i, err)
		}
		piece[i%len(piece)] ^= 1
		if err := chain.Fit(i, piece); err != nil {
			t.Errorf("piece %d: %v", i, err)
		}
	}
	if chain.Closed() != 0 {
		t.Errorf("closed to %d", chain.Closed())
	}
}
