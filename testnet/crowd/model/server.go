package model

import (
	"errors"
	"math"
	"time"

	"github.com/flashcrowd/flashcrowd/testnet/crowd"
)

// What a web server may say instead of a body.
var (
	errRefused = errors.New("refused: come again later") // 429 or 503
	errDead    = errors.New("connection refused")
	errCut     = errors.New("connection reset")
)

// retryAfter is what a refusal asks for.
const retryAfter = 5 * time.Second

// server is the origin.
type server struct {
	w        *world
	cfg      crowd.Origin
	up       *link
	busy     time.Duration // until when it works on earlier requests
	open     int           // connections that are being served
	requests int
	sent     float64 // body octets
	bodies   map[*download]bool
	order    []*download // of bodies, in the order of their beginning
}

// download is one response of the server. Whoever asked for it calls drop when
// it wants no more.
type download struct {
	s       *server
	n       *node
	flow    *flow
	ended   bool
	started func()                                       // the header fields are in
	sink    func(octets float64, from, to time.Duration) // body octets came
	mark    func()                                       // the flow's mark was reached
	fail    func(error)                                  // no body, or no more of it
}

func newServer(w *world, cfg crowd.Origin) *server {
	s := &server{w: w, cfg: cfg, up: newLine(float64(cfg.Up) / 8), bodies: map[*download]bool{}}
	if cfg.DiesAt > 0 {
		w.clock.after(cfg.DiesAt, s.die)
	}
	return s
}

func (s *server) dead() bool { return s.cfg.DiesAt > 0 && s.w.clock.now >= s.cfg.DiesAt }

// get asks for a body, of which octets are to come before the first mark.
func (s *server) get(d *download, octets float64) {
	d.s = s
	trip := s.w.rtt(d.n, nil)
	connect := trip // of a new connection
	if d.n.idle > 0 {
		d.n.idle--
		connect = 0
	}
	s.w.clock.after(connect+trip/2, func() { s.arrive(d, octets, trip/2) })
}

// arrive is a request at the server. back is how long the answer travels.
func (s *server) arrive(d *download, octets float64, back time.Duration) {
	if d.ended {
		return
	}
	if s.dead() {
		s.w.clock.after(back, func() { d.end(errDead) })
		return
	}
	s.requests++
	a := s.cfg.RefuseAfter
	over := a.Time > 0 && s.w.clock.now >= a.Time || a.Octets > 0 && s.sent >= float64(a.Octets)
	if over || s.cfg.MaxConnections > 0 && s.open >= s.cfg.MaxConnections {
		s.w.clock.after(back, func() { d.end(errRefused) })
		return
	}
	s.open++
	s.busy = max(s.busy, s.w.clock.now) + s.cfg.PerRequest
	s.bodies[d] = true
	if s.cfg.DiesAt > 0 {
		s.order = append(s.order, d)
	}
	s.w.clock.after(s.busy-s.w.clock.now+back, func() { s.begin(d, octets) })
}

func (s *server) begin(d *download, octets float64) {
	if d.ended {
		return
	}
	count := func(n float64, from, to time.Duration) {
		s.count(n, from, to)
		d.sink(n, from, to)
	}
	d.flow = s.w.net.open(s.up, d.n.down, max(octets, math.SmallestNonzeroFloat64), count, func() { d.mark() })
	d.started()
}

func (s *server) count(octets float64, from, to time.Duration) {
	s.sent += octets
	s.w.fromOrigin.add(octets, from, to)
}

// drop ends a download. In the middle of a body the server learns of it a
// round trip later; what it sends until then is for nothing. whole: the body
// ended by itself, and the connection is free for another request.
func (d *download) drop(whole bool) {
	if d.ended {
		return
	}
	d.ended = true
	if !d.s.bodies[d] {
		return // not at the server yet, or refused
	}
	if whole {
		d.n.idle++
		d.flow.close()
		d.s.leave(d)
		return
	}
	trip := d.s.w.rtt(d.n, nil)
	if d.flow != nil {
		d.flow.abandon(trip, d.s.count)
	}
	d.s.w.clock.after(trip, func() { d.s.leave(d) })
}

func (d *download) end(err error) {
	if d.ended {
		return
	}
	d.ended = true
	if d.flow != nil {
		d.flow.close()
	}
	if d.s.bodies[d] {
		d.s.leave(d)
	}
	d.fail(err)
}

func (s *server) leave(d *download) {
	if s.bodies[d] {
		delete(s.bodies, d)
		s.open--
	}
}

// die ends all responses at once.
func (s *server) die() {
	for _, d := range s.order {
		if s.bodies[d] {
			d.end(errCut)
		}
	}
	s.order = nil
}
