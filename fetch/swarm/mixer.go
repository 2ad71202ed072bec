package swarm

import (
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/host/observedaddrs"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// mixer sees to it that not all connections to public addresses are over TCP. A
// node behind a router learns what that makes of its UDP port by a connection
// over QUIC alone, and can punch no hole for QUIC before it knows. So while
// fewer than as many are open as have to agree (TrustObservers), a dial tries
// QUIC first, and TCP a moment later; but one in two at most, since the same
// holds for TCP, which is better for bulk. The zero value is ready.
type mixer struct {
	mu        sync.Mutex // guards following
	tcp, quic int        // open connections to public addresses
	turns     []turn     // dials that may still become one
	vain      int        // how often in a row QUIC was tried first in vain
	notBefore time.Time  // until when it is not tried again
}

// turn is a dial that tried one of the two first.
type turn struct {
	quic bool
	at   time.Time
}

const (
	// turnLife is how long a dial counts as if it were to succeed: then it has,
	// or has not.
	turnLife = 5 * time.Second
	// vainWait is how long QUIC is not tried first again after that was in vain,
	// as where UDP is filtered; each time twice as long, up to vainDoublings
	// times.
	vainWait      = time.Minute
	vainDoublings = 6
)

// rank is a network.DialRanker.
func (m *mixer) rank(addrs []ma.Multiaddr) []network.AddrDelay {
	if !m.wantsQUIC(addrs, time.Now()) {
		return tcpFirst(addrs)
	}
	var private, public []ma.Multiaddr
	for _, a := range addrs {
		if near(a) {
			private = append(private, a)
		} else {
			public = append(public, a)
		}
	}
	slices.SortStableFunc(public, func(a, b ma.Multiaddr) int { return punchOrder(a) - punchOrder(b) })
	return append(staggered(private, privateStep), spread(public, publicStep)...)
}

// punchOrder is QUIC before TCP, and what is neither last.
func punchOrder(a ma.Multiaddr) int {
	switch c := classOf(a); c {
	case classQUIC6, classQUIC4:
		return int(c - classQUIC6)
	case classOther:
		return int(c)
	default:
		return int(c) + 2
	}
}

func near(a ma.Multiaddr) bool { return manet.IsPrivateAddr(a) || manet.IsIPLoopback(a) }

// wantsQUIC reports whether a dial of addrs is to try QUIC first.
func (m *mixer) wantsQUIC(addrs []ma.Multiaddr, now time.Time) bool {
	has := func(one, other class) bool {
		return slices.ContainsFunc(addrs, func(a ma.Multiaddr) bool {
			return !near(a) && (classOf(a) == one || classOf(a) == other)
		})
	}
	if !has(classQUIC4, classQUIC6) || !has(classTCP4, classTCP6) {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expireLocked(now)
	if now.Before(m.notBefore) {
		return false
	}
	tcp, quic := m.tcp, m.quic
	for _, t := range m.turns {
		if t.quic {
			quic++
		} else {
			tcp++
		}
	}
	if quic >= observedaddrs.ActivationThresh {
		return false // no turn is noted: nothing depends on it
	}
	yes := quic < tcp
	m.turns = append(m.turns, turn{yes, now})
	return yes
}

// expireLocked forgets turns that have come to nothing.
func (m *mixer) expireLocked(now time.Time) {
	m.turns = slices.DeleteFunc(m.turns, func(t turn) bool {
		over := now.Sub(t.at) > turnLife
		if over && t.quic {
			m.notBefore = now.Add(vainWait << min(m.vain, vainDoublings))
			m.vain++
		}
		return over
	})
}

// notifiee counts connections.
func (m *mixer) notifiee() network.Notifiee {
	return &network.NotifyBundle{
		ConnectedF:    func(_ network.Network, c network.Conn) { m.count(c.RemoteMultiaddr(), 1) },
		DisconnectedF: func(_ network.Network, c network.Conn) { m.count(c.RemoteMultiaddr(), -1) },
	}
}

func (m *mixer) count(a ma.Multiaddr, n int) {
	if near(a) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	open, quic := &m.tcp, false
	switch classOf(a) {
	case classQUIC4, classQUIC6:
		open, quic = &m.quic, true
	case classOther:
		return
	}
	*open += n
	if quic && n > 0 {
		m.vain, m.notBefore = 0, time.Time{}
	}
	if i := slices.IndexFunc(m.turns, func(t turn) bool { return t.quic == quic }); n > 0 && i >= 0 {
		m.turns = slices.Delete(m.turns, i, i+1) // it has become this connection
	}
}
