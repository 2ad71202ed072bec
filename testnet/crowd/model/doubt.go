package model

import (
	"errors"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// How a node finds out who lied, as fetch does in doubt.go and accuse.go.

// tryWhole holds the body against the origin's digest once all of it is here.
// If it is another, the second round begins.
func (fl *flight) tryWhole() {
	layout := fl.o.layout
	if fl.board == nil || !fl.untried || fl.recorder == nil || fl.front >= layout.Length || fl.tail > layout.PieceAt(fl.front) {
		return
	}
	fl.untried = false
	r, own := fl.o.proof.Recorder(), true
	for i := range layout.Pieces() {
		octets := fl.o.piece(i)
		if layout.Offset(i+1) > fl.front {
			octets = fl.arrivals[i].octets
			own = own && fl.own.Has(i)
		}
		if _, err := r.Write(octets); err != nil {
			break // too long: it will not match
		}
	}
	if r.Matches(fl.o.proof) || own {
		fl.land()
		return
	}
	fl.doubting = true
}

// doubtful returns the pieces to take from the origin once more now.
func (fl *flight) doubtful() fetch.Pieces {
	if !fl.doubting {
		return nil
	}
	return fetch.Doubtful(fl.o.layout.Pieces(), fetch.Doubts[*node]{
		Foreign: func(i int) bool { return fl.held.Has(i) && !fl.own.Has(i) },
		Words:   func(i int) int { return fl.words(i, fl.hashes[i]) },
		Author:  func(i int) *node { return fl.author(i, fl.hashes[i], fl.arrivals[i].peer) },
		Checked: func(author *node) bool { return fl.checked[author] != 0 },
	})
}

// says reports whether the member s says that it took piece i, with this hash,
// from the origin itself.
func (s *source) says(i int, hash *[32]byte) bool {
	if s.member == nil || hash == nil || !s.member.has.Has(i) {
		return false
	}
	c := s.member.b.claims[i]
	return c.own && *c.hash == *hash
}

func (fl *flight) words(i int, hash *[32]byte) (n int) {
	for _, s := range fl.sources {
		if s.says(i, hash) {
			n++
		}
	}
	return n
}

// author returns whose word piece i with this hash is.
func (fl *flight) author(i int, hash *[32]byte, giver *node) *node {
	for _, s := range fl.sources {
		if s.says(i, hash) {
			return s.n
		}
	}
	return giver
}

// expose removes a member whose word is not what the origin sent, and all that
// rests on it.
func (fl *flight) expose(author *node) {
	for i := range fl.o.layout.Pieces() {
		if !fl.held.Has(i) || fl.own.Has(i) || fl.author(i, fl.hashes[i], fl.arrivals[i].peer) != author {
			continue
		}
		for _, s := range fl.sources {
			if s.member != nil && s.member.has.Has(i) && *s.member.b.claims[i].hash == *fl.hashes[i] {
				s.member.has.Remove(i)
			}
		}
		fl.drop(i)
		fl.board.lose(i)
	}
	for _, s := range fl.sources {
		if s.n == author && s.member != nil {
			s.part()
		}
	}
}

// Why a piece of a member is not taken.
var (
	errFalseClaim = errors.New("false claim") // by the list in use
	errNotClaimed = errors.New("not what its sender claimed")
)

// judge holds a piece against what its sender committed to, and against the
// list in use if there is one.
func (s *source) judge(chain *verify.Chain, i int, octets []byte) error {
	if s.member == nil {
		return chain.Fit(i, octets)
	}
	if !s.member.has.Has(i) {
		return errFalseClaim
	}
	if verify.FitsClaim(octets, *s.member.b.claims[i].hash) != nil {
		return errNotClaimed
	}
	if chain != nil && chain.Fit(i, octets) != nil {
		return errFalseClaim
	}
	return nil
}

// changeOfMind is how long a member has to withdraw a claim.
const changeOfMind = time.Second

// accuse bans s for what it sent of piece i, unless it withdraws its claim.
func (fl *flight) accuse(s *source, i int) {
	w, claimed := fl.n.w, s.member.b.claims[i].hash
	s.member.busy = w.clock.now + 2*changeOfMind
	w.clock.after(changeOfMind, func() {
		if fl.ended || s.left || s.member.gone || !s.member.has.Has(i) || *s.member.b.claims[i].hash != *claimed {
			return
		}
		fl.n.banned[s.n] = true
		fl.leavePeer(s)
		fl.wake()
	})
}
