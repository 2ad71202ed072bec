package kad

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Connectivity is what stands between this node and its network.
type Connectivity string

// The states, from worst to best.
const (
	// Offline: this machine has no address but its own.
	Offline Connectivity = "offline"
	// Captive: somebody else answers where nodes ought to, as the portal of a
	// hotel does before one has logged in.
	Captive Connectivity = "captive"
	// Alone: there is an address, and nobody who answers at the others.
	Alone Connectivity = "alone"
	// Online: another node of the network is known and connected.
	Online Connectivity = "online"
)

// lookEvery is how often the machine's addresses are looked at. Whoever closes
// a lid or changes networks is back within two looks.
const lookEvery = 5 * time.Second

// napFrom is the time that must have passed unnoticed for a sleep of the
// machine, or of this process, to be assumed.
const napFrom = 4 * lookEvery

// link watches how this machine is connected. The zero link is ready.
type link struct {
	mu      sync.Mutex   // guards the fields below
	addrs   []netip.Addr // that others could reach, sorted
	looked  bool
	captive bool // the latest attempt to join met a portal
	reach   network.Reachability
}

// Connectivity returns what is known now.
func (r *Router) Connectivity() Connectivity {
	for _, p := range r.dht.RoutingTable().ListPeers() {
		if r.host.Network().Connectedness(p) == network.Connected {
			return Online
		}
	}
	r.link.mu.Lock()
	defer r.link.mu.Unlock()
	switch {
	case r.link.captive:
		return Captive
	case r.link.looked && len(r.link.addrs) == 0 && !r.onLoopback():
		return Offline
	}
	return Alone
}

// onLoopback reports whether bootstrap peers are reached without any network.
func (r *Router) onLoopback() bool {
	for _, ai := range r.cfg.Bootstrap {
		if slices.ContainsFunc(ai.Addrs, manet.IsIPLoopback) {
			return true
		}
	}
	return false
}

// watchLink looks for changes of the network, and for sleep, until ctx is
// done. After either it drops connections that no longer lead anywhere and
// lets bootstrap begin anew.
func (r *Router) watchLink(ctx context.Context) {
	r.link.look()
	began := time.Now()
	for sleep(ctx, lookEvery) {
		now := time.Now()
		// The wall's clock runs on while a machine sleeps, the other may not.
		passed := max(now.Round(0).Sub(began.Round(0)), now.Sub(began))
		began = now
		r.looked(r.link.look(), passed)
	}
}

// looked does what is to be done when so much time has passed since the last
// look at the network, which has changed since or not. While a machine sleeps
// its records run out elsewhere, and nothing renews them: then they are written
// again.
func (r *Router) looked(changed bool, passed time.Duration) {
	napped := passed > napFrom
	if !changed && !napped {
		return
	}
	r.cfg.Logger.Info("network changed", "slept", napped)
	r.startOver()
	if interval, delay := r.cfg.reprovide(); passed > r.cfg.validity()-interval-delay {
		r.keep.again()
	}
}

// look notes the addresses of this machine and reports whether they differ
// from those of the last look.
func (l *link) look() (changed bool) {
	now := machineAddrs()
	l.mu.Lock()
	defer l.mu.Unlock()
	changed = l.looked && !slices.Equal(l.addrs, now)
	l.addrs, l.looked = now, true
	return changed
}

// machineAddrs returns the addresses of this machine that others may reach it
// at, sorted.
func machineAddrs() []netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var addrs []netip.Addr
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		if ip := prefix.Addr().Unmap(); ip.IsGlobalUnicast() {
			addrs = append(addrs, ip)
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// startOver closes the connections whose own end is no address of this machine
// any more, forgets who held records, and wakes bootstrap.
func (r *Router) startOver() {
	r.link.mu.Lock()
	addrs := slices.Clone(r.link.addrs)
	r.link.mu.Unlock()
	for _, c := range r.host.Network().Conns() {
		ip, err := manet.ToIP(c.LocalMultiaddr())
		if err != nil {
			continue
		}
		local, ok := netip.AddrFromSlice(ip)
		if local = local.Unmap(); ok && local.IsGlobalUnicast() && !slices.Contains(addrs, local) {
			_ = c.Close()
		}
	}
	r.recent.clear()
	r.dht.RefreshRoutingTable() // which drops peers that do not answer
	r.Wake()
}

// Wake makes bootstrap, if it waits for its next attempt, begin at once: for
// whoever knows that the network is back.
func (r *Router) Wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// portal reports whether err says that something else than a node answered at
// a peer's address: a connection came about, and what came over it was no
// handshake of the peer.
func portal(err error) bool {
	dial, ok := errors.AsType[*swarm.DialError](err)
	if !ok {
		return false
	}
	return slices.ContainsFunc(dial.DialErrors, func(e swarm.TransportError) bool {
		// libp2p has no type for it. A reset or an end during the handshake is
		// also what a busy node does, so it does not count.
		text := e.Cause.Error()
		return strings.Contains(text, "failed to negotiate security protocol") &&
			!strings.Contains(text, "reset") && !strings.Contains(text, "EOF") && !strings.Contains(text, "timeout") &&
			!strings.Contains(text, "deadline") && !strings.Contains(text, "peer id mismatch")
	})
}

// attempted notes how a round of dialling bootstrap peers ended: a portal is
// one only where nobody else answered.
func (l *link) attempted(reached int, errs map[peer.ID]error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.captive = false
	if reached > 0 {
		return
	}
	for _, err := range errs {
		l.captive = l.captive || portal(err)
	}
}
