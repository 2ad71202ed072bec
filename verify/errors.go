package verify

import (
	"errors"
	"fmt"
)

// ErrNoEvidence is returned by Admit when nothing may prove a byte of a
// stranger for the URL in question.
var ErrNoEvidence = errors.New("verify: no evidence")

// ErrMalformed is returned for a digest, state list or record that has the
// wrong shape. It says nothing of any bytes.
var ErrMalformed = errors.New("verify: malformed")

// MismatchError says that a piece is not what the state list of its sender
// says it is: the list or the piece is false.
type MismatchError struct {
	// Piece is the index of the piece.
	Piece int
	// Length is the number of octets that came, Want the number due.
	Length, Want int64
	// Before and After are the chaining values of the list around the piece
	// (nil Before for the first piece; the digest as After for the last).
	Before, After []byte
	// Got is the chaining value or digest that the piece leads to; nil when
	// its length alone is wrong.
	Got []byte
	// ListHash is the hash of the state list that the piece was held against.
	ListHash [32]byte
}

func (e *MismatchError) Error() string {
	if e.Length != e.Want {
		return fmt.Sprintf("verify: piece %d has %d octets, want %d", e.Piece, e.Length, e.Want)
	}
	return fmt.Sprintf("verify: piece %d leads to %x, the state list says %x", e.Piece, head(e.Got), head(e.After))
}

func head(b []byte) []byte { return b[:min(len(b), 8)] }

// RefusedError is ErrNoEvidence where there is evidence that may not be used.
type RefusedError struct {
	// Evidence that would have decided, and why it was refused.
	Evidence Evidence
	Why      string
}

func (e *RefusedError) Error() string { return ErrNoEvidence.Error() + ": " + e.Why }

// Is makes it ErrNoEvidence.
func (e *RefusedError) Is(target error) bool { return target == ErrNoEvidence }
