package fetch

import (
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// accusation: a member sent a piece that does not fit its claim as this node
// knows it. The claim may just have changed: an honest member that takes a
// doubtful piece once more has other octets from then on, and its news are a
// moment behind.
type accusation struct {
	*claimError
	source *source
	at     time.Time
}

// changeOfMind is how long a member has to withdraw or renew a claim before
// octets that do not fit it are a lie. It is asked for nothing meanwhile.
const changeOfMind = time.Second

// accuse notes that s sent a piece against its claim.
func (c *crowd) accuse(s *source, e *claimError) {
	c.fl.f.stats.reject(c.fl.body.layout.Size(e.piece), "piece")
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.member.busy, s.member.whole = now.Add(2*changeOfMind), false
	c.accused = append(c.accused, accusation{e, s, now})
}

// convict bans the accused who stand by claims that their octets do not fit.
func (c *crowd) convict(now time.Time) {
	c.mu.Lock()
	var guilty []accusation
	c.accused = slices.DeleteFunc(c.accused, func(a accusation) bool {
		if now.Sub(a.at) < changeOfMind {
			return false
		}
		claim, stands := a.source.member.claims[a.piece]
		if stands && claim.Hash == a.claimed && !a.source.left && !a.source.member.gone {
			guilty = append(guilty, a)
		}
		return true
	})
	c.mu.Unlock()
	for _, a := range guilty {
		s := a.source
		c.fl.f.cfg.Swarm.Ban(verify.PieceLie(s.peer.String(), c.fl.proof().Digest(), a.piece, a.claimed, a.sent, now))
		c.leave(s.id, "lied")
	}
}
