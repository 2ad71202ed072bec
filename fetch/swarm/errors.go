package swarm

import (
	"errors"
	"fmt"

	"github.com/flashcrowd/flashcrowd/fetch"
)

var (
	// ErrMalformed: a peer sent what the protocol does not allow. It ends the
	// stream, and is no reason for a lasting ban.
	ErrMalformed = errors.New("swarm: malformed")
	// ErrBusy: a peer has no free slot, or this node asks it for too much at
	// once.
	ErrBusy = fmt.Errorf("swarm: %w", fetch.ErrBusy)
	// ErrSlow: a peer missed a deadline.
	ErrSlow = errors.New("swarm: peer too slow")
	// ErrNotAPeer: the member can never be asked: this node itself, a name
	// that is no Ed25519 peer ID, or no address that may be dialled.
	ErrNotAPeer = errors.New("swarm: not a possible peer")
	// ErrClosed: the swarm was closed.
	ErrClosed = errors.New("swarm: closed")
)
