package node

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/flashcrowd/flashcrowd/fetch/swarm"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Defaults of Config (design.md sections 8, 9 and 13).
const (
	DefaultProxy   = "127.0.0.1:3128"
	DefaultAdmin   = "127.0.0.1:3129"
	DefaultNetwork = "public"

	// DefaultCacheSize holds a few large downloads and fits beside a person's
	// own files on a small disk.
	DefaultCacheSize Size = 10 << 30
)

// Words that fields of Config take.
const (
	Auto = "auto"
	All  = "all"
	On   = "on"
	Off  = "off"
	None = "none"
)

// DefaultListen returns where a node listens for other nodes: port 3130, TCP
// and QUIC, on every IPv4 and IPv6 address.
func DefaultListen() []string {
	return []string{
		"/ip4/0.0.0.0/tcp/3130", "/ip4/0.0.0.0/udp/3130/quic-v1",
		"/ip6/::/tcp/3130", "/ip6/::/udp/3130/quic-v1",
	}
}

// Config is what a node can be told. The zero Config is a working node with
// the defaults. Every field is the flag of `flashcrowd up` of the same name. A
// Config may be copied; New keeps the one it was given, so nobody changes
// lists or maps in it afterwards.
type Config struct {
	// Proxy is where the forward proxy and the gateway listen, HOST:PORT or a
	// port alone for that port of 127.0.0.1; port 0 picks one. If empty,
	// DefaultProxy.
	Proxy string
	// Admin is where the dashboard, API and metrics listen, in the same form.
	// It must be a loopback address. If empty, DefaultAdmin.
	Admin string
	// Mirrors are further listeners that stand for one origin each.
	Mirrors []Mirror

	// Data is the data folder. If empty, DefaultData().
	Data string
	// CacheSize is how much the bodies on disk may take, MinCacheSize or more.
	// If zero, DefaultCacheSize.
	CacheSize Size

	// Network is the swarm to join: "public" or the name of an own network of
	// 1 to 32 characters among a-z, 0-9 and "-". If empty, "public".
	Network string
	// Bootstrap are multiaddrs with /p2p/ID to join the network by. If empty,
	// the network's default list; ["none"] is no address at all.
	Bootstrap []string
	// Listen are the multiaddrs where other nodes reach this one, TCP or
	// QUIC v1; port 0 picks one. If empty, DefaultListen().
	Listen []string
	// BucketSize is how many nodes hold a record of the DHT, on own networks:
	// small ones in tests want a small number. If zero, 20.
	BucketSize int
	// Swarm is "on" or "off": off is a plain caching proxy, which asks no other
	// node and answers none. If empty, "on".
	Swarm string
	// LAN is "on" or "off": whether nodes on the local network are looked for by
	// mDNS and asked first. A node that listens on loopback alone looks for
	// nobody. If empty, "on".
	LAN string
	// NAT is "on" or "off": whether a node behind a router that translates
	// addresses asks it for a port, lets others measure whether it is reached,
	// and agrees with them through relays on direct connections. A node that
	// listens on loopback alone does none of it. If empty, "on".
	NAT string
	// SwarmKey is a file with the key of a private swarm, which then is TCP
	// alone and never network public. If empty, the swarm is open.
	SwarmKey string
	// UploadLimit is the most that is given to others in any second. If zero,
	// no limit.
	UploadLimit Rate
	// UploadQuota is the most that is given to others in a calendar month. If
	// zero, no limit.
	UploadQuota Size
	// UploadWindows are the times of day at which others are given something.
	// If empty, always.
	UploadWindows []swarm.Window
	// Metered says that the line costs by volume: others are given nothing.
	Metered bool
	// Share is what is announced and served: "auto" (what is large and
	// provable), "all" that may be shared, or "off". If
	// empty, "auto".
	Share string
	// SharePrivate says whether what lies on private addresses may be shared:
	// "on", "off", or "auto" for never on network public and always on another
	// one. If empty, "auto".
	SharePrivate string

	// Policy is how strong evidence must be before bytes of others are used:
	// verify.Strict, Balanced or Open. If empty, balanced.
	Policy verify.Policy
	// PolicyFor are hosts with a policy of their own; the first that fits
	// counts.
	PolicyFor []verify.PolicyFor
	// Publishers are globs of hosts where only the publisher can put files, so
	// that MD5 and SHA-1 that they state may be believed.
	Publishers []string

	// Resolve pins names to addresses: the key is a host name in lower case.
	// Such names are not asked of the DNS, and the gateway may reach them where
	// they are private.
	Resolve map[string][]netip.Addr
	// Intercept are the hosts whose https this node answers itself, so that it
	// is cached and shared. If empty, all https is tunnelled untouched.
	Intercept Hosts
	// Bypass are the hosts whose requests go straight to the origin: neither
	// cache nor other nodes have to do with them.
	Bypass Hosts
	// Deny are the hosts that no client reaches through this node.
	Deny Hosts
	// ConnectPorts are the ports that CONNECT may reach. If empty,
	// DefaultConnectPorts().
	ConnectPorts Ports
	// Allow are the clients that may use proxy and mirrors beside this machine.
	// A listener that is not on loopback needs at least one, or ProxyAuth.
	Allow []netip.Prefix
	// ProxyAuth is a file of users, with a bcrypt hash each as `htpasswd -B`
	// writes it. If set, every client of proxy and mirrors has to say who it is;
	// Allow then says from where, if it is not empty.
	ProxyAuth string

	// LogLevel is "debug", "info", "warn" or "error", LogFormat "text" or
	// "json": how NewLogger logs. If empty, "info" and "text".
	LogLevel, LogFormat string
	// Logger takes what the node logs. If nil, it is silent.
	Logger *slog.Logger

	// Version is what the node says it is. If empty, what the build says.
	Version string
}

