package model

import (
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// bodyState is how far the body has come, as in fetch.body.
type bodyState struct {
	front    int64
	frontAt  time.Duration // when it last moved
	held     fetch.Pieces  // behind the front; nil where nobody else is asked
	tail     int           // from it on all are held
	loose    fetch.Pieces  // held before tail
	own      fetch.Pieces  // held, and from the origin
	arrivals []arrival
	hashes   []*[32]byte

	// dripping: of what the front has moved since, readers get a little at a
	// time, up to out; hungry is since when they wait for that.
	dripping bool
	out      int64
	hungry   time.Duration
}

// arrival is who a piece came from, and when; peer is nil for the origin.
type arrival struct {
	peer     *node
	from, to time.Duration
	octets   []byte
}

func newBodyState(pieces int) bodyState {
	return bodyState{
		tail: pieces, held: fetch.NewPieces(pieces), loose: fetch.NewPieces(pieces), own: fetch.NewPieces(pieces),
		arrivals: make([]arrival, pieces), hashes: make([]*[32]byte, pieces),
	}
}

// hold notes that piece i is here and fits.
func (b *bodyState) hold(i int, a arrival, hash *[32]byte) {
	b.held.Add(i)
	b.arrivals[i], b.hashes[i] = a, hash
	if i < b.tail {
		b.loose.Add(i)
	}
	for b.tail > 0 && b.held.Has(b.tail-1) {
		b.tail--
		b.loose.Remove(b.tail)
	}
}

// drop forgets piece i, which is not proven.
func (b *bodyState) drop(i int) {
	for k := b.tail; k < i; k++ {
		b.loose.Add(k)
	}
	b.tail = max(b.tail, i+1)
	b.held.Remove(i)
	b.loose.Remove(i)
	b.own.Remove(i)
	b.arrivals[i], b.hashes[i] = arrival{}, nil
}

// waits returns since when the reader has had all that he may have; negative
// when he has not.
func (fl *flight) waits() time.Duration {
	now := fl.n.w.clock.now
	if !fl.dripping {
		return max(fl.frontAt, fl.begun) - fl.start // he takes at once what is there
	}
	if fl.out < fl.front && now-fl.hungry >= fetch.DripEvery {
		fl.out = min(fl.front, fl.out+fl.gauges.Drip(len(fl.heard)+1))
		fl.hungry = now
	}
	if fl.out < fl.front {
		return -1
	}
	return fl.hungry - fl.start
}
