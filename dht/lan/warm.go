package lan

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Neighbours are connected to before anything is wanted. A handshake takes
// milliseconds of two processors: a room of thirty who all want the same thing
// at one moment would shake hands for seconds, each alone with the origin.
const (
	// maxWarm connections to neighbours are enough: more are made as questions
	// need them.
	maxWarm = 64
	// warmStep is the time between two handshakes that this node begins, so
	// that a room that is switched on at once stays calm.
	warmStep = 100 * time.Millisecond
	// warmTurn is how long the node of the higher ID leaves it to the other
	// one, so that two who meet do not dial each other at the same moment.
	warmTurn = 3 * time.Second
	// warmAgain is how often a neighbour that does not answer is tried, and how
	// long it takes at most until one whose connection was lost is.
	warmAgain = 30 * time.Second
	// warmTag keeps these connections, where there are too many, a little
	// longer than strangers'.
	warmTag, warmWeight = "flashcrowd/neighbour", 10
)

// warm connects to neighbours, one after the other, until ctx is done.
func (r *Router) warm(ctx context.Context) {
	for ctx.Err() == nil {
		p, wait := r.cold(time.Now())
		if p == "" {
			t := time.NewTimer(wait)
			select {
			case <-r.fresh:
			case <-t.C:
			case <-ctx.Done():
			}
			t.Stop()
			continue
		}
		r.greet(ctx, p)
		sleep(ctx, warmStep)
	}
}

// greet connects to p.
func (r *Router) greet(ctx context.Context, p peer.ID) {
	one, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	err := r.cfg.Host.Connect(one, r.info(p))
	r.heard(ctx, p, err)
	if err != nil {
		return
	}
	r.cfg.Host.ConnManager().TagPeer(p, warmTag, warmWeight)
	r.mu.Lock()
	defer r.mu.Unlock()
	if n, known := r.neighbours[p]; known {
		n.greet = time.Now().Add(warmTurn)
		r.neighbours[p] = n
	}
}

// info returns p as it is dialled.
func (r *Router) info(p peer.ID) peer.AddrInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	return peer.AddrInfo{ID: p, Addrs: r.neighbours[p].addrs}
}

// cold returns a neighbour to connect to now, whose turn then is over, or how
// long there is none as far as is known.
func (r *Router) cold(now time.Time) (next peer.ID, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	warm, wait := 0, warmAgain
	for p, n := range r.neighbours {
		if r.connected(p) {
			warm++
			continue
		}
		if now.Sub(n.seen) > neighbourTTL {
			continue
		}
		if due := n.greet.Sub(now); due > 0 {
			wait = min(wait, due)
		} else if next == "" || n.greet.Before(r.neighbours[next].greet) {
			next = p
		}
	}
	if next == "" || warm >= maxWarm {
		return "", wait
	}
	n := r.neighbours[next]
	n.greet = now.Add(warmAgain)
	r.neighbours[next] = n
	return next, 0
}

// turn returns when this node greets p, whom it has met now.
func (r *Router) turn(p peer.ID, now time.Time) time.Time {
	if r.cfg.Host.ID() < p {
		return now
	}
	return now.Add(warmTurn)
}
