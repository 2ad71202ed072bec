package fetch

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

// crowd gets one body from the origin and from peers at once. It belongs to
// one flight; its conductor (conduct) decides by the planner, its leads bring
// the front, its orders the tail.
//
// Locks are taken in the order disk, fl.mu, mu.
type crowd struct {
	fl     *flight
	begun  time.Time       // when the header fields were in
	ctx    context.Context // of the whole transfer
	wg     sync.WaitGroup
	woken  chan struct{} // of length 1: something has happened
	origin Source
	ranked atomic.Pointer[ranked] // the latest answer of rank
	stated verify.Proof           // by which the origin's own body is held against its word

	disk         sync.Mutex // held from a decision about octets until they are on disk
	recorder     *verify.Recorder
	contradicted bool
	chain        *verify.Chain // changed only with mu held, too

	originMeter, provenMeter, fit meter
	untried                       bool // fl.mu guards it: the whole was not held against the digest as it is

	// Owned by the conductor.
	pace         pace
	failures     int
	failedAt     int64     // front at the latest failure
	failing      time.Time // since when the origin fails without an octet between
	lastErr      error
	notBefore    time.Time
	noReturn     bool
	striping     bool
	doubting     bool
	claiming     bool
	checkpointed time.Time // when the cache was last told what is right; disk guards it
	spare        spare
	offered      int // pieces of the front that are claimed; disk guards it
	letGone      int // how often the origin was let go

	mu          sync.Mutex // guards following
	lead        *lead
	peersCtx    context.Context
	cancelPeers context.CancelFunc
	met         map[string]bool
	heard       map[string]uint64 // the ranks of members, met or not
	names       map[string]dht.ID // by which members were met
	sources     []*source
	camps       map[[32]byte]*camp
	active      *camp
	common      map[*camp]Pieces // with the active one, of other camps
	stripe      *stripe
	next        Run
	intends     []Run     // as last announced
	news, since time.Time // of the crowd (Crowd)
	seen        Pieces
	flow        meter
	flowBest    float64
	tellers     map[string]chan struct{}
	accused     []accusation
	hinted      time.Time // until when another member heard the origin back off
	words       *Words[string]
	salt        uint64 // of its choice of what to check
	audits      int    // that were made
	drawn       int    // pieces that were taken from the origin by runs
	live        int    // members that answered
	gathering   bool
	usual       usual
	soloTime    time.Duration // of the origin before the first octet of a peer; 0 while there is none
	soloOctets  int64
}

func newCrowd(fl *flight) *crowd {
	c := &crowd{
		fl: fl, begun: time.Now(), ctx: fl.ctx, woken: make(chan struct{}, 1),
		origin: fl.f.cfg.Origin.Source(fl.asked(), fl.meta),
		met:    make(map[string]bool), camps: make(map[[32]byte]*camp), common: make(map[*camp]Pieces), gathering: fl.swarmed(),
		words: NewWords[string](fl.body.layout.Pieces()), salt: rand.Uint64(),
	}
	c.peersCtx, c.cancelPeers = context.WithCancel(fl.ctx)
	c.recorder = verify.NewRecorder(verify.SHA256, fl.body.length)
	if p, err := verify.Admit(verify.Open, fl.meta.ParsedURL(), fl.meta.Evidence); err == nil {
		c.stated, c.recorder = p, p.Recorder()
	}
	c.recorder.Suppose(fl.f.cfg.Profiles.Guesses(fl.meta.Exchange())...)
	return c
}

// close ends all that the crowd started and returns when it has ended.
func (c *crowd) close() {
	c.cancelPeers()
	c.letGo()
	if !c.fl.outgrown.Load() {
		c.fl.cancel()
	}
	c.wg.Wait()
	for _, s := range c.sources {
		c.fl.f.scores.note(s.peer.String(), s.earned(), time.Now())
		if s.earned() > 0 {
			dht.Proved(c.fl.f.cfg.Router, c.nameOf(s.peer.String()).Key(), s.peer.String())
		}
	}
}

// wake tells the conductor that something has happened.
func (c *crowd) wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// over reports whether the flight has landed or failed.
func (c *crowd) over() bool {
	c.fl.mu.Lock()
	defer c.fl.mu.Unlock()
	return c.fl.landed || c.fl.failure != nil
}

// fail ends the flight. Readers get a *Failure, or what the disk said.
func (c *crowd) fail(err error) {
	switch {
	case err == nil:
		err = &Failure{Incomplete, ErrNotDelivered}
	case !errors.As(err, new(*Failure)) && !errors.As(err, new(*diskError)):
		err = &Failure{Incomplete, err}
	}
	c.fl.mu.Lock()
	defer c.fl.mu.Unlock()
	c.fl.failLocked(err)
}

// planEvery is how often the conductor looks when nothing happens: stalls are
// noticed by time alone.
const planEvery = 100 * time.Millisecond

// conduct runs the transfer until the body is whole or cannot be.
func (c *crowd) conduct(ans *Answer) {
	c.startLead(ans.Body, -1)
	tick := time.NewTicker(planEvery)
	defer tick.Stop()
	for !c.over() {
		select {
		case <-c.ctx.Done():
			c.fail(&Failure{InternalFailure, ErrNotDelivered})
			return
		case <-c.woken:
		case <-tick.C:
		}
		if l := c.ended(); l != nil {
			c.leadEnded(l)
		}
		c.stripeEnded()
		c.beginClaims()
		c.drip(time.Now())
		c.convict(time.Now())
		c.tryWhole()
		if !c.over() {
			begun := time.Now()
			c.step(begun)
			c.rest(time.Since(begun))
		}
	}
}

