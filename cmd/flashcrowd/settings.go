package main

import (
	"encoding"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/flashcrowd/flashcrowd/fetch/swarm"
	"github.com/flashcrowd/flashcrowd/node"
	"github.com/flashcrowd/flashcrowd/verify"
)

// groups are the headings of the flags in the help of up.
var groups = []kong.Group{
	{Key: "faces", Title: "Where clients reach it:"},
	{Key: "store", Title: "What it keeps:"},
	{Key: "swarm", Title: "Other nodes:"},
	{Key: "upload", Title: "What is given to others:"},
	{Key: "trust", Title: "What bytes of others are believed by:"},
	{Key: "reach", Title: "What clients may reach:"},
	{Key: "log", Title: "Logging, on standard error:"},
}

// The flags that make a node.Config are all text here, so that a bad value in
// the environment is an error of the command that uses it and of no other.

// configFlag names the file that stands below flags and environment.
type configFlag struct {
	Config string `placeholder:"FILE" help:"YAML file with flags of up by name, without the dashes; a flag or its environment variable wins. A repeatable flag is a list."`
}

// faceFlags are what only a node for several clients needs.
type faceFlags struct {
	Proxy     string   `group:"faces" default:"${proxy}" placeholder:"HOST:PORT" help:"Forward proxy and gateway; port 0 picks one. Other than loopback needs --allow or --proxy-auth. Default: ${default}."`
	Admin     string   `group:"faces" default:"${admin}" placeholder:"HOST:PORT" help:"Dashboard, API and metrics; loopback only, port 0 picks one. Default: ${default}."`
	Mirror    []string `group:"faces" sep:"," placeholder:"LISTEN=ORIGIN" help:"Reverse proxy for one origin, such as 127.0.0.1:8081=https://deb.debian.org; repeatable, port 0 picks one."`
	Allow     []string `group:"faces" sep:"," placeholder:"CIDR" help:"Clients that may use proxy and mirrors beside this machine, such as 192.168.1.0/24; repeatable. Default: nobody."`
	ProxyAuth string   `group:"faces" placeholder:"FILE" help:"Users and their bcrypt hashes, as htpasswd -B writes them: every client of proxy, gateway and mirrors has to name one. Passwords pass unencrypted: for networks that you trust."`

	Intercept    []string `group:"reach" sep:"," placeholder:"HOST" help:"Hosts whose https this node answers itself, so that it is cached and shared: a name or a pattern such as *.example.org; repeatable. Clients have to trust its certificate: see ca. Default: nobody, https is tunnelled."`
	Bypass       []string `group:"reach" sep:"," placeholder:"HOST" help:"Hosts whose requests go straight to them, past cache and swarm; repeatable."`
	Deny         []string `group:"reach" sep:"," placeholder:"HOST" help:"Hosts that nobody reaches through this node; repeatable."`
	ConnectPorts string   `group:"reach" default:"${ports}" placeholder:"PORTS" help:"Ports that CONNECT may reach. Default: ${default}."`
}

// logFlags say what the node says of itself.
type logFlags struct {
	LogLevel  string `group:"log" default:"info" placeholder:"LEVEL" help:"debug, info, warn or error. Default: ${default}."`
	LogFormat string `group:"log" default:"text" placeholder:"text|json" help:"Form of a line. Default: ${default}."`
}

