package kad_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/marcopolo/simnet"
	"github.com/quic-go/quic-go"
	"go.uber.org/fx"
)

// internet is a network of simulated links, to be used inside a bubble. Every
// host has an address of its own /16, as a DHT that limits the peers of one
// address group expects.
type internet struct {
	net   *simnet.Simnet
	hosts int
}

// linkDelay is one way between any two hosts.
const linkDelay = 20 * time.Millisecond

func newInternet(t *testing.T) *internet {
	t.Helper()
	n := &simnet.Simnet{LatencyFunc: simnet.StaticLatency(linkDelay), Logger: slog.New(slog.DiscardHandler)}
	n.Start()
	t.Cleanup(n.Close)
	return &internet{net: n}
}

// host returns a host that speaks QUIC over a link of 20 Mbit/s.
func (n *internet) host(t *testing.T, more ...libp2p.Option) host.Host {
	t.Helper()
	n.hosts++
	h, err := libp2p.New(append(more,
		libp2p.ListenAddrStrings(fmt.Sprintf("/ip4/%d.%d.1.1/udp/8000/quic-v1", 50+n.hosts, n.hosts)),
		libp2p.Transport(libp2pquic.NewTransport),
		n.quic(),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
		libp2p.DisableIdentifyAddressDiscovery(),
	)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// sourceIP is the address that a simulated host listens on.
type sourceIP struct{ atomic.Pointer[net.IP] }

func (s *sourceIP) PreferredSourceIPForDestination(*net.UDPAddr) (net.IP, error) {
	if ip := s.Load(); ip != nil {
		return *ip, nil
	}
	return nil, errors.New("the host does not listen")
}

// quic makes a host's QUIC transport use the simulated links.
func (n *internet) quic() libp2p.Option {
	const rate = 20_000_000
	link := simnet.NodeBiDiLinkSettings{
		Uplink:   simnet.LinkSettings{BitsPerSecond: rate},
		Downlink: simnet.LinkSettings{BitsPerSecond: rate},
	}
	ip := new(sourceIP)
	newConns := func(lc fx.Lifecycle, reset quic.StatelessResetKey, token quic.TokenGeneratorKey, opts ...quicreuse.Option) (*quicreuse.ConnManager, error) {
		m, err := quicreuse.NewConnManager(reset, token, opts...)
		if err == nil {
			lc.Append(fx.StopHook(m.Close)) // libp2p closes only its own
		}
		return m, err
	}
	return libp2p.QUICReuse(newConns,
		quicreuse.OverrideSourceIPSelector(func() (quicreuse.SourceIPSelector, error) { return ip, nil }),
		quicreuse.OverrideListenUDP(func(_ string, addr *net.UDPAddr) (net.PacketConn, error) {
			ip.Store(&addr.IP)
			return n.net.NewEndpoint(addr, link), nil
		}),
	)
}
