package swarm

import (
	"fmt"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// addrInfo reads a member, about which nothing has been checked. Of its
// addresses it takes the first few that are of a transport of ours and name a
// machine by number: a name would have to be looked up for a stranger's sake.
// A member without addresses is possible, one with only useless ones is not.
func addrInfo(m dht.Member) (peer.AddrInfo, error) {
	id, err := peer.Decode(m.ID)
	if err != nil {
		return peer.AddrInfo{}, fmt.Errorf("%w: %w", ErrNotAPeer, err)
	}
	if !isEd25519(id) {
		return peer.AddrInfo{}, fmt.Errorf("%w: %s is no Ed25519 peer", ErrNotAPeer, id)
	}
	info := peer.AddrInfo{ID: id}
	for _, text := range m.Addrs {
		if len(info.Addrs) == maxAddrs {
			break
		}
		if a, ok := dialable(text, id); ok {
			info.Addrs = append(info.Addrs, a)
		}
	}
	if len(m.Addrs) > 0 && len(info.Addrs) == 0 {
		return peer.AddrInfo{}, fmt.Errorf("%w: %s has no address that may be dialled", ErrNotAPeer, id)
	}
	return info, nil
}

// isEd25519 reports whether id holds an Ed25519 key: huge keys of other kinds
// cost processor time, and only here each peer has exactly one ID.
func isEd25519(id peer.ID) bool {
	key, err := id.ExtractPublicKey()
	return err == nil && key.Type() == crypto.Ed25519
}

// dialable returns the address in text without its /p2p part, if it is
// IP/tcp or IP/udp/quic-v1, or a relay at one of these, and, where it names a
// peer, that is id.
func dialable(text string, id peer.ID) (ma.Multiaddr, bool) {
	const longest = 256
	if len(text) > longest {
		return nil, false
	}
	a, err := ma.NewMultiaddr(text)
	if err != nil {
		return nil, false
	}
	a, named := peer.SplitAddr(a)
	if a == nil || named != "" && named != id {
		return nil, false
	}
	return a, classOf(a) != classOther || relayed(a) && relayOf(a) != id
}