// nodeFlags are what every node needs.
type nodeFlags struct {
	Data      string `group:"store" placeholder:"DIR" help:"Data folder, closed to other users. Default: $$XDG_DATA_HOME/flashcrowd or ~/.local/share/flashcrowd."`
	CacheSize string `group:"store" default:"${cache}" placeholder:"SIZE" help:"Limit of the cache on disk: octets, or with a unit such as 500MB or 64GiB. Default: ${default}."`

	Network      string   `group:"swarm" placeholder:"NAME" help:"Swarm to join: public, or the name of an own network, 1 to 32 of a-z, 0-9 and -. Default: ${network}."`
	Bootstrap    []string `group:"swarm" sep:"," placeholder:"MULTIADDR" help:"Node to join the network by, with /p2p/ID, or none; repeatable. Default: the list of the network."`
	Listen       []string `group:"swarm" sep:"," placeholder:"MULTIADDR" help:"Where other nodes reach this one; repeatable, port 0 picks one. Default: ${listen} and the same for /ip6/::."`
	Swarm        string   `group:"swarm" default:"on" placeholder:"on|off" help:"off: a plain caching proxy that asks no other node and answers none. Default: ${default}."`
	LAN          string   `name:"lan" group:"swarm" default:"on" placeholder:"on|off" help:"Whether nodes on the local network are found by mDNS and asked first. Default: ${default}."`
	NAT          string   `name:"nat" group:"swarm" default:"on" placeholder:"on|off" help:"Behind a router: ask it for a port (UPnP, NAT-PMP), have others measure whether this node is reached, and agree with them through relays on direct connections. Default: ${default}."`
	SwarmKey     string   `group:"swarm" placeholder:"FILE" help:"Key of a private swarm, made by swarm-key: only nodes with it connect. TCP only, and not for network public."`
	Share        string   `group:"swarm" default:"auto" placeholder:"auto|all|off" help:"What is announced and served to others, of what anybody could fetch from the same URL: auto, what has 1 MiB or more and is no HTML; all, everything; off, nothing. Default: ${default}."`
	SharePrivate string   `group:"swarm" default:"auto" placeholder:"auto|on|off" help:"Whether that may come from private addresses: on, off, or auto: never on network public, always on another. Default: ${default}."`

	UploadLimit  string   `group:"upload" default:"0" placeholder:"RATE" help:"Most that is given to others in any second, such as 2Mbit; 0 is no limit. Default: ${default}."`
	UploadQuota  string   `group:"upload" default:"0" placeholder:"SIZE" help:"Most that is given to others in a calendar month, such as 50GB; 0 is no limit. Default: ${default}."`
	UploadWindow []string `group:"upload" sep:"," placeholder:"HH:MM-HH:MM" help:"Time of day at which others are given something, such as 22:00-07:00; repeatable. Default: always."`
	Metered      word     `group:"upload" default:"off" help:"This line costs by volume: give others nothing. Default: ${default}."`

	Policy    string   `group:"trust" default:"balanced" placeholder:"strict|balanced|open" help:"How strong the site's own word must be: strict, SHA-2 over https; balanced, also SHA-1, and MD5 of pictures, sound, films and fonts; open, also MD5 of everything. Default: ${default}."`
	PolicyFor []string `group:"trust" sep:"," placeholder:"GLOB=POLICY" help:"Policy for the hosts that fit, such as *.example.org=open; repeatable, the first that fits counts."`
	Publisher []string `group:"trust" sep:"," placeholder:"GLOB" help:"Hosts where only the publisher can put files, so that the MD5 or SHA-1 they state is believed; repeatable."`

	Resolve []string `group:"reach" sep:"," placeholder:"HOST=IP" help:"Address of a host name, instead of the DNS; repeatable, several addresses a name too."`
}

// configOf turns flags into a node.Config that is valid, or fails with a
// *node.UsageError.
func configOf(f *faceFlags, n *nodeFlags, l *logFlags) (node.Config, error) {
	c := node.Config{
		Proxy: f.Proxy, Admin: f.Admin, ProxyAuth: f.ProxyAuth, Data: n.Data, Network: n.Network,
		Bootstrap: filled(n.Bootstrap), Listen: filled(n.Listen),
		Swarm: n.Swarm, LAN: n.LAN, NAT: n.NAT, SwarmKey: n.SwarmKey, Share: n.Share, SharePrivate: n.SharePrivate,
		Policy: verify.Policy(n.Policy), Publishers: filled(n.Publisher),
		LogLevel: l.LogLevel, LogFormat: l.LogFormat, Version: version(),
	}
	for _, field := range []struct {
		flag string
		err  error
	}{
		{"mirror", parseMirrors(f.Mirror, &c)}, {"allow", parseAllow(f.Allow, &c)},
		{"cache-size", parseCacheSize(n.CacheSize, &c)}, {"resolve", parseResolve(n.Resolve, &c)},
		{"policy-for", parsePolicies(n.PolicyFor, &c)},
		{"upload-limit", parseUnit(n.UploadLimit, &c.UploadLimit)}, {"upload-quota", parseUnit(n.UploadQuota, &c.UploadQuota)},
		{"upload-window", parseWindows(n.UploadWindow, &c)}, {"metered", n.Metered.parse(&c.Metered)},
		{"connect-ports", parsePorts(f.ConnectPorts, &c)},
		{"intercept", parseHosts(f.Intercept, &c.Intercept)}, {"bypass", parseHosts(f.Bypass, &c.Bypass)}, {"deny", parseHosts(f.Deny, &c.Deny)},
	} {
		if field.err != nil {
			return c, &node.UsageError{Flag: field.flag, Err: field.err}
		}
	}
	return c, c.Validate()
}

