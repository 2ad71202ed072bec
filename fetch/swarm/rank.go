package swarm

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// class is a kind of address, in the order in which they are dialled. TCP
// comes first, since bulk over QUIC costs 2.7 times the processor time; IPv6
// before IPv4 as in RFC 8305.
type class int

const (
	classTCP6 class = iota
	classTCP4
	classQUIC6
	classQUIC4
	classOther
)

// classOf tells the class by all parts of a: a longer address, such as one
// through a relay, is of classOther.
func classOf(a ma.Multiaddr) class {
	codes := make([]int, 0, 3)
	for _, c := range a {
		codes = append(codes, c.Protocol().Code)
	}
	switch {
	case slices.Equal(codes, []int{ma.P_IP6, ma.P_TCP}):
		return classTCP6
	case slices.Equal(codes, []int{ma.P_IP4, ma.P_TCP}):
		return classTCP4
	case slices.Equal(codes, []int{ma.P_IP6, ma.P_UDP, ma.P_QUIC_V1}):
		return classQUIC6
	case slices.Equal(codes, []int{ma.P_IP4, ma.P_UDP, ma.P_QUIC_V1}):
		return classQUIC4
	default:
		return classOther
	}
}

// relayed reports whether a is a place at a relay that is itself reached
// directly: IP/tcp/p2p/RELAY/p2p-circuit or the same with QUIC.
func relayed(a ma.Multiaddr) bool {
	last := len(a) - 1
	return last > 1 && a[last].Protocol().Code == ma.P_CIRCUIT && a[last-1].Protocol().Code == ma.P_P2P &&
		classOf(a[:last-1]) != classOther
}

// relayOf returns the relay of an address that is relayed.
func relayOf(a ma.Multiaddr) peer.ID { return peer.ID(a[len(a)-2].RawValue()) }

// The delay between two dials to one peer: RFC 8305 section 8 for the
// internet, less where a round trip takes a millisecond. QUIC waits for longer
// in any case: a machine that is busy would make, and then use, a second
// connection beside one over TCP that only answered late.
const (
	publicStep  = 250 * time.Millisecond
	privateStep = 30 * time.Millisecond
)

// tcpFirst is the network.DialRanker of this node but for a few dials (mixer).
// Private and public addresses are dialled side by side; of each, one address a
// class, class after class, and then the rest.
func tcpFirst(addrs []ma.Multiaddr) []network.AddrDelay {
	var private, public []ma.Multiaddr
	for _, a := range addrs {
		if manet.IsPrivateAddr(a) || manet.IsIPLoopback(a) {
			private = append(private, a)
		} else {
			public = append(public, a)
		}
	}
	return append(staggered(private, privateStep), staggered(public, publicStep)...)
}

func staggered(addrs []ma.Multiaddr, step time.Duration) []network.AddrDelay {
	slices.SortStableFunc(addrs, func(a, b ma.Multiaddr) int { return int(classOf(a) - classOf(b)) })
	return spread(addrs, step)
}

// spread lets one address of each class follow the other, in the order of
// addrs, and then the rest.
func spread(addrs []ma.Multiaddr, step time.Duration) []network.AddrDelay {
	var out []network.AddrDelay
	var rest []ma.Multiaddr
	var delay time.Duration
	for i, a := range addrs {
		switch {
		case i > 0 && classOf(a) == classOf(addrs[i-1]):
			rest = append(rest, a)
			continue
		case i > 0 && classOf(a) >= classQUIC6 && classOf(addrs[i-1]) < classQUIC6:
			delay = max(delay, publicStep)
		}
		out = append(out, network.AddrDelay{Addr: a, Delay: delay})
		delay += step
	}
	for _, a := range rest {
		out = append(out, network.AddrDelay{Addr: a, Delay: delay})
	}
	return out
}
