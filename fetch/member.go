package fetch

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

// firstWait is how soon a member that does not know the object yet is asked
// again: its header fields may be a moment behind.
const firstWait = 500 * time.Millisecond

// membership is what is known of a member that has not all. The crowd's mu
// guards it.
type membership struct {
	rank    uint64
	group   string
	claims  map[int]Claim
	has     Pieces // those that are claimed
	intents []heard
	excused bool
	gone    bool // its news have ended
	whole   bool // since it has all, it says
	// enlisted: it is another source by now, which has all.
	enlisted bool
	met      time.Time // when its first news came; zero before
	teamed   bool      // it is in the team or was, once all were met
	busy     time.Time
}

// heard is an intent as a member announced it.
type heard struct {
	Run
	until time.Time
}

// show adds to v what the planner should know of m.
func (m *membership) show(v *PeerView, start time.Time) {
	v.Partial, v.Rank, v.Group, v.Excused = true, m.rank, m.group, m.excused || m.whole
	v.NotBefore = m.busy.Sub(start)
	for _, in := range m.intents {
		v.Intents = append(v.Intents, Intent{in.Run, in.until.Sub(start)})
	}
}

// claim takes note of a piece that m offers from now on.
func (m *membership) claim(c Claim) {
	m.claims[c.Piece] = c
	m.has.Add(c.Piece)
}

// unclaim takes note that m does not offer piece i, or not truly.
func (m *membership) unclaim(i int) {
	delete(m.claims, i)
	m.has.Remove(i)
}

// away reports whether s is a member that is not to be asked any more, and owes
// nothing. Who has all gives on what it claimed until it is enlisted: its line would
// idle meanwhile, and the origin be asked for what only it has.
func (s *source) away() bool {
	m := s.member
	return m != nil && m.gone && (!m.whole || m.enlisted && len(s.orders) == 0)
}

// disappoint takes note of an order that came to nothing without blame.
func (m *membership) disappoint(o *order, err error) {
	m.busy = time.Now().Add(100 * time.Millisecond)
	for i := o.Next; i < o.End && !errors.Is(err, ErrBusy); i++ {
		m.unclaim(i)
	}
}

// openDoor lets those who follow this node be met, too.
func (c *crowd) openDoor() {
	c.fl.mu.Lock()
	defer c.fl.mu.Unlock()
	c.fl.knocked = func(name dht.ID, m dht.Member) {
		c.wake() // there may be claims to make
		c.mu.Lock()
		over := c.peersCtx.Err() != nil
		kick := c.tellers[m.ID]
		c.mu.Unlock()
		switch {
		case over:
		case kick != nil:
			select {
			case kick <- struct{}{}:
			default:
			}
		case c.isNew(m.ID):
			c.wg.Go(func() { c.meet(c.peersCtx, m, name) })
		}
	}
}

// kicks returns what tells that a member that was met has called itself.
func (c *crowd) kicks(id string) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tellers == nil {
		c.tellers = make(map[string]chan struct{})
	}
	kick := make(chan struct{}, 1)
	c.tellers[id] = kick
	return kick
}

// hearOut follows a member until its news end. It is nil when the member ended
// them in good order.
func (c *crowd) hearOut(ctx context.Context, peer Peer, m dht.Member, s *source) (*source, error) {
	if c.fl.board == nil {
		return nil, ErrUnknown
	}
	err := peer.Follow(ctx, func(n News) {
		if s == nil {
			s = c.enroll(peer, m)
		}
		c.hear(s, n)
	})
	if s != nil {
		c.mu.Lock()
		s.member.gone = true
		c.mu.Unlock()
		c.wake()
	}
	return s, err
}

// askedForAll takes note of what came of asking a member whether it has all: err, or
// a source that has (complete). s is nil for one that was no member before.
func (c *crowd) askedForAll(s *source, complete bool, err error) {
	if s == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		s.member.whole = false
	case complete:
		s.member.enlisted = true
	}
}

// enroll makes a source of a live member.
func (c *crowd) enroll(peer Peer, m dht.Member) *source {
	c.fl.board.met(m)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		c.since = time.Now()
	}
	s := &source{id: len(c.sources), peer: peer, member: &membership{
		rank: RankOf(c.fl.rankID(), peer.String()), group: groupOf(m), claims: make(map[int]Claim),
		has: NewPieces(c.fl.body.layout.Pieces()),
	}}
	c.sources = append(c.sources, s)
	return s
}

