package fetch

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

const (
	// enoughMembers is how many live members end the asking.
	enoughMembers = 8
	// maxMet bounds how many members one flight talks to.
	maxMet = 64
	// maxHeard bounds how many members one flight knows of.
	maxHeard = 1024
	// haveTimeout is how long a member may take to say what it has,
	// connecting included.
	haveTimeout = 10 * time.Second
)

// askAgain is when, after the beginning, the members of a crowd are asked for
// again while too few are known (design.md section 6).
var askAgain = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}

// gather makes this node a member of the object's crowd and meets the others.
// The download never waits for it, and no question for one that came before.
func (c *crowd) gather(ctx context.Context) {
	c.openDoor()
	defer c.gathered()
	var rounds sync.WaitGroup
	defer rounds.Wait()
	router, begin := c.fl.f.cfg.Router, time.Now()
	for _, name := range c.fl.names() {
		rounds.Go(func() { c.meetAll(ctx, name, router.Join(ctx, name.Key())) })
	}
	for _, at := range askAgain {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(begin.Add(at))):
		}
		if c.liveMembers() < enoughMembers {
			// The name that all others have who know the body by this digest.
			name := c.fl.rankID()
			rounds.Go(func() { c.meetAll(ctx, name, router.Find(ctx, name.Key())) })
		}
	}
}

func (c *crowd) gathered() {
	c.mu.Lock()
	c.gathering = false
	c.mu.Unlock()
	c.wake()
}

func (c *crowd) liveMembers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live
}

// meetAll meets each member that found yields under name and that was not met
// before.
func (c *crowd) meetAll(ctx context.Context, name dht.ID, found <-chan dht.Member) {
	for {
		select {
		case <-ctx.Done():
			return
		case m, more := <-found:
			if !more {
				return
			}
			if c.isNew(m.ID) {
				c.wg.Go(func() { c.meet(c.peersCtx, m, name) })
			}
		}
	}
}

// noteName remembers under which name a member was met.
func (c *crowd) noteName(member string, name dht.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names == nil {
		c.names = make(map[string]dht.ID)
	}
	c.names[member] = name
}

// nameOf returns under which name a member was met.
func (c *crowd) nameOf(member string) dht.ID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.names[member]
}

// isNew reports whether a member is to be met that was not yet, and notes that
// it is.
func (c *crowd) isNew(member string) bool {
	return c.noteNew(member, RankOf(c.fl.rankID(), member), c.rank())
}

// noteNew is isNew for a member of that rank; own is this node's.
func (c *crowd) noteNew(member string, rank, own uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.met[member] {
		return false
	}
	if _, known := c.heard[member]; !known && len(c.heard) < maxHeard {
		if c.heard == nil {
			c.heard = make(map[string]uint64)
		}
		c.heard[member] = rank
	}
	if len(c.met) >= maxMet && !c.wantedFirstLocked(max(rank, own)) {
		return false
	}
	c.met[member] = true
	return true
}

// rank is the place of this node in the order of the crowd. It is asked for at each
// step, and changes only with the proof.
func (c *crowd) rank() uint64 {
	of := c.fl.faith.Load()
	r := c.ranked.Load()
	if r == nil || r.of != of {
		r = &ranked{of, RankOf(c.fl.rankID(), c.fl.f.cfg.Self)}
		c.ranked.Store(r)
	}
	return r.rank
}

// ranked is this node's rank under one faith.
type ranked struct {
	of   *faith
	rank uint64
}

// wantedFirstLocked reports whether a member is to be met although maxMet are:
// who comes first in the order should know each other. later is the rank of the
// later of the two.
func (c *crowd) wantedFirstLocked(later uint64) bool {
	if len(c.met) >= maxMet+MostFirst {
		return false
	}
	before := 0
	for m := range c.met {
		if r, known := c.heard[m]; known && r < later {
			before++
		}
	}
	return before < EnoughFirst
}

// aheadLocked returns how many of the members that are known of, met or not,
// stand before this node in the order.
func (c *crowd) aheadLocked() int {
	n, own := 0, c.rank()
	for _, r := range c.heard {
		if r < own {
			n++
		}
	}
	return n
}

