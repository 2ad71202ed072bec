package fetch

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/flashcrowd/flashcrowd/verify"
)

// fewPieces is up to how many pieces a body is small: its members form no crowd
// that shares what is under way, since the origin has sent it before any of them
// could be told of a piece; and a peer at hand is not asked what it has first.
const fewPieces = 4

// small reports whether the body has no more than fewPieces.
func (fl *flight) small() bool { return fl.body.layout.Pieces() <= fewPieces }

// askSmall takes it that peer has all of a small body, which the answer to the
// first question of substance shows: that is the body itself where there is but
// one piece, whose state list is empty, and else the list.
func (c *crowd) askSmall(ctx context.Context, peer Peer) (Have, error) {
	n := c.fl.body.layout.Pieces()
	var raw []byte
	if c.fl.proof().Digest().ListSize() > 0 {
		var err error
		if raw, err = peer.States(ctx); err != nil {
			return Have{}, err
		}
	}
	list, err := verify.ParseStateList(c.fl.proof().Digest(), raw)
	if err != nil {
		return Have{}, fmt.Errorf("read list of %s: %w", peer, err)
	}
	have := Have{Complete: true, Has: AllPieces(n), ListHash: sha256.Sum256(raw)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.camps[have.ListHash] == nil {
		c.camps[have.ListHash] = &camp{list: list}
	}
	return have, nil
}

// pieceBuffers hold one piece of most bodies.
var pieceBuffers = sync.Pool{New: func() any { b := make([]byte, verify.MinPieceSize); return &b }}

// pieceBuffer returns room for one piece of size octets, and what gives it back.
func pieceBuffer(size int64) (buf []byte, free func()) {
	if size != verify.MinPieceSize {
		return make([]byte, size), func() {}
	}
	b := pieceBuffers.Get().(*[]byte)
	return *b, func() { pieceBuffers.Put(b) }
}
