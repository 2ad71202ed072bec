package kad

import (
	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// maxAddrs bounds the addresses of one member: a node behind a few interfaces,
// transports and relays has fewer, and dialling more is an attack on others.
const maxAddrs = 16

// member turns a provider record into a Member. It reports false for this node
// itself and for an ID that is none. Addresses that the record lacks are taken
// from the peerstore.
func (r *Router) member(ai peer.AddrInfo) (dht.Member, bool) {
	if ai.ID == r.self {
		return dht.Member{}, false
	}
	if _, err := peer.IDFromBytes([]byte(ai.ID)); err != nil {
		return dht.Member{}, false
	}
	addrs := r.dialable(ai.ID, ai.Addrs)
	if len(addrs) == 0 {
		addrs = r.dialable(ai.ID, r.host.Peerstore().Addrs(ai.ID))
	}
	return dht.Member{ID: ai.ID.String(), Addrs: addrs}, true
}

// dialable returns at most maxAddrs of addrs as text, without the member's own
// /p2p part; on Public only public ones.
func (r *Router) dialable(id peer.ID, addrs []ma.Multiaddr) []string {
	if r.cfg.public() {
		addrs = publicAddrs(addrs)
	}
	var out []string
	for _, a := range addrs {
		transport, owner := peer.SplitAddr(a)
		if len(transport) == 0 || owner != "" && owner != id {
			continue
		}
		if out = append(out, transport.String()); len(out) == maxAddrs {
			break
		}
	}
	return out
}
