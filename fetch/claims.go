package fetch

import (
	"errors"
	"io"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// What a member offers, it offers under a hash. To hash a piece costs as much as
// to prove it, so that is done only once somebody follows: for what is here by
// then in the background (claimHeld), from then on as pieces come. A claim is
// of the octets on disk, and disk is held from the one to the other.

// followed reports whether somebody hears, or heard, what b has to tell.
func (b *board) followed() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.heard
}

// beginClaims starts, once, to claim what came before anybody followed. The
// conductor calls it.
func (c *crowd) beginClaims() {
	if c.claiming || !c.fl.board.followed() {
		return
	}
	c.claiming = true
	c.wg.Go(func() {
		defer c.wake()
		for i := range c.fl.body.layout.Pieces() {
			if !c.claimHeld(i) {
				return
			}
		}
		for c.claimFront(1) {
		}
	})
}

// claimHeld claims piece i if it is here, behind the front, and not claimed. It
// reports whether to go on.
func (c *crowd) claimHeld(i int) bool {
	c.disk.Lock()
	defer c.disk.Unlock()
	fl := c.fl
	fl.mu.Lock()
	over := fl.landed || fl.failure != nil
	_, claimed := fl.body.hashes[i]
	here := fl.body.held.Has(i)
	fl.mu.Unlock()
	if over || !here || claimed {
		return !over
	}
	hash, err := c.hashOnDisk(i)
	if err != nil {
		return false
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	c.offerLocked(i, hash)
	return true
}

// claimFront claims the next pieces of the front, n at most, if anybody follows.
// It reports whether it claimed any.
func (c *crowd) claimFront(n int) bool {
	if !c.fl.board.followed() {
		return false
	}
	c.disk.Lock()
	defer c.disk.Unlock()
	layout, before := c.fl.body.layout, c.offered
	for range n {
		i := c.offered
		if i >= layout.Pieces() || layout.Offset(i+1) > c.front() || c.over() {
			break
		}
		hash, err := c.hashOnDisk(i)
		if err != nil {
			break
		}
		c.offered++
		c.fl.board.claim(Claim{Piece: i, Hash: hash, Own: true})
		c.tookFront(i, hash)
	}
	return c.offered > before
}

// tookFront holds what members say of a piece of the front against it.
func (c *crowd) tookFront(i int, hash [32]byte) {
	c.fl.mu.Lock()
	defer c.fl.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seenLocked(i, time.Now())
	c.fellLocked(c.words.Took(i, hash, false))
}

// hashOnDisk returns the SHA-256 of piece i, as it is on disk. disk is held.
func (c *crowd) hashOnDisk(i int) ([32]byte, error) {
	layout := c.fl.body.layout
	buf, free := pieceBuffer(layout.PieceSize)
	defer free()
	piece := buf[:layout.Size(i)]
	if n, err := c.fl.writer.ReadAt(piece, layout.Offset(i)); n < len(piece) && !errors.Is(err, io.EOF) {
		return [32]byte{}, &diskError{err}
	}
	return verify.HashPiece(piece), nil
}

// hashHeld returns the SHA-256 of piece i, if it is here. disk is held.
func (c *crowd) hashHeld(i int) (hash [32]byte, held bool, err error) {
	c.fl.mu.Lock()
	hash, known := c.fl.body.hashes[i]
	held = c.fl.body.held.Has(i)
	c.fl.mu.Unlock()
	if held && !known {
		hash, err = c.hashOnDisk(i)
	}
	return hash, held, err
}
