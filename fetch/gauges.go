package fetch

import (
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// Gauges measure one transfer as a crowd does, for whoever drives [Next]
// without a node: the simulator. Times are absolute; any epoch will do but the
// zero time. The zero value is ready. Not safe for concurrent use.
type Gauges struct {
	origin, proven meter
	fits, flow     meter // in a crowd
	flowBest       float64
	pace           pace
	usual          usual
	solo           time.Duration
	soloOctets     int64
}

// Origin counts n octets that came from the origin between from and to.
func (g *Gauges) Origin(n int64, from, to time.Time) { g.origin.addOver(n, from, to) }

// Proven counts n octets of peers, that came between from and to, as proven.
func (g *Gauges) Proven(n int64, from, to time.Time) { g.proven.addOver(n, from, to) }

// Fits counts n octets of peers that came at now and are what their sender
// committed to, proven or not.
func (g *Gauges) Fits(n int64, now time.Time) { g.fits.add(n, now) }

// Appeared counts n octets of pieces that nobody known had before now.
func (g *Gauges) Appeared(n int64, now time.Time) { g.flow.add(n, now) }

// Took notes how long an order took for each of its pieces.
func (g *Gauges) Took(perPiece time.Duration) { g.usual.add(perPiece) }

// Helped notes that the first octet of a peer came at now, to a transfer whose
// header fields were in at begun.
func (g *Gauges) Helped(begun, now time.Time) {
	if g.solo == 0 {
		g.soloOctets = g.origin.read(now).second
		g.solo = max(min(now.Sub(begun), time.Second), 1)
	}
}

// Drip is what a reader gets at a time who waits in a crowd of so many members.
func (g *Gauges) Drip(members int) int64 { return DripSize(members, g.flowBest) }

// Fill sets in v what is measured, as seen at now. start is the beginning of
// the flight; open is when the first octet came that is not proven yet, now if
// all is. What v says of peers, of Now, of Origin.Open and Since, and of Crowd
// but for its rates, must be set.
func (g *Gauges) Fill(v *View, start, open, now time.Time) {
	origin := g.origin.read(now)
	v.Origin.Second = origin.second
	total := float64(origin.second)
	for _, p := range v.Peers {
		total += float64(p.Second)
	}
	v.Usual = g.usual.quantile()
	g.pace.alone(g.soloOctets, g.solo)
	proven := g.proven.readBefore(open, now)
	v.PeerSecond, v.PeerSince = proven.second, -1
	if !proven.first.IsZero() {
		v.PeerSince = proven.first.Sub(start)
	}
	if v.Origin.Open && v.Now-v.Origin.Since >= time.Second {
		g.pace.learn(v.Now, origin, total)
	}
	v.Origin.Rate = g.pace.rate()
	if v.Crowd != nil {
		g.flowBest = max(g.flowBest, float64(g.flow.read(now).second))
		v.Crowd.Flow, v.Crowd.Alone = g.flowBest, g.pace.best
		if v.Crowd.Striping {
			v.PeerSecond = g.fits.read(now).second
		}
	}
}

// PeerGauge measures what one peer sends. The zero value is ready. Not safe
// for concurrent use.
type PeerGauge struct{ m meter }

// Came counts n octets that came between from and to.
func (g *PeerGauge) Came(n int64, from, to time.Time) { g.m.addOver(n, from, to) }

// Fill sets in v what is measured, as seen at now; known is the peer's rate in
// earlier flights.
func (g *PeerGauge) Fill(v *PeerView, known float64, start, now time.Time) {
	r := g.m.read(now)
	v.Second, v.Rate = r.second, r.rate
	if r.at.IsZero() {
		v.Rate = known
	} else {
		v.Heard = r.at.Sub(start)
	}
}

// CommonPieces returns the pieces for which two lists of one digest say the
// same: a peer of one camp may deliver those to the other.
func CommonPieces(a, b *verify.StateList) Pieces { return commonPieces(a, b) }