// groupOf returns the address group of m, "" when it is not known or near.
func groupOf(m dht.Member) string {
	for _, a := range m.Addrs {
		parts := strings.Split(a, "/")
		if len(parts) < 3 {
			continue
		}
		ip, err := netip.ParseAddr(parts[2])
		if err != nil || ip.IsPrivate() || ip.IsLoopback() {
			continue
		}
		bits := 48
		if ip.Is4() {
			bits = 24
		}
		p, err := ip.Prefix(bits)
		if err == nil {
			return p.String()
		}
	}
	return ""
}

// hear takes in what a member says.
func (c *crowd) hear(s *source, n News) {
	defer c.wake()
	for _, m := range n.Members {
		if c.isNew(m.ID) {
			// Whoever has a part in a crowd knows the body by its digest.
			c.wg.Go(func() { c.meet(c.peersCtx, m, c.fl.rankID()) })
		}
	}
	if c.hearNews(s, n) {
		c.fl.mu.Lock()
		defer c.fl.mu.Unlock()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.fellLocked([]string{s.peer.String()})
	}
}

// hearNews is hear but for other members. It reports whether the word of this
// one turns out not to be true.
func (c *crowd) hearNews(s *source, n News) (fell bool) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	m := s.member
	m.gone, m.whole = false, n.Complete
	if m.met.IsZero() {
		m.met = now
		defer c.words.Met(s.peer.String())
	}
	old := now.Sub(m.met) < settling // it may have had for long what it tells first
	for _, cl := range n.Claims {
		m.claim(cl)
		if old {
			c.seenLocked(cl.Piece, now)
		} else {
			c.appearedLocked(cl.Piece, now)
		}
		m.excused = m.excused && !cl.Own
		fell = cl.Own && c.words.Say(s.peer.String(), cl.Piece, cl.Hash) || fell
		if cl.Own && c.words.Matters(s.peer.String(), cl.Piece) {
			c.news = now
		}
	}
	for _, i := range n.Lost {
		m.unclaim(i)
	}
	if n.Intends {
		m.intents = m.intents[:0]
		for _, in := range n.Intents {
			m.intents = append(m.intents, heard{in.Run, now.Add(in.Lease)})
		}
	}
	if n.Backoff > 0 {
		c.hinted = now.Add(n.Backoff)
	}
	return fell
}

// appearedLocked notes that somebody has piece i from now on.
func (c *crowd) appearedLocked(i int, now time.Time) {
	if c.seenLocked(i, now) {
		c.flow.add(c.fl.body.layout.Size(i), now)
	}
}

// seenLocked notes that somebody has piece i, since when is not known. It reports
// whether that is news.
func (c *crowd) seenLocked(i int, now time.Time) bool {
	if c.seen == nil {
		c.seen = NewPieces(c.fl.body.layout.Pieces())
	}
	if c.seen.Has(i) {
		return false
	}
	c.seen.Add(i)
	c.news = now
	return true
}

// errFalseClaim: a piece is what its sender claimed, and that is not what the
// list in use says.
var errFalseClaim = errors.New("fetch: false claim")

// claimError: a piece is not what its sender claimed.
type claimError struct {
	piece         int
	claimed, sent [32]byte
}

func (e *claimError) Error() string { return "fetch: " + verify.ErrClaim.Error() }

// judge holds a piece against what its sender committed to, and against the
// list in use if there is one. It returns the SHA-256 of a piece that fits, or
// zero where that was not reckoned.
func (c *crowd) judge(chain *verify.Chain, s *source, i int, piece []byte) (hash [32]byte, err error) {
	if s.member == nil {
		if err := chain.Fit(i, piece); err != nil {
			return hash, err
		}
		if c.fl.board.followed() {
			hash = verify.HashPiece(piece)
		}
		return hash, nil
	}
	c.mu.Lock()
	claim, known := s.member.claims[i]
	c.mu.Unlock()
	if !known {
		return hash, errFalseClaim
	}
	if verify.FitsClaim(piece, claim.Hash) != nil {
		return hash, &claimError{i, claim.Hash, verify.HashPiece(piece)}
	}
	if chain != nil && chain.Fit(i, piece) != nil {
		return hash, errFalseClaim
	}
	return claim.Hash, nil
}

// offerLocked offers a piece of a peer that is on disk. fl.mu is held.
func (c *crowd) offerLocked(i int, hash [32]byte) {
	if c.fl.board == nil {
		return
	}
	c.fl.body.hashes[i] = hash
	c.fl.board.claim(Claim{Piece: i, Hash: hash})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seenLocked(i, time.Now())
}