// ended returns the lead if it has come to its end.
func (c *crowd) ended() *lead {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lead == nil {
		return nil
	}
	select {
	case <-c.lead.done:
		return c.lead
	default:
		return nil
	}
}

// step asks the planner and does what it says.
func (c *crowd) step(now time.Time) {
	if c.fl.body.length < 0 {
		if c.lastErr != nil {
			c.fail(c.lastErr)
		}
		return
	}
	v := c.view(now)
	p := Next(v)
	for _, id := range p.Leave {
		c.leave(id, "stalled")
	}
	c.heed(p)
	switch p.Origin {
	case LetGo:
		if !c.sure() || c.front() < c.fl.body.onDisk {
			break
		}
		c.letGone++
		c.startStriping(v)
		c.letGo()
		c.landIfWhole()
	case Return:
		c.returnLead(p.Until)
	}
	if !p.Take.Empty() && !c.over() {
		if p.Take == v.Crowd.Audit {
			c.audits++
		}
		c.draw(p.Take)
	}
	c.announce(p.Intend, v)
	for _, o := range p.Orders {
		c.give(o)
	}
	if p.Origin == Stay && len(p.Orders) == 0 && p.Take.Empty() && c.hopeless(v, now) {
		c.fail(c.lastErr)
	}
}

// patience is how long a flight whose origin is lost waits for members.
const patience = 10 * time.Second

// hopeless reports whether nobody is left who could deliver what is missing.
func (c *crowd) hopeless(v View, now time.Time) bool {
	returns := v.Origin.Returns && c.failures < maxOriginFailures && c.notBefore.Sub(now) <= patience
	if v.Origin.Open || returns || c.lastErr == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	busy := false
	for _, p := range v.Peers {
		busy = busy || len(p.Orders) > 0
	}
	if busy || v.covered() && len(v.Peers) > 0 {
		return false
	}
	if c.stripe != nil {
		return false
	}
	return !c.gathering || errors.Is(c.lastErr, ErrNoRanges) || now.Sub(c.failing) > patience
}

// view is the situation as the planner sees it.
func (c *crowd) view(now time.Time) View {
	fl := c.fl
	origin := c.originMeter.read(now)
	v := View{Now: now.Sub(fl.start), PeerSince: -1, Hungry: -1}

	fl.mu.Lock()
	b := &fl.body
	v.Layout, v.Front, v.Tail = b.layout, b.front, b.tail
	v.Have = append(Pieces(nil), b.held...)
	open := b.open(now)
	if !fl.hungry.IsZero() && (!b.dripping || b.end >= b.front) {
		v.Hungry = fl.hungry.Sub(fl.start)
	}
	fl.mu.Unlock()
	v.Slots = max(int(transferMemory/v.Layout.PieceSize), 1)

	c.mu.Lock()
	v.Origin = c.originViewLocked()
	v.Origin.Second = origin.second
	total := float64(origin.second)
	for _, s := range c.sources {
		p := s.view(fl.start, now)
		total += float64(p.Second)
		open = s.open(v.Tail, open)
		if p.Has = c.offersLocked(s); p.Has != nil && !s.left && !s.away() {
			v.Peers = append(v.Peers, p)
		}
	}
	v.Usual = c.usual.quantile()
	v.Crowd = c.crowdLocked(&v, now)
	if v.Crowd != nil {
		v.Crowd.Audit = c.auditLocked(now)
	}
	c.pace.alone(c.soloOctets, c.soloTime)
	c.mu.Unlock()

	proven := c.provenMeter.readBefore(open, now)
	v.PeerSecond = proven.second
	if !proven.first.IsZero() {
		v.PeerSince = proven.first.Sub(fl.start)
	}
	if v.Origin.Open && v.Now-v.Origin.Since >= time.Second {
		c.pace.learn(v.Now, origin, total)
	}
	v.Origin.Rate = c.pace.rate()
	if v.Crowd != nil {
		v.Crowd.Alone = c.pace.best
		v.Crowd.Doubtful = c.doubtful()
		if c.striping {
			v.PeerSecond = c.fit.read(now).second
		}
	}
	fl.sawRate(max(c.pace.best, origin.rate))
	return v
}

// helped notes how the origin did, up to the last second, when the first octet
// of a peer came.
func (c *crowd) helped(now time.Time) {
	octets := c.originMeter.read(now).second
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.soloTime == 0 {
		c.soloOctets, c.soloTime = octets, max(min(now.Sub(c.begun), time.Second), 1)
	}
}

// originViewLocked is the origin but for its rates.
func (c *crowd) originViewLocked() OriginView {
	fl := c.fl
	o := OriginView{
		Returns: fl.body.returns && !c.noReturn, NotBefore: c.notBefore.Sub(fl.start), LetGo: c.letGone,
	}
	if l := c.lead; l != nil {
		o.Open, o.Until, o.Since = true, l.until, l.since.Sub(fl.start)
		if l.until < 0 {
			o.Until = fl.body.length
		}
	}
	return o
}
