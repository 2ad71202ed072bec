package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// A claim is the hash of one piece to which its claimer commits itself, over a
// stream that proves who it is. A piece that fits a claim is not proven by
// that: it tells only whose word it is. Octets that do not fit the claim of
// their own sender are a lie that depends on no origin.

// ErrClaim is returned for a piece that is not what its sender claimed.
var ErrClaim = fmt.Errorf("%w: piece does not fit its claim", ErrMalformed)

// HashPiece returns the hash by which piece is claimed.
func HashPiece(piece []byte) [32]byte { return sha256.Sum256(piece) }

// FitsClaim returns nil if piece is what its sender claimed, else ErrClaim.
func FitsClaim(piece []byte, claimed [32]byte) error {
	if !PieceIs(piece, claimed) {
		return ErrClaim
	}
	return nil
}

// PieceLie returns the lie of a peer that claimed a hash for piece i and sent
// octets of another.
func PieceLie(peer string, d Digest, i int, claimed, sent [32]byte, at time.Time) Lie {
	return Lie{
		Peer: peer, Digest: d.String(), Piece: i, At: at,
		Committed: "piece " + hex.EncodeToString(claimed[:]), Sent: "piece " + hex.EncodeToString(sent[:]),
	}
}
