package stack

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/testnet/crowd"
)

// Tolerance is how far two rehearsals of one seed may be apart, as a share of
// makespan and of origin copies.
const Tolerance = 0.1

// MaxNodes is what one rehearsal may have: more do not fit into the memory of a
// usual machine.
const MaxNodes = 200

// world is one rehearsal in a bubble.
type world struct {
	cfg     crowd.Scenario
	swarmed bool
	net     internet
	origin  *origin
	files   []*object
	size    float64 // of all
	dice    *rand.Rand
	people  []*visitor
	boot    []peer.AddrInfo

	start                  time.Time // of the crowd
	bodies                 sync.WaitGroup
	wrong                  atomic.Int64
	fromOrigin, fromPeers  atomic.Int64
	originRates, peerRates []float64
}

// visitor is one of the crowd, and the node that works for it; or a liar.
type visitor struct {
	w      *world
	index  int
	at     time.Duration
	liar   bool
	sim    *host
	node   *node
	others []*node // further identities of a liar
	leaves time.Duration
	dice   *rand.Rand

	mu        sync.Mutex // guards following
	firstByte time.Duration
	done      time.Duration
	left      bool
	before    int64 // octets on its uplink when the crowd came
}

// rehearse plays s with and without the swarm. It must be called in a bubble.
func rehearse(ctx context.Context, s crowd.Scenario) (crowd.Result, error) {
	s = s.WithDefaults()
	if err := s.Validate(); err != nil {
		return crowd.Result{}, err
	}
	if s.Nodes > MaxNodes {
		return crowd.Result{}, fmt.Errorf("%w: the stack engine takes up to %d nodes", crowd.ErrScenario, MaxNodes)
	}
	direct, err := play(ctx, s, false)
	if err != nil {
		return crowd.Result{}, err
	}
	r, err := play(ctx, s, true)
	if err != nil {
		return crowd.Result{}, err
	}
	r.SetDirect(direct)
	return r, r.Check(s.Assert)
}

func play(ctx context.Context, s crowd.Scenario, swarmed bool) (_ crowd.Result, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &world{cfg: s, swarmed: swarmed, dice: rand.New(rand.NewPCG(s.Seed, 1))}
	if err := w.build(); err != nil {
		return crowd.Result{}, err
	}
	defer func() {
		cancel()
		err = errors.Join(err, w.close())
	}()
	if swarmed {
		if err := w.startNodes(ctx); err != nil {
			return crowd.Result{}, err
		}
	}
	w.run(ctx)
	return w.result(), ctx.Err()
}

// build makes lines, origin and who is who.
func (w *world) build() (err error) {
	s := w.cfg
	half := func() time.Duration { return time.Duration(float64(s.Peers.RTT) / 4 * (.5 + w.dice.Float64())) }
	const infinite = 1e12 // nobody sends much to the origin
	site := w.net.host(addressOf(0), float64(s.Origin.Up)/8, infinite, s.Peers.RTT/4)
	sizes := s.Sizes(rand.New(rand.NewPCG(s.Seed, 3)))
	for _, size := range sizes {
		w.size += float64(size)
	}
	if w.origin, w.files, err = startOrigin(site, s.Origin, sizes, s.Seed<<8); err != nil {
		return err
	}
	times := s.Arrival.Times(s.Nodes, rand.New(rand.NewPCG(s.Seed, 2)))
	role := w.dice.Perm(s.Nodes)
	for i, at := range times {
		v := &visitor{w: w, index: i, at: at, liar: role[i] < s.LiarCount(), firstByte: -1, done: -1}
		v.dice = rand.New(rand.NewPCG(s.Seed, uint64(1000+i)))
		up := float64(s.Peers.Up) / 8
		if v.liar && s.Peers.Liars.Kind == crowd.Trickle {
			up = trickleRate
		}
		v.sim = w.net.host(addressOf(i+1), up, float64(s.Peers.Down)/8, half())
		v.sim.nat = role[s.Nodes-1-i] < int(s.Peers.NAT*float64(s.Nodes)+.5)
		w.people = append(w.people, v)
	}
	bound := w.bound()
	for _, v := range w.people {
		if churns := w.dice.Float64() < s.Peers.Churn; churns && !v.liar {
			v.leaves = v.at + time.Duration(w.dice.Float64()*2*float64(bound))
		}
	}
	return nil
}

func (w *world) bound() time.Duration {
	var lines []crowd.Line
	for _, v := range w.people {
		if !v.liar {
			lines = append(lines, crowd.Line{At: v.at, Up: v.sim.up.rate, Down: v.sim.down.rate})
		}
	}
	return crowd.Bound(w.size, w.origin.host.up.rate, lines)
}

// settleTime is how long nodes are up before the crowd comes: they know each
// other by then.
const settleTime = 30 * time.Second

// startNodes starts the nodes of all, which join by the first that can be
// dialled.
func (w *world) startNodes(ctx context.Context) error {
	first := 0
	for i, v := range w.people {
		if !v.sim.nat && !v.liar {
			first = i
			break
		}
	}
	if err := w.startNode(ctx, w.people[first]); err != nil {
		return err
	}
	w.boot = []peer.AddrInfo{w.people[first].node.info()}
	for i, v := range w.people {
		if i == first {
			continue
		}
		if err := w.startNode(ctx, v); err != nil {
			return err
		}
	}
	return pause(ctx, settleTime)
}

