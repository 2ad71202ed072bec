package verify

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Lie is the proof that a peer lied in a way that does not depend on what any
// origin sent: its bytes contradict what it itself had committed to. It is
// kept beside the ban that it justifies.
type Lie struct {
	// Peer that lied, about which digest and piece, and when.
	Peer   string    `json:"peer"`
	Digest string    `json:"digest"`
	Piece  int       `json:"piece"`
	At     time.Time `json:"at"`
	// What it had committed to and what it sent, in words and hashes.
	Committed string `json:"committed"`
	Sent      string `json:"sent"`
}

// LieOf returns the lie in a failed Chain.Fit, if err is one: peer had
// committed to the chain's state list (its hash in have) and sent the piece
// itself. The caller vouches for both.
func LieOf(peer string, d Digest, err error, at time.Time) (Lie, bool) {
	var m *MismatchError
	if !errors.As(err, &m) {
		return Lie{}, false
	}
	lie := Lie{Peer: peer, Digest: d.String(), Piece: m.Piece, At: at}
	lie.Committed = fmt.Sprintf("state list %x: %s -> %s in %d octets", m.ListHash, hexOr(m.Before, "start"), hexOr(m.After, "end"), m.Want)
	lie.Sent = fmt.Sprintf("%s in %d octets", hexOr(m.Got, "another length"), m.Length)
	return lie, true
}

// LengthLie returns the lie of a peer that announced want octets for piece and
// then sent got.
func LengthLie(peer string, d Digest, piece int, want, got int64, at time.Time) Lie {
	return Lie{
		Peer: peer, Digest: d.String(), Piece: piece, At: at,
		Committed: fmt.Sprintf("%d octets", want), Sent: fmt.Sprintf("%d octets", got),
	}
}

// ListLie returns the lie of a peer whose state list is not the one that it
// had committed to by hash.
func ListLie(peer string, d Digest, committed, sent [32]byte, at time.Time) Lie {
	return Lie{
		Peer: peer, Digest: d.String(), Piece: -1, At: at,
		Committed: "state list " + hex.EncodeToString(committed[:]), Sent: "state list " + hex.EncodeToString(sent[:]),
	}
}

// String returns the lie as one line of JSON.
func (l Lie) String() string {
	b, err := json.Marshal(l)
	if err != nil {
		return l.Peer
	}
	return string(b)
}

func hexOr(b []byte, none string) string {
	if b == nil {
		return none
	}
	return hex.EncodeToString(b)
}

// ClaimLie returns the lie of a peer that committed itself to a state list and
// with it said that the body of that list has the digest d, when the very body
// is here and has not: that it is this body, claim, does not depend on what any
// origin sent.
func ClaimLie(peer string, d, claim Digest, at time.Time) Lie {
	return Lie{
		Peer: peer, Digest: d.String(), Piece: -1, At: at,
		Committed: "the body " + claim.String() + " has the digest " + d.String(), Sent: "a body " + claim.String() + " that has another",
	}
}