// meet asks one member what it has under name, and again while it is still on
// its way to having all.
func (c *crowd) meet(ctx context.Context, m dht.Member, name dht.ID) {
	peer, err := c.fl.f.cfg.Swarm.Peer(m, c.fl.want(name))
	if err != nil {
		return
	}
	c.noteName(m.ID, name)
	counted, kicked := false, c.kicks(m.ID)
	var known *source
	for wait := firstWait; ; wait = min(2*wait, 8*time.Second) {
		have, err := c.ask(ctx, peer)
		complete := err == nil && have.Complete
		if complete {
			err = c.enlist(ctx, peer, have)
		}
		c.askedForAll(known, complete, err)
		switch {
		case errors.Is(err, ErrBanned), errors.Is(err, ErrChanged), errors.Is(err, verify.ErrMalformed):
			return
		case err == nil:
			c.countLive(&counted)
			if complete {
				c.wake()
				return
			}
			if known, err = c.hearOut(ctx, peer, m, known); err == nil && c.fl.board != nil {
				continue // it has all by now, or its flight is over
			}
		case !errors.Is(err, ErrUnknown) && wait > 4*time.Second:
			return // it cannot be reached
		}
		select {
		case <-ctx.Done():
			return
		case <-kicked:
		case <-time.After(wait):
		}
	}
}

func (c *crowd) ask(ctx context.Context, peer Peer) (Have, error) {
	ctx, cancel := context.WithTimeout(ctx, haveTimeout)
	defer cancel()
	if c.fl.small() && c.fl.proof().Digest().Algorithm().Lists() {
		return c.askSmall(ctx, peer)
	}
	return peer.Have(ctx)
}

func (c *crowd) countLive(counted *bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *counted {
		return
	}
	c.live++
	*counted = true
	if c.live == 1 {
		c.fl.f.stats.member.Observe(time.Since(c.begun).Seconds())
	}
}

// enlist makes a source of a peer that says it has the whole body, in the camp
// of the state list that it committed to.
func (c *crowd) enlist(ctx context.Context, peer Peer, have Have) error {
	c.mu.Lock()
	home := c.camps[have.ListHash]
	c.mu.Unlock()
	if home == nil {
		list, err := c.states(ctx, peer, have.ListHash)
		if err != nil {
			return err
		}
		home = &camp{list: list}
	}
	last, err := c.tryList(ctx, peer, home)
	if err == nil {
		err = c.enlistIn(home, peer, have)
	}
	if err == nil && last != nil {
		c.keepLast(home, peer, last)
	}
	return err
}

// enlistIn is enlist for a peer whose camp is known.
func (c *crowd) enlistIn(home *camp, peer Peer, have Have) error {
	c.disk.Lock()
	defer c.disk.Unlock()
	if c.contradicted {
		return ErrChanged
	}
	c.mu.Lock()
	if known := c.camps[have.ListHash]; known != nil {
		home = known
	}
	c.camps[have.ListHash] = home
	first := c.active == nil
	exposed := home.exposed
	c.mu.Unlock()
	if exposed || c.contested(home) {
		return ErrChanged
	}
	if first {
		if err := c.adoptLocked(home); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sources = append(c.sources, &source{
		id: len(c.sources), peer: peer, have: have, camp: home,
		known: c.fl.f.scores.rate(peer.String(), time.Now()),
	})
	return nil
}

// states asks peer for the state list that it committed to.
func (c *crowd) states(ctx context.Context, peer Peer, committed [32]byte) (*verify.StateList, error) {
	ctx, cancel := context.WithTimeout(ctx, haveTimeout)
	defer cancel()
	raw, err := peer.States(ctx)
	if err != nil {
		return nil, err
	}
	list, err := verify.ParseStateList(c.fl.proof().Digest(), raw)
	if err != nil {
		return nil, err
	}
	if sent := list.Hash(); sent != committed {
		c.fl.f.cfg.Swarm.Ban(verify.ListLie(peer.String(), c.fl.proof().Digest(), committed, sent, time.Now()))
		return nil, ErrBanned
	}
	return list, nil
}