func (w *world) startNode(ctx context.Context, v *visitor) (err error) {
	seed := w.cfg.Seed<<16 + uint64(v.index)<<4
	var shelf fetch.Shelf
	if v.liar {
		if shelf, err = newLies(ctx, w.cfg.Peers.Liars.Kind, v.index, w.files); err != nil {
			return err
		}
	}
	if v.node, err = startNode(ctx, v.sim, firstPort, seed, w.boot, shelf); err != nil {
		return err
	}
	for i := 1; v.liar && w.cfg.Peers.Liars.Kind == crowd.Sybil && i < sybilIdentities; i++ {
		other, err := startNode(ctx, v.sim, firstPort+i, seed+uint64(i), w.boot, shelf)
		if err != nil {
			return err
		}
		v.others = append(v.others, other)
	}
	return nil
}

// sampleEvery is the step of the series.
const sampleEvery = 100 * time.Millisecond

// run lets the crowd come, and returns when everybody is done.
func (w *world) run(ctx context.Context) {
	w.start = time.Now()
	w.origin.begin()
	for _, v := range w.people {
		v.before = v.sim.up.carried()
		if v.liar {
			w.bodies.Go(func() { v.lie(ctx) })
		}
	}
	sampling, stop := context.WithCancel(ctx)
	var sampler, all sync.WaitGroup
	sampler.Go(func() { w.sample(sampling) })
	for _, v := range w.people {
		if !v.liar {
			all.Go(func() { v.visit(ctx) })
		}
	}
	all.Wait()
	stop()
	sampler.Wait()
}

// lie announces a liar as a member of every crowd.
func (v *visitor) lie(ctx context.Context) {
	if v.node == nil || pause(ctx, v.at) != nil {
		return
	}
	for _, n := range append([]*node{v.node}, v.others...) {
		for _, f := range v.w.files {
			if id, err := f.id(); err == nil {
				v.w.bodies.Go(func() { join(ctx, n, id) })
			}
		}
	}
}

func join(ctx context.Context, n *node, id dht.ID) {
	for range n.router.Join(ctx, id.Key()) { // until the announcement is out
	}
}

// sample notes how much is on its way.
func (w *world) sample(ctx context.Context) {
	var origin, peers int64
	for pause(ctx, sampleEvery) == nil {
		o, p := w.origin.host.up.carried(), w.given()
		w.originRates = append(w.originRates, float64(o-origin)/sampleEvery.Seconds())
		w.peerRates = append(w.peerRates, float64(p-peers)/sampleEvery.Seconds())
		origin, peers = o, p
	}
}

func (w *world) given() (sum int64) {
	for _, v := range w.people {
		if v.node != nil {
			sum += v.node.given.Load()
		}
	}
	return sum
}

// close ends all nodes and the origin.
func (w *world) close() error {
	var errs []error
	for _, v := range w.people {
		for _, n := range append(v.others, v.node) {
			if n != nil {
				errs = append(errs, n.close())
			}
		}
	}
	w.bodies.Wait()
	w.origin.close()
	for _, h := range w.net.hosts {
		h.unplug()
	}
	// Readers that wait for a moment before they read again learn of it then:
	// time stands still once this goroutine has ended.
	time.Sleep(time.Second)
	return errors.Join(errs...)
}

// result tells what came of it.
func (w *world) result() crowd.Result {
	r := crowd.Result{
		Engine: "stack", Scenario: w.cfg.Name, Seed: w.cfg.Seed, Nodes: w.cfg.Nodes, Liars: w.cfg.LiarCount(),
		Bound: crowd.Is(w.bound()), OriginCopies: float64(w.origin.host.up.carried()) / w.size, OriginRequests: int(w.origin.requests.Load()),
		WrongBytes: w.wrong.Load(), FromOrigin: w.fromOrigin.Load(), FromPeers: w.fromPeers.Load(), AssertFailed: []string{},
	}
	var visits []crowd.Visit
	var uploads []float64
	liars, banned := map[string]bool{}, map[string]bool{}
	for _, v := range w.people {
		if v.liar && v.node != nil {
			liars[v.node.peer.ID().String()] = true
		}
		if v.liar {
			continue
		}
		visits = append(visits, crowd.Visit{At: v.at, FirstByte: v.firstByte, Done: v.done, Left: v.left && v.done < 0})
		if v.node == nil {
			continue
		}
		given := v.node.given.Load()
		uploads = append(uploads, float64(given))
		r.ControlBytes += max(v.sim.up.carried()-v.before-given, 0)
		for _, lie := range v.node.swarm.Bans() {
			banned[lie.Peer] = true
		}
	}
	for id := range banned {
		if liars[id] {
			r.LiarsBanned++
		} else {
			r.HonestBanned++
		}
	}
	r.Fairness = crowd.Jain(uploads)
	r.Tell(visits)
	r.Trace.Step, r.Trace.Origin, r.Trace.Peers = sampleEvery, w.originRates, w.peerRates
	return r
}
