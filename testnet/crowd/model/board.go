package model

import (
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// board is what one member tells the others of its crowd, as fetch.board:
// followers read it at their own pace (listen), a while after it was written.
type board struct {
	n     *node
	rank  uint64
	group string // of addresses

	offers  fetch.Pieces
	claims  []claim // of each piece, the latest
	log     []posted
	intents []announced
	members []*node
	over    bool // nothing more comes; whole: since it has all
	whole   bool
	overAt  time.Duration
}

// claim is a piece that a member offers. hash is that to which it commits
// itself; own says that it took the piece from the origin.
type claim struct {
	hash *[32]byte
	own  bool
}

// posted is one piece that is offered from at on, or no more (lost), or, with
// piece negative, that the origin wants to be left alone until.
type posted struct {
	at, until time.Duration
	piece     int32
	lost, own bool
}

// announced is what a member takes, and means to take next, from the origin.
type announced struct {
	at    time.Duration
	runs  [2]fetch.Run
	lease time.Duration
}

// newBoard begins what n tells of o.
func (n *node) newBoard(o *object) *board {
	b := &board{
		n: n, rank: o.rankOf(n), offers: fetch.NewPieces(o.layout.Pieces()), claims: make([]claim, o.layout.Pieces()),
	}
	n.boards[o] = b
	return b
}

func (b *board) now() time.Duration { return b.n.w.clock.now }

func (b *board) claim(i int, hash *[32]byte, own bool) {
	b.offers.Add(i)
	b.claims[i] = claim{hash, own}
	b.log = append(b.log, posted{at: b.now(), piece: int32(i), own: own})
}

func (b *board) lose(i int) {
	b.offers.Remove(i)
	b.log = append(b.log, posted{at: b.now(), piece: int32(i), lost: true})
}

func (b *board) backOff(until time.Duration) {
	b.log = append(b.log, posted{at: b.now(), piece: -1, until: until})
}

// intend replaces what was announced, if runs are others.
func (b *board) intend(runs [2]fetch.Run, lease time.Duration) {
	if n := len(b.intents); n > 0 && b.intents[n-1].runs == runs || n == 0 && runs == [2]fetch.Run{} {
		return
	}
	b.intents = append(b.intents, announced{b.now(), runs, lease})
}

func (b *board) close(whole bool) {
	if !b.over {
		b.over, b.whole, b.overAt = true, whole, b.now()
	}
}

// hashOf returns the hash by which octets of piece i are claimed.
func (o *object) hashOf(i int, octets []byte) *[32]byte {
	if len(octets) > 0 && &octets[0] == &o.body[o.scaled.Offset(i)] {
		return &o.hashes[i]
	}
	hash := verify.HashPiece(octets)
	return &hash
}

// membership is what a flight knows of a member that has not all, as in fetch.
type membership struct {
	b       *board
	delay   time.Duration // from its board to here
	has     fetch.Pieces
	intents []fetch.Intent
	excused bool
	gone    bool // its news have ended
	whole   bool // since it has all, it says
	// enlisted: it is another source by now, which has all.
	enlisted bool
	teamed   bool
	met      time.Duration // when its first news may come
	busy     time.Duration

	log, turn, members int // how far its board was read
}

// gatherNews is how long news wait for more, as in fetch.
const gatherNews = 20 * time.Millisecond

// Octets of what a follower is told, in round numbers.
const (
	claimOctets  = 40
	intentOctets = 24
	memberOctets = 80
)

// listen hears what is new of all members. It reports whether anything is.
func (fl *flight) listen() (news bool) {
	for _, s := range fl.sources {
		if s.member != nil && !s.left && !s.member.gone && fl.hear(s) {
			news = true
		}
	}
	return news
}

// hear takes in what one member has told up to a while ago.
func (fl *flight) hear(s *source) (news bool) {
	m, b := s.member, s.member.b
	now := fl.n.w.clock.now
	known := now - m.delay
	for ; m.log < len(b.log) && b.log[m.log].at <= known; m.log++ {
		fl.hearPost(s, b.log[m.log])
		news = true
	}
	if m.turn < len(b.intents) && b.intents[m.turn].at <= known {
		for m.turn < len(b.intents) && b.intents[m.turn].at <= known {
			m.turn++
		}
		in := b.intents[m.turn-1]
		m.intents = m.intents[:0]
		for _, r := range in.runs {
			if !r.Empty() {
				m.intents = append(m.intents, fetch.Intent{Run: r, Until: in.at + m.delay + in.lease - fl.start})
			}
		}
		fl.n.w.control += intentOctets
		news = true
	}
	for ; m.members < len(b.members); m.members++ { // a moment early
		fl.n.w.control += memberOctets
		fl.encounter(b.members[m.members])
	}
	if b.over && b.overAt <= known {
		fl.fellSilent(s)
		news = true
	}
	return news
}

func (fl *flight) hearPost(s *source, p posted) {
	m := s.member
	fl.n.w.control += claimOctets
	switch {
	case p.piece < 0:
		fl.hinted = max(fl.hinted, min(p.until, fl.n.w.clock.now+fetch.MaxBackoffHint))
	case p.lost:
		m.has.Remove(int(p.piece))
	default:
		m.has.Add(int(p.piece))
		m.excused = m.excused && !p.own
		if fl.n.w.clock.now-m.met < settling { // it may have had that for long
			fl.saw(int(p.piece))
		} else {
			fl.appeared(int(p.piece))
		}
		if p.own {
			fl.hearWord(s, int(p.piece))
		}
	}
}

// fellSilent ends a membership: either the member has all by now, and is asked
// for its list, or it is gone.
func (fl *flight) fellSilent(s *source) {
	s.member.gone, s.member.whole = true, s.member.b.whole
	wait := time.Duration(0)
	if !s.member.b.whole {
		wait = firstWait
	}
	fl.n.w.clock.after(wait, func() { fl.meet(s.n, firstWait, true) })
}

// appeared notes that somebody has piece i from now on.
func (fl *flight) appeared(i int) {
	if fl.saw(i) {
		fl.gauges.Appeared(fl.o.layout.Size(i), epoch.Add(fl.news))
	}
}

// saw notes that somebody has piece i, since when is not known. It reports whether
// that is news.
func (fl *flight) saw(i int) bool {
	if fl.seen.Has(i) {
		return false
	}
	fl.seen.Add(i)
	fl.news = fl.n.w.clock.now
	return true
}

// offer tells the crowd of a piece that is here.
func (fl *flight) offer(i int, hash *[32]byte, own bool) {
	if fl.board != nil {
		fl.board.claim(i, hash, own)
		fl.saw(i)
	}
}

// offerFront offers the pieces of the front that are new.
func (fl *flight) offerFront() {
	if fl.board == nil {
		return
	}
	for ; fl.offered < fl.o.layout.Pieces() && fl.o.layout.Offset(fl.offered+1) <= fl.front; fl.offered++ {
		fl.offer(fl.offered, &fl.o.hashes[fl.offered], true)
		fl.took(fl.offered, false)
	}
}
