package model

import (
	"errors"
	"slices"
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
	if fl.words != nil {
		fl.words.BeginSecondRound()
		fl.news = fl.n.w.clock.now
	}
}

// doubtful returns the pieces to take from the origin once more now.
func (fl *flight) doubtful() fetch.Pieces {
	layout := fl.o.layout
	if fl.words == nil || !fl.doubting {
		return nil
	}
	fl.dropFailed()
	return fl.words.Doubtful(fetch.Doubts[*node]{
		Foreign: func(i int) bool { return fl.held.Has(i) && !fl.own.Has(i) },
		Hash:    func(i int) [32]byte { return *fl.hashes[i] },
		Giver:   func(i int) *node { return fl.arrivals[i].peer },
		Whole:   fl.tail <= layout.PieceAt(fl.front),
		Salt:    fl.salt,
	})
}

// audit returns what the node should audit now, as fetch.crowd.auditLocked.
func (fl *flight) audit() fetch.Run {
	if fl.words == nil {
		return fetch.Run{}
	}
	now := fl.n.w.clock.now
	var ranks []uint64
	teamed := map[*node]bool{}
	for _, s := range fl.sources {
		if s.member != nil && !s.left && !s.member.gone {
			ranks = append(ranks, s.member.b.rank)
		}
	}
	ahead, settled := 0, now-fl.since >= settling
	if !settled {
		ahead = fl.before
	}
	t := fetch.TeamOf(fl.board.rank, ranks, ahead)
	inTeam := func(author *node) bool { return teamed[author] }
	for _, s := range fl.sources {
		if m := s.member; m != nil {
			now := !s.left && !m.gone && t.Has(m.b.rank)
			m.teamed = m.teamed || now && settled
			teamed[s.n] = m.teamed || now
		}
	}
	fl.words.Guess(inTeam)
	if !t.MayAudit(fl.audits, fl.o.layout.Pieces()) {
		return fetch.Run{}
	}
	return fl.words.Audit(func(author *node) int { return t.Allowance(fl.drawn, inTeam(author)) }, fl.salt)
}

// settling is how long members that are known of may take to be met, as in fetch.
const settling = time.Second

// hearWord takes in that the member s says that it took piece i from the origin.
func (fl *flight) hearWord(s *source, i int) {
	if fl.words == nil {
		return
	}
	if fl.words.Say(s.n, i, *s.member.b.claims[i].hash) {
		fl.fell(s.n)
	}
	if fl.words.Matters(s.n, i) {
		fl.news = fl.n.w.clock.now
	}
}

// took takes in that the origin sent piece i to this node. chosen: when it was
// asked for it.
func (fl *flight) took(i int, chosen bool) {
	if fl.words == nil {
		return
	}
	fl.fell(fl.words.Took(i, fl.o.hashes[i], chosen)...)
	if fl.words.Matters(fl.n, i) {
		fl.news = fl.n.w.clock.now
	}
}

// fell ends all business with members whose word is not what the origin sent,
// and drops what rests on it.
func (fl *flight) fell(authors ...*node) {
	if len(authors) == 0 {
		return
	}
	fl.dropFailed()
	for _, s := range fl.sources {
		if s.member != nil && slices.Contains(authors, s.n) {
			s.part()
		}
	}
}

// dropFailed drops the pieces that cannot be right by what members say.
func (fl *flight) dropFailed() {
	for i := range fl.o.layout.Pieces() {
		if fl.chain == nil && fl.held.Has(i) && !fl.own.Has(i) && fl.words.Fails(i, *fl.hashes[i]) {
			fl.drop(i)
			fl.board.lose(i)
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
	s.member.busy, s.member.whole = w.clock.now+2*changeOfMind, false
	w.clock.after(changeOfMind, func() {
		if fl.ended || s.left || s.member.gone || !s.member.has.Has(i) || *s.member.b.claims[i].hash != *claimed {
			return
		}
		fl.n.banned[s.n] = true
		fl.leavePeer(s)
		fl.wake()
	})
}