// filled leaves empty elements out: an environment variable that is set to
// nothing is an empty list.
func filled(list []string) []string {
	var out []string
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func parseMirrors(list []string, c *node.Config) error {
	for _, text := range filled(list) {
		m, err := node.ParseMirror(text)
		if err != nil {
			return err
		}
		c.Mirrors = append(c.Mirrors, m)
	}
	return nil
}

func parseAllow(list []string, c *node.Config) error {
	for _, text := range filled(list) {
		prefix, err := netip.ParsePrefix(text)
		if addr, e := netip.ParseAddr(text); e == nil {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return errors.New("\"" + text + "\" is no address range such as 192.168.1.0/24")
		}
		c.Allow = append(c.Allow, prefix)
	}
	return nil
}

func parseCacheSize(text string, c *node.Config) error {
	if text == "" {
		return nil
	}
	if err := c.CacheSize.UnmarshalText([]byte(text)); err != nil {
		return err
	}
	if c.CacheSize < node.MinCacheSize {
		return errors.New("\"" + text + "\" is too small: at least " + node.MinCacheSize.String())
	}
	return nil
}

func parseResolve(list []string, c *node.Config) error {
	for _, text := range filled(list) {
		host, ip, _ := strings.Cut(text, "=")
		addr, err := netip.ParseAddr(ip)
		if err != nil {
			return errors.New("\"" + text + "\" is not HOST=IP, such as www.example.org=192.0.2.1")
		}
		if c.Resolve == nil {
			c.Resolve = make(map[string][]netip.Addr)
		}
		host = strings.TrimSuffix(strings.ToLower(host), ".")
		c.Resolve[host] = append(c.Resolve[host], addr)
	}
	return nil
}

func parsePolicies(list []string, c *node.Config) error {
	for _, text := range filled(list) {
		p, err := verify.ParsePolicyFor(text)
		if err != nil {
			return errors.New("\"" + text + "\" is not GLOB=POLICY, such as *.example.org=open with strict, balanced or open")
		}
		c.PolicyFor = append(c.PolicyFor, p)
	}
	return nil
}

// parseUnit reads a rate or a size; nothing is zero.
func parseUnit(text string, to encoding.TextUnmarshaler) error {
	if text == "" {
		return nil
	}
	return to.UnmarshalText([]byte(text))
}

func parseWindows(list []string, c *node.Config) error {
	for _, text := range filled(list) {
		w, err := swarm.ParseWindow(text)
		if err != nil {
			return errors.New("\"" + text + "\" is no part of a day, such as 22:00-07:00")
		}
		c.UploadWindows = append(c.UploadWindows, w)
	}
	return nil
}

// word is a flag that means "on" where it stands without a value.
type word string

// IsBool lets it stand so.
func (*word) IsBool() bool { return true }

// Decode takes any value that is written behind "=".
func (w *word) Decode(ctx *kong.DecodeContext) error {
	*w = "on"
	if t := ctx.Scan.Peek(); t.Type == kong.FlagValueToken {
		ctx.Scan.Pop()
		*w = word(fmt.Sprint(t.Value))
	}
	return nil
}

func (w word) parse(to *bool) error {
	switch strings.ToLower(string(w)) {
	case "on", "true", "yes", "1":
		*to = true
	case "off", "false", "no", "0", "":
		*to = false
	default:
		return errors.New("\"" + string(w) + "\" is neither on nor off")
	}
	return nil
}

func parseHosts(list []string, to *node.Hosts) (err error) {
	*to, err = node.ParseHosts(filled(list))
	return err
}

func parsePorts(text string, c *node.Config) error {
	if text == "" {
		return nil
	}
	return c.ConnectPorts.UnmarshalText([]byte(text))
}
