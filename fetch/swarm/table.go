package swarm

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// remote is what is remembered of one peer with which something was exchanged.
type remote struct {
	id peer.ID
	// out has an element for each stream to the peer that is in use.
	out chan struct{}
	// Octets of bodies in either direction.
	bytesFrom, bytesTo atomic.Int64

	// The table's mu guards following.
	//
	// streams are all that are open, of both directions. One that the peer
	// opened has the time since when it waits for a request, the others zero.
	streams map[network.Stream]time.Time
	idle    []*line // open to the peer and not in use, oldest first
	inbound int
	users   int // requests under way; the peer is not forgotten before they end
	used    time.Time
	rtt     time.Duration // smoothed; 0 when never measured
	slow    string        // why the last request failed; empty when it did not
}

// table is the peers that are remembered. A peer is forgotten peerLife after
// its last use, and earlier when there are too many.
type table struct {
	limits Limits

	mu      sync.Mutex // guards following, and the fields of each remote
	peers   map[peer.ID]*remote
	inbound int
	closed  bool
}

func newTable(l Limits) *table {
	return &table{limits: l, peers: make(map[peer.ID]*remote)}
}

// use returns the record of peer id, made if there is none, which stays until
// the caller calls done. It fails with ErrBusy when all that may be remembered
// are in use, and with ErrClosed.
func (t *table) use(id peer.ID) (*remote, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.useLocked(id)
}

func (t *table) useLocked(id peer.ID) (*remote, error) {
	if t.closed {
		return nil, ErrClosed
	}
	r := t.peers[id]
	if r == nil {
		if len(t.peers) >= t.limits.Peers && !t.forgetOldestLocked() {
			return nil, ErrBusy
		}
		r = &remote{
			id: id, out: make(chan struct{}, t.limits.StreamsOut),
			streams: make(map[network.Stream]time.Time),
		}
		t.peers[id] = r
	}
	r.users++
	r.used = time.Now()
	return r, nil
}

// done ends what use began.
func (t *table) done(r *remote) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.users--
	r.used = time.Now()
}

// judge notes how the last request to r went: slow says why the peer
// disappointed, and is empty when it did not.
func (t *table) judge(r *remote, slow string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.slow = slow
}

func (t *table) forgetOldestLocked() bool {
	var oldest *remote
	for _, r := range t.peers {
		if r.users == 0 && len(r.streams) == 0 && (oldest == nil || r.used.Before(oldest.used)) {
			oldest = r
		}
	}
	if oldest == nil {
		return false
	}
	delete(t.peers, oldest.id)
	return true
}

// enter counts a stream that peer id opened. It is false when the stream must
// be reset; otherwise the caller calls leave at its end. When there are too
// many, the one that has waited longest for a request must make room: the
// caller resets crowdedOut, if it is not nil.
func (t *table) enter(id peer.ID, st network.Stream) (_ *remote, crowdedOut network.Stream, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.peers[id]; r != nil && r.inbound >= t.limits.StreamsIn {
		return nil, nil, false
	}
	r, err := t.useLocked(id)
	if err != nil {
		return nil, nil, false
	}
	if t.inbound >= t.limits.InboundAll {
		if crowdedOut = t.longestWaitLocked(); crowdedOut == nil {
			r.users--
			return nil, nil, false
		}
	}
	t.inbound++
	r.inbound++
	r.streams[st] = time.Now()
	return r, crowdedOut, true
}

// longestWaitLocked returns the inbound stream that has waited longest for a
// request, nil when none waits, and forgets it.
func (t *table) longestWaitLocked() network.Stream {
	var from *remote
	var longest network.Stream
	var since time.Time
	for _, r := range t.peers {
		for st, at := range r.streams {
			if !at.IsZero() && (longest == nil || at.Before(since)) {
				from, longest, since = r, st, at
			}
		}
	}
	if longest != nil {
		delete(from.streams, longest)
	}
	return longest
}

// waits notes that st, which r opened, waits for a request, or no more.
func (t *table) waits(r *remote, st network.Stream, waits bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, open := r.streams[st]; !open {
		return
	}
	r.streams[st] = time.Time{}
	if waits {
		r.streams[st] = time.Now()
	}
}

func (t *table) leave(r *remote, st network.Stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inbound--
	r.inbound--
	r.users--
	r.used = time.Now()
	delete(r.streams, st)
}

// add counts a stream that this node opened to r; it is false when the swarm
// was closed meanwhile.
func (t *table) add(r *remote, st network.Stream) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	r.streams[st] = time.Time{}
	return true
}

// remove ends what add began.
func (t *table) remove(r *remote, st network.Stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(r.streams, st)
}

// takeIdle returns the idle stream that was used last, nil when there is none.
func (t *table) takeIdle(r *remote) *line {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(r.idle)
	if n == 0 {
		return nil
	}
	l := r.idle[n-1]
	r.idle = r.idle[:n-1]
	return l
}

// putIdle keeps l for a later request. It is false when there are enough.
func (t *table) putIdle(r *remote, l *line) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(r.idle) >= maxIdleStreams {
		return false
	}
	l.idleSince = time.Now()
	r.idle = append(r.idle, l)
	return true
}

// expire forgets what is too old and returns the streams that have idled for
// long, for the caller to close.
func (t *table) expire(now time.Time) []*line {
	t.mu.Lock()
	defer t.mu.Unlock()
	var old []*line
	for id, r := range t.peers {
		for len(r.idle) > 0 && now.Sub(r.idle[0].idleSince) >= idleStreamLife {
			old = append(old, r.idle[0])
			r.idle = r.idle[1:]
		}
		if r.users == 0 && len(r.streams) == 0 && now.Sub(r.used) >= peerLife {
			delete(t.peers, id)
		}
	}
	return old
}

// streamsOf returns all streams from and to peer id, for the caller to reset,
// and forgets which of them idle.
func (t *table) streamsOf(id peer.ID) []network.Stream {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.peers[id]; r != nil {
		return r.streamsLocked()
	}
	return nil
}

func (r *remote) streamsLocked() []network.Stream {
	var all []network.Stream
	for st := range r.streams {
		all = append(all, st)
	}
	for _, l := range r.idle {
		delete(r.streams, l.st)
	}
	r.idle = nil
	return all
}

// close makes the table refuse everything and returns all streams, for the
// caller to reset.
func (t *table) close() []network.Stream {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	var all []network.Stream
	for _, r := range t.peers {
		all = append(all, r.streamsLocked()...)
	}
	return all
}

// trip returns how long a round trip to r takes, 0 when that is not known.
func (t *table) trip(r *remote) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return r.rtt
}

// measured takes a round trip to r into account.
func (t *table) measured(r *remote, trip time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.rtt == 0 {
		r.rtt = trip
	} else {
		r.rtt += (trip - r.rtt) / 8 // RFC 6298 section 2
	}
}
