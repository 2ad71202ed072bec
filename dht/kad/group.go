package kad

import (
	"net/netip"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// groupOf returns the address group of the other end of c: the /24 of an IPv4
// address or the /48 of an IPv6 one, which is what one customer gets. Relayed
// connections count for their relay. Loopback and private addresses have no
// group: there a network is one's own, and one machine or office all of it.
func groupOf(c network.Conn) string { return addrGroup(c.RemoteMultiaddr()) }

func addrGroup(a ma.Multiaddr) string {
	ip, err := manet.ToIP(a)
	if err != nil {
		return ""
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return ""
	}
	addr = addr.Unmap()
	if addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() {
		return ""
	}
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.String()
}
