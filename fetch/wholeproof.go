package fetch

import (
	"io"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// joinWholeLocked lands the flight, if the tail has met the front and front and
// tail are the body that the origin's digest says: where that digest has no
// state lists, nothing of the tail is proven before. Readers do not see the
// tail until then. disk and fl.mu are held.
func (c *crowd) joinWholeLocked() (landed bool) {
	fl := c.fl
	body := io.NewSectionReader(fl.writer, fl.body.front, fl.body.length-fl.body.front)
	ahead, err := c.recorder.Ahead(body)
	if err != nil {
		fl.failLocked(&diskError{err})
		return true
	}
	whole, err := verify.WholeOf(ahead, c.chain)
	switch {
	case err != nil:
		c.refuseCampLocked(c.chain.ClaimIs(ahead))
		return false
	case fl.f.twins.collide(c.chain.Of(), whole.Digest):
		fl.f.alarm(fl.req.URL.Host, c.chain.Of())
		c.abandonPeersLocked()
		return false
	}
	c.recorder = ahead
	c.creditLocked()
	c.landLocked(&whole)
	return true
}

// refuseCampLocked gives up the list in use and all who committed to it. lied:
// the body that the list leads to is here, whole, and has not the origin's
// digest, though each of them said that it had verified that; else the list
// does not go with what the origin itself sent, for which a peer is not banned.
func (c *crowd) refuseCampLocked(lied bool) {
	fl := c.fl
	d, claim := c.chain.Of(), c.chain.List().Claim()
	fl.f.stats.reject(fl.body.length-fl.body.front, "digest")
	fl.f.log.Warn("rejected", "reason", "the body that peers claim has not the origin's digest", "host", fl.req.URL.Host)
	fl.body.dropTail()
	c.mu.Lock()
	home := c.active
	c.chain, c.active = nil, nil
	if home != nil {
		home.exposed = true
	}
	var liars []string
	for _, s := range c.sources {
		if s.camp != home {
			continue
		}
		s.left = true
		for _, o := range s.orders {
			o.cancel()
		}
		liars = append(liars, s.peer.String())
	}
	c.mu.Unlock()
	c.wg.Go(func() {
		for _, liar := range liars {
			if lied {
				fl.f.cfg.Swarm.Ban(verify.ClaimLie(liar, d, claim, time.Now()))
			}
		}
		c.changeCamp()
		c.wake()
	})
}

// abandonPeersLocked leaves the body to the origin.
func (c *crowd) abandonPeersLocked() {
	c.contradicted = true // nobody is enlisted any more
	c.fl.body.dropTail()
	c.cancelPeers()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.chain, c.active = nil, nil
}

// contested reports whether a peer claims another body for the same weak digest
// than those before it. Nobody can say which of them is right but the origin.
// disk is held.
func (c *crowd) contested(home *camp) bool {
	d := c.fl.proof().Digest()
	if d.Algorithm().Lists() {
		return false
	}
	c.mu.Lock()
	others := false
	for _, other := range c.camps {
		others = others || !other.exposed && other.list.Claim() != home.list.Claim()
	}
	c.mu.Unlock()
	if !others {
		return false
	}
	c.fl.f.alarm(c.fl.req.URL.Host, d)
	c.fl.mu.Lock()
	defer c.fl.mu.Unlock()
	c.abandonPeersLocked()
	return true
}

// sure reports whether pieces of peers are proven as they come. Where they are
// not, the origin is not let go: should the whole turn out wrong, no time was
// lost.
func (c *crowd) sure() bool { return c.fl.proof().Digest().Algorithm().Lists() }

// learn takes the body that came whole from the origin as a sample of its
// entity tags.
func (c *crowd) learn() {
	if p := c.fl.f.cfg.Profiles; p != nil && c.recorder != nil {
		p.Learn(c.fl.meta.Exchange(), c.recorder)
	}
}
