package kad

import (
	"math/rand/v2"
	"slices"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
)

// Relays returns peers of the network that offer to relay, at most n: any of
// those that this node is connected to, in random order.
func (r *Router) Relays(n int) []peer.AddrInfo {
	peers := r.host.Network().Peers()
	rand.Shuffle(len(peers), func(i, j int) { peers[i], peers[j] = peers[j], peers[i] })
	var relays []peer.AddrInfo
	for _, p := range peers {
		if len(relays) == n {
			break
		}
		offered, err := r.host.Peerstore().SupportsProtocols(p, proto.ProtoIDv2Hop)
		if err != nil || len(offered) == 0 || r.host.Network().Connectedness(p) != network.Connected {
			continue
		}
		if addrs := r.host.Peerstore().Addrs(p); len(addrs) > 0 {
			relays = append(relays, peer.AddrInfo{ID: p, Addrs: slices.Clone(addrs)})
		}
	}
	return relays
}
