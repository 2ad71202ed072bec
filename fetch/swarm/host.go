package swarm

import (
	"crypto/rand"
	"fmt"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/libp2p/go-libp2p/x/rate"
	ma "github.com/multiformats/go-multiaddr"
)

// DefaultListen are the addresses of a node that is told none.
var DefaultListen = []string{
	"/ip4/0.0.0.0/tcp/3130", "/ip4/0.0.0.0/udp/3130/quic-v1",
	"/ip6/::/tcp/3130", "/ip6/::/udp/3130/quic-v1",
}

// protocolStreams of this protocol may be open in each direction: twice what
// Limits.InboundAll is by default.
const protocolStreams = 2048

const (
	// maxWindow is how many octets of a stream over TCP may wait for their reader.
	maxWindow = 2 << 20
	// maxMessage is what yamux sends as one: a data frame with its own header,
	// which libp2p's 64 KiB would part in two.
	maxMessage = dataSize + maxDataHeader + 12
)

// HostConfig says how a node appears to other nodes.
type HostConfig struct {
	// Identity must be an Ed25519 key. Nil makes one that lasts as long as
	// the host.
	Identity crypto.PrivKey
	// Listen has multiaddrs of the form IP/tcp/PORT or IP/udp/PORT/quic-v1;
	// port 0 picks one. Nil is DefaultListen, empty is none. With a Key it is
	// TCP alone.
	Listen []string
	// Key closes the swarm to whoever does not have it. Nil is an open one.
	Key Key
	// Reach is what is done about a router that lets nobody in.
	Reach Reach
	// Version goes into the agent string, "dev" if empty.
	Version string
	// ConnsPerIP is how many connections one IPv4 address, or one IPv6 /56,
	// may have to this node at a time, and open in haste: an address may
	// stand for a whole office. Zero is 64; loopback is never limited.
	ConnsPerIP int
	// LowWater and HighWater are the numbers of connections down to which and
	// from which on the least useful are closed. Zero is 160 and 400.
	LowWater, HighWater int
}

// NewHost returns a libp2p host that speaks TLS over TCP, and without a Key
// QUIC, and discovers nobody. It listens on all of cfg.Listen, or fails and
// names the address that it cannot have; IPv6 addresses are left out on a
// machine without IPv6. The caller closes it.
func NewHost(cfg HostConfig) (host.Host, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("swarm: host: %w", err)
	}
	listen, err := listenable(cfg.Listen, cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("swarm: host: %w", err)
	}
	limits, err := cfg.resources()
	if err != nil {
		return nil, fmt.Errorf("swarm: host: limit resources: %w", err)
	}
	conns, err := connmgr.NewConnManager(cfg.LowWater, cfg.HighWater, connmgr.WithGracePeriod(30*time.Second))
	if err != nil {
		return nil, fmt.Errorf("swarm: host: limit connections: %w", err)
	}
	mix, ranker := new(mixer), network.DialRanker(tcpFirst)
	if cfg.Reach.On {
		ranker = mix.rank
	}
	options := []libp2p.Option{
		libp2p.Identity(cfg.Identity),
		libp2p.UserAgent("flashcrowd/" + cfg.Version),
		libp2p.Security(libp2ptls.ID, newSecure),
		libp2p.Muxer(yamux.ID, muxer()),
		libp2p.SwarmOpts(swarm.WithDialRanker(ranker)),
		libp2p.ResourceManager(limits),
		libp2p.ConnectionManager(conns),
		libp2p.DisableMetrics(),
		listenOption(listen),
	}
	options = append(options, cfg.Key.transports()...)
	h, err := libp2p.New(append(options, cfg.Reach.options()...)...)
	if err != nil {
		return nil, fmt.Errorf("swarm: host: %w", err)
	}
	if err := listens(h, listen); err != nil {
		h.Close()
		return nil, fmt.Errorf("swarm: host: %w", err)
	}
	h.Network().Notify(mix.notifiee())
	return h, nil
}

func (c *HostConfig) complete() error {
	if c.Identity == nil {
		key, _, err := crypto.GenerateEd25519Key(rand.Reader)
		if err != nil {
			return fmt.Errorf("make identity: %w", err)
		}
		c.Identity = key
	}
	if c.Identity.Type() != crypto.Ed25519 {
		return fmt.Errorf("identity is a key of type %s, not Ed25519", c.Identity.Type())
	}
	if c.Listen == nil {
		c.Listen = c.Key.Listen()
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	orElse(&c.ConnsPerIP, 64)
	orElse(&c.LowWater, 160)
	orElse(&c.HighWater, 400)
	return nil
}

// muxer is libp2p's yamux with windows that do not grow beyond what an order
// may take up in memory. 2 MiB fill a line of 160 Mbit/s at a round trip of
// 100 ms, and a peer is asked for two orders at a time.
func muxer() *yamux.Transport {
	config := *yamux.DefaultTransport.Config()
	config.MaxStreamWindowSize, config.MaxMessageSize = maxWindow, maxMessage
	return (*yamux.Transport)(&config)
}

func listenOption(addrs []ma.Multiaddr) libp2p.Option {
	if len(addrs) == 0 {
		return libp2p.NoListenAddrs
	}
	return libp2p.ListenAddrs(addrs...)
}

// resources returns libp2p's own limits, scaled to this machine, but for what
// a crowd on one object needs: more connections, also from behind one NAT.
func (c *HostConfig) resources() (network.ResourceManager, error) {
	defaults := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&defaults)
	scaled := defaults.AutoScale()
	limits := scaled.ToPartialLimitConfig()
	atLeast := func(v *rcmgr.LimitVal, n int) {
		if *v >= 0 && int(*v) < n {
			*v = rcmgr.LimitVal(n)
		}
	}
	atLeast(&limits.System.ConnsInbound, 2*c.HighWater)
	atLeast(&limits.System.Conns, 2*c.HighWater)
	atLeast(&limits.Transient.ConnsInbound, c.ConnsPerIP)
	atLeast(&limits.Transient.Conns, 2*c.ConnsPerIP)
	// This package's own limits see to it that nobody takes all of these.
	limits.Protocol = map[protocol.ID]rcmgr.ResourceLimits{
		Protocol: {StreamsInbound: protocolStreams, StreamsOutbound: protocolStreams, Streams: 2 * protocolStreams},
	}
	atLeast(&limits.System.StreamsInbound, 2*protocolStreams)
	atLeast(&limits.System.StreamsOutbound, 2*protocolStreams)
	atLeast(&limits.System.Streams, 4*protocolStreams)
	return rcmgr.NewResourceManager(
		rcmgr.NewFixedLimiter(limits.Build(scaled)),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: c.ConnsPerIP}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: c.ConnsPerIP}, {PrefixLength: 48, ConnCount: 4 * c.ConnsPerIP}},
		),
		rcmgr.WithConnRateLimiters(c.connRate()),
		rcmgr.WithMetricsDisabled(),
	)
}

// connRate bounds how fast one address may open connections: ConnsPerIP at
// once and then as many again each 16 s.
func (c *HostConfig) connRate() *rate.Limiter {
	each := rate.Limit{RPS: float64(c.ConnsPerIP) / 16, Burst: c.ConnsPerIP}
	return &rate.Limiter{
		NetworkPrefixLimits: []rate.PrefixLimit{
			{Prefix: netip.MustParsePrefix("127.0.0.0/8")},
			{Prefix: netip.MustParsePrefix("::1/128")},
		},
		SubnetRateLimiter: rate.SubnetLimiter{
			IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: each}},
			IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 56, Limit: each}},
			GracePeriod:      time.Minute,
		},
	}
}
