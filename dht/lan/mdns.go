package lan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/zeroconf/v2"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// lookEvery is how often the interfaces are looked at; what is multicast
// begins anew when they have changed.
const lookEvery = 5 * time.Second

// sayEvery is how often a node says unasked that it is there, so that nobody
// waits for a round of questions.
const sayEvery = neighbourTTL / 2

// Run finds neighbours until ctx is done or the Router is closed; then it
// returns nil. It speaks mDNS on the interfaces where the host listens: on
// none when that is loopback without multicast. It may be called once.
func (r *Router) Run(ctx context.Context) error {
	if !r.begin() {
		return ErrClosed
	}
	defer r.work.Done()
	var warming sync.WaitGroup
	defer warming.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	warming.Go(func() { r.warm(ctx) })
	for ctx.Err() == nil {
		nets := r.networks()
		err := r.speak(ctx, nets)
		if err != nil && ctx.Err() == nil {
			r.cfg.Logger.Debug("mdns", "err", err)
		}
		if err != nil || len(nets) == 0 {
			sleep(ctx, lookEvery)
		}
	}
	return nil
}

// speak says and asks on the given networks until they change or ctx is done.
func (r *Router) speak(ctx context.Context, nets []link) error {
	if len(nets) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, sayEvery)
	defer cancel()
	server, err := r.say(nets)
	if err != nil {
		return err
	}
	defer server.Shutdown()
	var listening sync.WaitGroup
	defer listening.Wait()
	heard := make(chan *zeroconf.ServiceEntry, 64)
	listening.Go(func() {
		for e := range heard {
			r.note(e)
		}
	})
	listening.Go(func() {
		err := zeroconf.Browse(ctx, r.service(), "local", heard, zeroconf.SelectIfaces(interfaces(nets)))
		if err != nil {
			r.cfg.Logger.Debug("mdns", "err", err)
			close(heard) // which Browse does only once it has begun
		}
	})
	for sleep(ctx, lookEvery) {
		if now := r.networks(); !slices.EqualFunc(nets, now, link.equal) {
			cancel()
		}
	}
	return nil
}

// service is the name of the network in mDNS: hashed, for it may be private,
// and short enough for a DNS label.
func (r *Router) service() string {
	sum := sha256.Sum256([]byte("flashcrowd/lan/1\x00" + r.cfg.Network))
	return "_fc-" + hex.EncodeToString(sum[:5]) + "._udp"
}

const addrField = "dnsaddr="

// say answers questions for this network with the addresses of this node.
func (r *Router) say(nets []link) (*zeroconf.Server, error) {
	var text, ips []string
	for _, n := range nets {
		for _, a := range n.listen {
			text = append(text, addrField+a.String()+"/p2p/"+r.cfg.Host.ID().String())
		}
		ips = append(ips, n.prefix.Addr().String())
	}
	const anyPort = 3130 // mDNS wants one; the addresses in the text count
	name := r.cfg.Host.ID().String()
	s, err := zeroconf.RegisterProxy(name[len(name)-16:], r.service(), "local", anyPort, name[len(name)-16:], ips, text, interfaces(nets))
	if err != nil {
		return nil, fmt.Errorf("lan: say where this node is: %w", err)
	}
	return s, nil
}

// note reads what a node says of itself.
func (r *Router) note(e *zeroconf.ServiceEntry) {
	for _, ai := range parse(e.Text) {
		r.Met(ai)
	}
}

// parse reads the text of one answer: at most maxAddrs addresses, of one node.
func parse(text []string) []peer.AddrInfo {
	var addrs []ma.Multiaddr
	for _, field := range text[:min(len(text), 2*maxAddrs)] {
		value, ok := strings.CutPrefix(field, addrField)
		if !ok {
			continue
		}
		if a, err := ma.NewMultiaddr(value); err == nil {
			addrs = append(addrs, a)
		}
	}
	infos, err := peer.AddrInfosFromP2pAddrs(addrs...)
	if err != nil || len(infos) != 1 {
		return nil
	}
	return infos
}

// link is one that this node may be found on.
type link struct {
	iface  net.Interface
	prefix netip.Prefix
	listen []ma.Multiaddr // addresses of the host there
}

func (n link) equal(o link) bool {
	return n.iface.Index == o.iface.Index && n.prefix == o.prefix && slices.EqualFunc(n.listen, o.listen, ma.Multiaddr.Equal)
}

func interfaces(nets []link) []net.Interface {
	var out []net.Interface
	for _, n := range nets {
		if !slices.ContainsFunc(out, func(i net.Interface) bool { return i.Index == n.iface.Index }) {
			out = append(out, n.iface)
		}
	}
	return out
}

// networks returns where the host listens and multicast works.
func (r *Router) networks() []link {
	listen, err := r.cfg.Host.Network().InterfaceListenAddresses()
	if err != nil {
		return nil
	}
	ifaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var out []link
	for _, i := range ifaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagMulticast == 0 || i.Flags&net.FlagPointToPoint != 0 {
			continue
		}
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				if here := at(p.Addr(), listen); len(here) > 0 {
					out = append(out, link{i, p, here})
				}
			}
		}
	}
	return out
}

// at returns those of listen that are at ip.
func at(ip netip.Addr, listen []ma.Multiaddr) []ma.Multiaddr {
	var here []ma.Multiaddr
	for _, a := range listen {
		raw, err := manet.ToIP(a)
		if err != nil {
			continue
		}
		if addr, ok := netip.AddrFromSlice(raw); ok && addr.Unmap() == ip.Unmap().WithZone("") {
			here = append(here, a)
		}
	}
	return here
}

// sleep reports whether d passed before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
