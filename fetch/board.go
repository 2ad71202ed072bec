package fetch

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
)

// board is what a flight tells the other members of its crowd. Followers read
// it at their own pace; nobody waits for one.
type board struct {
	mu      sync.Mutex // guards following
	changed chan struct{}
	offers  Pieces
	claims  []Claim // in the order in which they came; later ones replace earlier
	lost    []int
	intents []Announced
	turn    int // of the intents
	members []dht.Member
	backoff time.Time
	over    bool
	whole   bool
	readers int
	heard   bool // there was a reader
}

const (
	// gatherNews is how long news wait for more: each costs a frame a follower.
	gatherNews = 20 * time.Millisecond
	// heartbeat is how often a follower hears from a member that has no news.
	heartbeat = 4 * time.Second
	// maxFollowers bounds how many others one flight tells its news.
	maxFollowers = 256
)

func newBoard(pieces int) *board {
	return &board{changed: make(chan struct{}), offers: NewPieces(pieces)}
}

// change calls f and tells followers that there is something new.
func (b *board) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}

// claim offers a piece.
func (b *board) claim(c Claim) {
	b.change(func() {
		b.offers.Add(c.Piece)
		b.claims = append(b.claims, c)
	})
}

// lose offers a piece no more.
func (b *board) lose(i int) {
	b.change(func() {
		b.offers.Remove(i)
		b.lost = append(b.lost, i)
	})
}

// intend announces what this node takes and will take from the origin.
func (b *board) intend(in []Announced) {
	b.change(func() { b.intents, b.turn = in, b.turn+1 })
}

// met tells of another member.
func (b *board) met(m dht.Member) {
	b.change(func() { b.members = append(b.members, m) })
}

// backOff tells of the origin's wish to be left alone.
func (b *board) backOff(until time.Time) {
	b.change(func() { b.backoff = until })
}

// close ends the news. whole: this node has all.
func (b *board) close(whole bool) {
	b.change(func() { b.over, b.whole = true, whole })
}

// offered returns a copy of the pieces that are offered.
func (b *board) offered() Pieces {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.offers)
}

// place of one follower on the board.
type place struct {
	claims, lost, members, turn int
	backoff                     time.Time
}

// newsLocked returns what is new since p, which it moves on.
func (b *board) newsLocked(p *place, now time.Time) News {
	var n News
	for _, c := range b.claims[p.claims:] {
		if b.offers.Has(c.Piece) {
			n.Claims = append(n.Claims, c)
		}
	}
	for _, i := range b.lost[p.lost:] {
		if !b.offers.Has(i) {
			n.Lost = append(n.Lost, i)
		}
	}
	upTo := min(len(b.members), p.members+MaxNewsMembers)
	n.Members = b.members[p.members:upTo:upTo]
	if p.turn != b.turn {
		n.Intends, n.Intents = true, b.intents[:min(len(b.intents), MaxNewsIntents)]
	}
	if b.backoff.After(now) && !b.backoff.Equal(p.backoff) {
		n.Backoff = b.backoff.Sub(now)
	}
	n.Complete = b.over && b.whole
	*p = place{len(b.claims), len(b.lost), upTo, b.turn, b.backoff}
	return n
}

// follow implements Follow.
func (b *board) follow(ctx context.Context, tell func(News) error) error {
	b.mu.Lock()
	full := b.readers >= maxFollowers
	if !full {
		b.readers++
		b.heard = true
	}
	b.mu.Unlock()
	if full {
		return ErrUnknown
	}
	defer func() {
		b.mu.Lock()
		b.readers--
		b.mu.Unlock()
	}()
	var p place
	for {
		b.mu.Lock()
		n, changed, over := b.newsLocked(&p, time.Now()), b.changed, b.over
		b.mu.Unlock()
		if err := tell(n); err != nil || over {
			return err
		}
		if err := b.await(ctx, changed); err != nil {
			return err
		}
	}
}

// await returns when there is something new, and a moment more has passed, or
// when it is time for a sign of life.
func (b *board) await(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
	case <-time.After(heartbeat):
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(gatherNews):
		return nil
	}
}
