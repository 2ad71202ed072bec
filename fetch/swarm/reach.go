package swarm

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/autorelay"
	"github.com/libp2p/go-libp2p/p2p/host/observedaddrs"
)

// Reach says what a node does to be reached from outside of a router that
// translates addresses. The zero value does nothing: it is reached where it
// can be dialled.
type Reach struct {
	// On lets others measure whether this node can be dialled (AutoNAT), and
	// does the same for them. While it cannot be dialled, it keeps a place at
	// relays, through which those who look for it agree with it on a direct
	// connection (hole punching). No body ever goes through a relay.
	On bool
	// Ports asks the router for a port (UPnP, NAT-PMP), with On. Asking goes on
	// for up to 5 s after the host was closed.
	Ports bool
	// Relays yields nodes that may relay, up to n, until ctx is done. It is
	// called from the host's own goroutines. Nil knows none.
	Relays func(ctx context.Context, n int) <-chan peer.AddrInfo
	// Relay makes this node, while it can be dialled, a relay for others: for
	// the few messages by which two of them agree, 128 KiB and 2 min each.
	Relay bool
}

// How soon a node that cannot be dialled has its relays: most have one peer or
// two that could be one, and nothing is gained by waiting for more.
const (
	relayDelay   = 2 * time.Second
	relayRetry   = time.Minute
	relayRefresh = 10 * time.Second
)

func (r Reach) options() []libp2p.Option {
	if !r.On {
		return []libp2p.Option{libp2p.DisableRelay()}
	}
	options := []libp2p.Option{
		libp2p.EnableNATService(), libp2p.EnableAutoNATv2(), libp2p.EnableRelay(), libp2p.EnableHolePunching(),
	}
	if r.Ports {
		options = append(options, libp2p.NATPortMap())
	}
	if r.Relays != nil {
		options = append(options, libp2p.EnableAutoRelayWithPeerSource(r.Relays,
			autorelay.WithMinCandidates(1), autorelay.WithBootDelay(relayDelay),
			autorelay.WithBackoff(relayRetry), autorelay.WithMinInterval(relayRefresh),
		))
	}
	if r.Relay {
		options = append(options, libp2p.EnableRelayService())
	}
	return options
}

// TrustObservers sets how many others, in different places, must have seen this
// node at an address before it tells that address on. The default of libp2p, 4,
// is for large networks; in a small one nobody else may be there to look. It
// holds for the whole process, and is called before there is a host.
func TrustObservers(n int) { observedaddrs.ActivationThresh = n }
