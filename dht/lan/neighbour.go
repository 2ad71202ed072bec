package lan

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	kb "github.com/libp2p/go-libp2p-kbucket"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

const (
	// neighbourTTL is how long a neighbour is believed to be there without a
	// sign of it: two rounds of mDNS.
	neighbourTTL = 5 * time.Minute
	// maxAddrs of one neighbour are kept.
	maxAddrs = 8
	// maxFailures in a row make a neighbour one that has left.
	maxFailures = 3
)

// neighbour is a node that said it is on this network.
type neighbour struct {
	addrs    []ma.Multiaddr
	seen     time.Time
	greet    time.Time // when to connect to it, unless it is connected
	failures int
}

// Met tells r of a node that may be a neighbour. It is one if an address of it
// is on a network that this machine is attached to.
func (r *Router) Met(ai peer.AddrInfo) {
	if ai.ID == r.cfg.Host.ID() || ai.ID.Validate() != nil {
		return
	}
	var near []ma.Multiaddr
	nets := attached()
	for _, a := range ai.Addrs {
		if transport, _ := peer.SplitAddr(a); len(near) < maxAddrs && onLink(transport, nets) {
			near = append(near, transport)
		}
	}
	if len(near) == 0 {
		return
	}
	r.mu.Lock()
	now := time.Now()
	n, known := r.neighbours[ai.ID]
	if !known {
		n.greet = r.turn(ai.ID, now)
	}
	if known || r.roomLocked() {
		r.neighbours[ai.ID] = neighbour{addrs: near, seen: now, greet: n.greet}
	}
	r.mu.Unlock()
	select {
	case r.fresh <- struct{}{}:
	default:
	}
	r.cfg.Host.Peerstore().AddAddrs(ai.ID, near, neighbourTTL)
	if !known {
		r.cfg.Logger.Debug("neighbour", "peer", ai.ID)
	}
}

// roomLocked reports whether one more neighbour may be known. Those that have
// not been seen for long make room; others do not, so that names which
// somebody invents do not push real ones out.
func (r *Router) roomLocked() bool {
	if len(r.neighbours) < maxNeighbours {
		return true
	}
	for p, n := range r.neighbours {
		if time.Since(n.seen) > neighbourTTL {
			delete(r.neighbours, p)
		}
	}
	return len(r.neighbours) < maxNeighbours
}

// heard notes how a question to p went. An answer proves more than a packet
// does; a neighbour that fails again and again has left.
func (r *Router) heard(ctx context.Context, p peer.ID, err error) {
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.neighbours[p]
	if !ok {
		return
	}
	if err == nil {
		n.failures, n.seen = 0, time.Now()
	} else if n.failures++; n.failures >= maxFailures {
		delete(r.neighbours, p)
		return
	}
	r.neighbours[p] = n
}

// Neighbours returns how many are known.
func (r *Router) Neighbours() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.neighbours)
}

// pick returns the neighbours to ask for key. Where there are too many, it is
// those whose IDs are closest to key: all nodes ask the same ones, so that the
// members among them become known to all.
func (r *Router) pick(key string) []peer.ID {
	r.mu.Lock()
	var ids []peer.ID
	for p, n := range r.neighbours {
		if time.Since(n.seen) <= neighbourTTL || r.connected(p) {
			ids = append(ids, p)
		}
	}
	r.mu.Unlock()
	if len(ids) > maxAsked {
		ids = kb.SortClosestPeers(ids, kb.ConvertKey(key))[:maxAsked]
	}
	return ids
}

func (r *Router) connected(p peer.ID) bool {
	return r.cfg.Host.Network().Connectedness(p) == network.Connected
}

// member returns p as it is dialled.
func (r *Router) member(p peer.ID) dht.Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := dht.Member{ID: p.String()}
	for _, a := range r.neighbours[p].addrs {
		m.Addrs = append(m.Addrs, a.String())
	}
	return m
}

// attached returns the networks that this machine is attached to.
func attached() []netip.Prefix {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var nets []netip.Prefix
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			nets = append(nets, p.Masked())
		}
	}
	return nets
}

// onLink reports whether a is an IP address within one of nets, over TCP or
// QUIC and not by way of a relay.
func onLink(a ma.Multiaddr, nets []netip.Prefix) bool {
	if len(a) == 0 {
		return false
	}
	ip, err := manet.ToIP(a)
	if err != nil {
		return false
	}
	if _, err := a.ValueForProtocol(ma.P_CIRCUIT); err == nil {
		return false
	}
	addr, ok := netip.AddrFromSlice(ip)
	addr = addr.Unmap()
	return ok && !addr.IsMulticast() && !addr.IsUnspecified() &&
		slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(addr) })
}
