package fetch

import (
	"context"
	"errors"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
)

// News is what a member of a crowd tells another of its part in it: what has
// changed since the News before.
type News struct {
	// Claims are pieces that it offers from now on.
	Claims []Claim
	// Lost are pieces that it offers no more.
	Lost []int
	// Intents are all that it means to take from the origin, if Intends is
	// set: they replace those before.
	Intends bool
	Intents []Announced
	// Members of the crowd that it has met.
	Members []dht.Member
	// Backoff is for how long the origin asked it to stay away; a hint.
	Backoff time.Duration
	// Complete: it has all, and says no more.
	Complete bool
}

// Claim is a piece that a member offers, and the hash to which it commits
// itself. Own: it says that it took the piece from the origin itself.
type Claim struct {
	Piece int
	Hash  [32]byte
	Own   bool
}

// Announced is an intent on its way: its lease counts from when it is told.
type Announced struct {
	Run
	Lease time.Duration
}

// ErrBusy: a peer has no room for another answer now.
var ErrBusy = errors.New("busy")

// Limits of what one News may say.
const (
	MaxNewsIntents = 4
	MaxNewsMembers = 32
	// MaxLease and MaxBackoffHint bound what a peer can keep this node from:
	// a hint of back-off delays stripes by 5 s at most (design.md section 4).
	MaxLease       = mostPatience
	MaxBackoffHint = 5 * time.Second
)

// Follow tells a follower the news of a flight until ctx is done, tell fails or
// there is nothing more to come; first all that is so far. from is the
// follower itself, as the stream proves it.
type Follow func(ctx context.Context, from dht.Member, tell func(News) error) error
