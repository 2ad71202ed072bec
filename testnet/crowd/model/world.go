package model

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/flashcrowd/flashcrowd/testnet/crowd"
)

// horizon is when a rehearsal ends at the latest.
const horizon = 48 * time.Hour

// world is one rehearsal: everything in it runs on one goroutine.
type world struct {
	cfg     crowd.Scenario
	swarmed bool // false: everybody goes direct
	clock   *clock
	net     *network
	server  *server
	objects []*object
	nodes   []*node
	members [][]*member // of each object, in the order of their announcements
	dice    *rand.Rand
	left    int // downloaders that are not done

	fromOrigin, fromPeers *series
	control               int64 // octets
	wrong                 int64
	readOrigin, readPeers int64
	size                  float64 // of all objects
}

// The streams of random numbers: one cannot shift another.
const (
	diceArrival = iota + 1
	diceNodes
	diceObjects
	diceRun
)

func seeded(seed, stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }

// Play rehearses s, with and without the swarm. Errors are those of s and ctx.
func Play(ctx context.Context, s crowd.Scenario) (crowd.Result, error) {
	s = s.WithDefaults()
	if err := s.Validate(); err != nil {
		return crowd.Result{}, err
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

func play(ctx context.Context, s crowd.Scenario, swarmed bool) (crowd.Result, error) {
	w, err := newWorld(s, swarmed)
	if err != nil {
		return crowd.Result{}, err
	}
	if err := w.run(ctx); err != nil {
		return crowd.Result{}, err
	}
	return w.result(), nil
}

func newWorld(s crowd.Scenario, swarmed bool) (*world, error) {
	w := &world{cfg: s, swarmed: swarmed, clock: &clock{}, dice: seeded(s.Seed, diceRun)}
	w.net = &network{clock: w.clock}
	w.fromOrigin, w.fromPeers = newSeries(), newSeries()
	w.server = newServer(w, s.Origin)
	if err := w.makeObjects(); err != nil {
		return nil, err
	}
	w.makeNodes()
	return w, nil
}

func (w *world) makeObjects() error {
	r := seeded(w.cfg.Seed, diceObjects)
	for i, size := range w.cfg.Sizes(r) {
		o, err := newObject(i, size, w.cfg.Origin.Digest, r)
		if err != nil {
			return err
		}
		w.objects = append(w.objects, o)
		w.size += float64(size)
	}
	w.members = make([][]*member, len(w.objects))
	return nil
}

// makeNodes draws who is who and sets their arrivals.
func (w *world) makeNodes() {
	s, r := w.cfg, seeded(w.cfg.Seed, diceNodes)
	times := s.Arrival.Times(s.Nodes, seeded(s.Seed, diceArrival))
	role := r.Perm(s.Nodes)
	for i, at := range times {
		n := w.newNode(i, at, r)
		n.liar = w.swarmed && role[i] < s.LiarCount()
		n.nat = role[s.Nodes-1-i] < int(s.Peers.NAT*float64(s.Nodes)+.5)
		if role[i] < s.LiarCount() && !w.swarmed {
			continue // nobody for the direct crowd
		}
		w.nodes = append(w.nodes, n)
		if !n.liar {
			w.left++
		}
	}
	bound := w.bound()
	for _, n := range w.nodes {
		if churns := r.Float64() < s.Peers.Churn; churns && !n.liar {
			n.leaves = n.at + time.Duration(r.Float64()*2*float64(bound))
			w.clock.after(n.leaves, n.leave)
		}
		w.clock.after(n.at, n.arrive)
	}
}

func (w *world) bound() time.Duration { return crowd.Bound(w.size, w.server.up.rate/frame, w.lines()) }

// lines of all who want the file.
func (w *world) lines() (lines []crowd.Line) {
	for _, n := range w.nodes {
		if !n.liar {
			lines = append(lines, crowd.Line{At: n.at, Up: n.up.rate / frame, Down: n.down.rate / frame})
		}
	}
	return lines
}

// rtt between two nodes; b nil is the origin.
func (w *world) rtt(a, b *node) time.Duration {
	if b == nil {
		return a.delay + w.cfg.Peers.RTT/2
	}
	return a.delay + b.delay
}

// run lets time pass until every downloader is done.
func (w *world) run(ctx context.Context) error {
	for w.left > 0 && len(w.clock.heap) > 0 && w.clock.now < horizon {
		w.clock.next().do()
		if !w.clock.due() {
			w.net.settle()
		}
		if w.clock.done%8192 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// result tells what came of it.
func (w *world) result() crowd.Result {
	r := crowd.Result{
		Engine: "model", Scenario: w.cfg.Name, Seed: w.cfg.Seed, Nodes: w.cfg.Nodes, Liars: w.cfg.LiarCount(),
		Bound: crowd.Is(w.bound()), OriginCopies: w.server.sent / w.size, OriginRequests: w.server.requests,
		ControlBytes: w.control, WrongBytes: w.wrong, FromOrigin: w.readOrigin, FromPeers: w.readPeers,
		AssertFailed: []string{},
	}
	var visits []crowd.Visit
	var uploads []float64
	liars, honest := map[*node]bool{}, map[*node]bool{}
	for _, n := range w.nodes {
		if n.liar {
			continue
		}
		visits = append(visits, crowd.Visit{At: n.at, FirstByte: n.firstByte, Done: n.doneAt, Left: n.gone})
		uploads = append(uploads, n.uploaded)
		for b := range n.banned {
			if b.liar {
				liars[b] = true
			} else {
				honest[b] = true
			}
		}
	}
	r.LiarsBanned, r.HonestBanned, r.Fairness = len(liars), len(honest), crowd.Jain(uploads)
	r.Tell(visits)
	step := max(w.fromOrigin.step, w.fromPeers.step)
	r.Trace.Step, r.Trace.Origin, r.Trace.Peers = step, w.fromOrigin.rates(step), w.fromPeers.rates(step)
	return r
}
