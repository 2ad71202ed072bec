package swarm

import (
	"bytes"
	"sync/atomic"
	"testing"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/libp2p/go-libp2p/core/network"
)

// partialOf offers all pieces of o but the last as those of a body that is not
// complete, and counts what is read of it.
func partialOf(o *object, reads *atomic.Int64) func() *fetch.Shelved {
	return func() *fetch.Shelved {
		sh := o.shelved()
		n := sh.Digest.Layout().Pieces()
		sh.Complete, sh.States, sh.Has = false, nil, fetch.AllPieces(n-1)
		sh.Has = append(sh.Has, fetch.NewPieces(n)[len(sh.Has):]...)
		sh.Body = &countedBody{bytes.NewReader(o.body), reads}
		return sh
	}
}

// TestBeyondCreditIsBusy: who asks for more than his credit is refused before
// anything is read for him, and again served when he owes nothing.
func TestBeyondCreditIsBusy(t *testing.T) {
	o := newObject(t, "partial", 400*piece)
	var reads atomic.Int64
	sh := newShelf()
	sh.put(o, partialOf(o, &reads))
	far := newSwarm(t, Config{Shelf: sh})
	asker := newHost(t)
	get := func(first, end int64) (network.Stream, *frames, answer) {
		t.Helper()
		st := connect(t, asker, far.host)
		req := o.request(1, askGet, fetch.Span{Offset: first * piece, End: end * piece})
		req.credit = true
		write(t, st, appendRequest(nil, req))
		f := &frames{r: newReader(st)}
		a, err := decodeAnswer(readFrame(t, f))
		if err != nil {
			t.Fatal(err)
		}
		if a.kind == ansBusy {
			_ = st.Reset()
		}
		return st, f, a
	}
	if _, _, a := get(0, 300); a.kind != ansBusy || reads.Load() != 0 {
		t.Fatalf("300 pieces at once: answer of kind %d, %d octets read", a.kind, reads.Load())
	}
	eventually(t, "the pause is over", func() bool {
		st, f, a := get(0, 4) // which fills the stream until it is read
		if a.kind == ansBusy {
			return false
		}
		if a.kind != ansHead || a.credit < piece {
			t.Fatalf("answer %+v", a)
		}
		before := reads.Load()
		if _, _, a := get(4, 8); a.kind != ansBusy || reads.Load() != before {
			t.Errorf("4 pieces more: answer of kind %d, %d octets read", a.kind, reads.Load()-before)
		}
		for last := false; !last; last = a.last {
			var err error
			if a, err = decodeAnswer(readFrame(t, f)); err != nil {
				t.Fatal(err)
			}
		}
		_ = st.Close()
		return true
	})
	eventually(t, "a piece is given again", func() bool {
		_, _, a := get(8, 9)
		return a.kind == ansHead
	})
}

// TestCreditIsHeard: what head and news tell of credit is with the source; a peer
// that tells none is as before, and so is one that does not know of it.
func TestCreditIsHeard(t *testing.T) {
	o := newObject(t, "partial", 9*piece)
	credit := func(p fetch.Peer) int64 { return p.(interface{ Credit() int64 }).Credit() }
	sh := newShelf(o)
	far := newSwarm(t, Config{Shelf: sh})
	near := newSwarm(t, Config{})
	p := newPeer(t, near, far.host, o.want())
	if _, err := readSpan(t, p, 0, piece); err != nil || credit(p) != 0 {
		t.Errorf("a complete peer told a credit of %d: %v", credit(p), err)
	}
	sh.put(o, partialOf(o, new(atomic.Int64)))
	if _, err := readSpan(t, p, 0, piece); err != nil || credit(p) < piece {
		t.Errorf("a partial peer told a credit of %d: %v", credit(p), err)
	}

	for _, said := range []int64{0, 5 * piece} {
		old := evil(t, func(st network.Stream, req request) {
			b := appendAnswer(nil, req.number, ansHead, encodeHead(piece, said))
			if req.kind == askFollow {
				b = appendAnswer(nil, req.number, ansNews, encodeNews(fetch.News{}, 2*said, true))
			} else {
				b = append(b, data(req.number, o.body[:piece], true)...)
			}
			_, _ = st.Write(b)
		})
		p := newPeer(t, near, old, o.want())
		if err := p.Follow(t.Context(), func(fetch.News) {}); err != nil || credit(p) != 2*said {
			t.Errorf("news told %d: credit %d, %v", 2*said, credit(p), err)
		}
		if _, err := readSpan(t, p, 0, piece); err != nil || credit(p) != said {
			t.Errorf("head told %d: credit %d, %v", said, credit(p), err)
		}
	}
}

// TestAskerWithoutCredit: an asker that does not know of credit is served as
// before, 8 answers at a time, and is told none.
func TestAskerWithoutCredit(t *testing.T) {
	o := newObject(t, "partial", 400*piece)
	sh := newShelf()
	sh.put(o, partialOf(o, new(atomic.Int64)))
	far := newSwarm(t, Config{Shelf: sh})
	asker := newHost(t)
	for i := range partialWindow + 1 {
		st := connect(t, asker, far.host)
		write(t, st, appendRequest(nil, o.request(1, askGet, fetch.Span{Offset: 0, End: 300 * piece})))
		a, err := decodeAnswer(readFrame(t, &frames{r: newReader(st)}))
		want := ansHead
		if i == partialWindow {
			want = ansBusy
		}
		if err != nil || a.kind != want || a.credit != 0 {
			t.Errorf("request %d: %+v, %v", i, a, err)
		}
	}
}
