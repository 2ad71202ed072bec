package stack

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/testnet/crowd"
	"github.com/flashcrowd/flashcrowd/verify"
)

// What the liars do, as in the model.
const (
	trickleRate     = 8 << 10 // octets a second: less than the planner suffers
	sybilIdentities = 10
	sybilIntends    = 4 // pieces
	sybilAgain      = 3 * time.Second
)

// lies is the shelf of a liar: it has all files from elsewhere, or says so.
type lies struct {
	kind crowd.LiarKind
	// whole: it says that it has verified all; else it is a member that took
	// all pieces from the origin itself and is not done.
	whole bool
	token map[dht.ID]verify.Token
	files map[dht.ID]*object
	end   context.Context // of the rehearsal
}

// newLies returns the shelf of the liar with the given number.
func newLies(ctx context.Context, kind crowd.LiarKind, number int, all []*object) (*lies, error) {
	l := &lies{
		kind: kind, whole: kind != crowd.Sybil && number%2 == 0, end: ctx,
		token: map[dht.ID]verify.Token{}, files: map[dht.ID]*object{},
	}
	for _, f := range all {
		id, err := f.id()
		if err != nil {
			return nil, err
		}
		l.files[id], l.token[id] = f, verify.TokenOf(id, f.whole().Digest)
	}
	return l, nil
}

// Open implements fetch.Shelf.
func (l *lies) Open(id dht.ID, token verify.Token) (*fetch.Shelved, error) {
	f := l.files[id]
	if f == nil || token != l.token[id] {
		return nil, fetch.ErrUnknown
	}
	truth := f.whole()
	n := truth.Digest.Layout().Pieces()
	s := &fetch.Shelved{Digest: truth.Digest, Complete: l.whole, Body: &falseBody{l, f}, Close: func() {}}
	switch {
	case l.whole:
		told := truth
		if l.kind == crowd.Claim {
			told = f.falseWhole()
		}
		s.Has, s.States = fetch.AllPieces(n), told.States
	case l.kind == crowd.Sybil:
		s.Has, s.Follow = fetch.NewPieces(n), l.besiege(n)
	default:
		s.Has, s.Follow = fetch.AllPieces(n), l.claim(f)
	}
	return s, nil
}

// claim tells followers that all pieces are its own.
func (l *lies) claim(f *object) fetch.Follow {
	return func(ctx context.Context, _ dht.Member, tell func(fetch.News) error) error {
		told := f.body
		if l.kind == crowd.Claim {
			told = f.falsified()
		}
		var n fetch.News
		for i, layout := 0, verify.LayoutOf(int64(len(told))); i < layout.Pieces(); i++ {
			hash := verify.HashPiece(told[layout.Offset(i):layout.Offset(i+1)])
			n.Claims = append(n.Claims, fetch.Claim{Piece: i, Hash: hash, Own: true})
		}
		return l.repeat(ctx, tell, func(first bool) fetch.News {
			if first {
				return n
			}
			return fetch.News{}
		})
	}
}

// besiege announces again and again to take what it never takes.
func (l *lies) besiege(pieces int) fetch.Follow {
	return func(ctx context.Context, _ dht.Member, tell func(fetch.News) error) error {
		return l.repeat(ctx, tell, func(bool) fetch.News {
			i := rand.IntN(pieces)
			run := fetch.Run{First: i, End: min(i+sybilIntends, pieces)}
			return fetch.News{Intends: true, Intents: []fetch.Announced{{Run: run, Lease: fetch.MaxLease}}}
		})
	}
}

func (l *lies) repeat(ctx context.Context, tell func(fetch.News) error, news func(first bool) fetch.News) error {
	for first := true; ; first = false {
		if err := tell(news(first)); err != nil {
			return err
		}
		if err := pause(ctx, sybilAgain); err != nil {
			return err
		}
	}
}

// falseBody is what a liar sends.
type falseBody struct {
	l *lies
	f *object
}

var errShort = errors.New("stack: liar: no more than this")

func (b *falseBody) ReadAt(p []byte, off int64) (int, error) {
	if b.l.kind == crowd.Stall {
		<-b.l.end.Done()
		return 0, errShort
	}
	n := copy(p, b.f.body[off:])
	size := b.f.whole().Digest.Layout().PieceSize
	switch b.l.kind {
	case crowd.Flip:
		for at := (off + size - 1) / size * size; at < off+int64(n); at += size {
			p[at-off] ^= 1
		}
	case crowd.Claim:
		for i := range p[:n] {
			p[i] ^= falsehood
		}
	case crowd.Length:
		return max(n-1, 0), errShort
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// falsehood turns a body into another one.
const falsehood = 0x55

// falseWhole is the other body that some liars offer.
func (f *object) falseWhole() verify.Whole {
	r := verify.NewRecorder(verify.SHA256, int64(len(f.body)))
	if _, err := r.Write(f.falsified()); err != nil {
		panic("stack: internal error: record: " + err.Error())
	}
	return r.Whole()
}

func (f *object) falsified() []byte {
	other := make([]byte, len(f.body))
	for i, b := range f.body {
		other[i] = b ^ falsehood
	}
	return other
}