// Mirror is a listener that stands for one origin.
type Mirror struct {
	// Listen is HOST:PORT, or a port alone for that port of 127.0.0.1.
	Listen string
	// Origin is http or https with a host, and nothing behind it.
	Origin *url.URL
}

// ParseMirror reads LISTEN=ORIGIN.
func ParseMirror(s string) (Mirror, error) {
	listen, origin, ok := strings.Cut(s, "=")
	if !ok {
		return Mirror{}, fmt.Errorf("%q is not LISTEN=ORIGIN, such as 127.0.0.1:8081=https://deb.debian.org", clip(s))
	}
	u, err := url.Parse(origin)
	if err != nil {
		return Mirror{}, fmt.Errorf("origin %q is no URL", clip(origin))
	}
	return Mirror{Listen: listen, Origin: u}, nil
}

// String returns LISTEN=ORIGIN.
func (m Mirror) String() string {
	if m.Origin == nil {
		return m.Listen + "="
	}
	return m.Listen + "=" + m.Origin.String()
}

// WithDefaults returns c with every empty field but Data, Logger and Version
// filled in, and every listener written as HOST:PORT.
func (c Config) WithDefaults() Config {
	setDefault(&c.Proxy, DefaultProxy)
	setDefault(&c.Admin, DefaultAdmin)
	setDefault(&c.CacheSize, DefaultCacheSize)
	setDefault(&c.Network, DefaultNetwork)
	setDefault(&c.Swarm, On)
	setDefault(&c.LAN, On)
	setDefault(&c.NAT, On)
	setDefault(&c.Share, Auto)
	setDefault(&c.SharePrivate, Auto)
	setDefault(&c.Policy, verify.Balanced)
	setDefault(&c.LogLevel, "info")
	setDefault(&c.LogFormat, "text")
	if len(c.Listen) == 0 {
		c.Listen = DefaultListen()
		if c.SwarmKey != "" {
			c.Listen = swarm.Key{}.Listen()
		}
	}
	if len(c.ConnectPorts) == 0 {
		c.ConnectPorts = DefaultConnectPorts()
	}
	c.Proxy, c.Admin = withHost(c.Proxy), withHost(c.Admin)
	c.Mirrors = slices.Clone(c.Mirrors)
	for i := range c.Mirrors {
		c.Mirrors[i].Listen = withHost(c.Mirrors[i].Listen)
	}
	return c
}

// NoBootstrap reports whether the list of bootstrap addresses is none.
func (c Config) NoBootstrap() bool { return len(c.Bootstrap) == 1 && c.Bootstrap[0] == None }

// SharesPrivate reports whether what lies on private addresses may be shared.
func (c Config) SharesPrivate() bool {
	c = c.WithDefaults()
	return c.SharePrivate == On || c.SharePrivate == Auto && c.Network != DefaultNetwork
}

// NewLogger returns a logger as LogLevel and LogFormat say, writing to w. It
// belongs to whoever sets Logger to it; c must be valid.
func (c Config) NewLogger(w io.Writer) *slog.Logger {
	c = c.WithDefaults()
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		panic("node: internal error: log level: " + err.Error())
	}
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// withHost puts 127.0.0.1 before a port that stands alone.
func withHost(listen string) string {
	if listen != "" && strings.Trim(listen, "0123456789") == "" {
		return "127.0.0.1:" + listen
	}
	return listen
}
