package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/flashcrowd/flashcrowd/fetch/swarm"
	"github.com/flashcrowd/flashcrowd/verify"
)

// UsageError is a setting that cannot be meant: whoever set it has to change
// it. Commands exit with 2 for it.
type UsageError struct {
	// Flag is the name of the setting, without dashes before it.
	Flag string
	// Err says what is wrong and what would be right.
	Err error
}

func (e *UsageError) Error() string { return "--" + e.Flag + ": " + e.Err.Error() }

// Unwrap returns what lies beneath.
func (e *UsageError) Unwrap() error { return e.Err }

func usage(flag, format string, args ...any) error {
	return &UsageError{flag, fmt.Errorf(format, args...)}
}

// MinCacheSize is the least cache there can be: room for one object that is
// worth sharing.
const MinCacheSize Size = 1 << 20

var networkName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// Validate returns the first setting of c that cannot be meant, as a
// *UsageError. It touches neither disk nor network, so a node may still fail
// to start with a valid Config.
func (c Config) Validate() error {
	c = c.WithDefaults()
	for _, check := range []func() error{
		c.validateWords, c.validateListeners, c.validateMirrors, c.validateSwarm, c.validateUpload, c.validateResolve, c.validateHosts, c.validateTrust,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	if c.CacheSize < MinCacheSize {
		return usage("cache-size", "%s is too small: at least %s", c.CacheSize, MinCacheSize)
	}
	if !networkName.MatchString(c.Network) {
		return usage("network", "%q is no name of a network: 1 to 32 characters among a-z, 0-9 and \"-\"", clip(c.Network))
	}
	return nil
}

func (c Config) validateWords() error {
	for _, word := range []struct {
		flag, value string
		among       []string
	}{
		{"swarm", c.Swarm, []string{On, Off}},
		{"lan", c.LAN, []string{On, Off}},
		{"nat", c.NAT, []string{On, Off}},
		{"share", c.Share, []string{Auto, All, Off}},
		{"share-private", c.SharePrivate, []string{Auto, On, Off}},
		{"policy", string(c.Policy), []string{"strict", "balanced", "open"}},
		{"log-level", c.LogLevel, []string{"debug", "info", "warn", "error"}},
		{"log-format", c.LogFormat, []string{"text", "json"}},
	} {
		if !slices.Contains(word.among, word.value) {
			return usage(word.flag, "%q is not one of %s", clip(word.value), strings.Join(word.among, ", "))
		}
	}
	return nil
}

func (c Config) validateTrust() error {
	for _, p := range c.PolicyFor {
		if _, err := verify.ParsePolicyFor(p.String()); err != nil {
			return usage("policy-for", "%q is not GLOB=POLICY, such as *.example.com=open with strict, balanced or open", clip(p.String()))
		}
	}
	for _, glob := range c.Publishers {
		if err := verify.CheckGlob(glob); err != nil {
			return usage("publisher", "%q is no glob of host names, such as *.example.com", clip(glob))
		}
	}
	return nil
}

// listener is one address that a Config wants to listen at.
type listener struct{ flag, addr string }

func (c Config) validateListeners() error {
	listeners := []listener{{"proxy", c.Proxy}, {"admin", c.Admin}}
	for _, m := range c.Mirrors {
		listeners = append(listeners, listener{"mirror", m.Listen})
	}
	for i, l := range listeners {
		loopback, err := splitListen(l.addr)
		switch {
		case err != nil:
			return usage(l.flag, "%w", err)
		case !loopback && l.flag == "admin":
			return usage(l.flag, "%s is not on loopback: the dashboard is for this machine alone", l.addr)
		case !loopback && len(c.Allow) == 0 && c.ProxyAuth == "":
			return usage(l.flag, "%s is not on loopback: say with --allow CIDR or --proxy-auth FILE who may use it", l.addr)
		}
		for _, other := range listeners[:i] {
			if collide(l.addr, other.addr) {
				return usage(l.flag, "%s is also what --%s listens at", l.addr, other.flag)
			}
		}
	}
	for _, p := range c.Allow {
		if !p.IsValid() {
			return usage("allow", "not an address range such as 192.168.1.0/24")
		}
	}
	return nil
}

// splitListen reports whether addr, HOST:PORT, can only be reached from this
// machine. A name other than localhost could be any address.
func splitListen(addr string) (loopback bool, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false, fmt.Errorf("%q is not HOST:PORT", clip(addr))
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false, fmt.Errorf("%q has no port from 0 to 65535", clip(addr))
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback(), nil
}

// collide reports whether two valid listeners want the same port of the same
// address. Port 0 is another one each time.
func collide(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	numA, _ := strconv.Atoi(portA)
	numB, _ := strconv.Atoi(portB)
	return numA == numB && numA != 0 && (hostA == hostB || everyAddress(hostA) || everyAddress(hostB))
}

func everyAddress(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

func (c Config) validateMirrors() error {
	for _, m := range c.Mirrors {
		u := m.Origin
		switch {
		case u == nil:
			return usage("mirror", "%s has no origin", m.Listen)
		case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "":
			return usage("mirror", "origin %q is not http://HOST or https://HOST", clip(u.Redacted()))
		case u.User != nil:
			return usage("mirror", "origin %q has a user name: that is not for sharing", clip(u.Redacted()))
		case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
			return usage("mirror", "origin %q goes on behind the host: a mirror stands for a whole origin", clip(u.Redacted()))
		}
	}
	return nil
}

func (c Config) validateSwarm() error {
	if err := validateBootstrap(c.Bootstrap); err != nil {
		return &UsageError{"bootstrap", err}
	}
	if c.SwarmKey != "" && c.Network == DefaultNetwork {
		return usage("swarm-key", "network %s cannot be closed: name an own one with --network", DefaultNetwork)
	}
	seen := make(map[string]bool)
	for _, text := range c.Listen {
		addr, err := multiaddr.NewMultiaddr(text)
		if err != nil || !listenable(addr) {
			return usage("listen", "%q is no address to listen at, such as /ip4/0.0.0.0/tcp/3130 or /ip4/0.0.0.0/udp/3130/quic-v1", clip(text))
		}
		if _, err := addr.ValueForProtocol(multiaddr.P_UDP); err == nil && c.SwarmKey != "" {
			return usage("listen", "%s: with --swarm-key a node listens at TCP alone", addr)
		}
		if port := lastPort(addr); seen[addr.String()] && port != "0" {
			return usage("listen", "%s stands twice", addr)
		}
		seen[addr.String()] = true
	}
	return nil
}

func (c Config) validateUpload() error {
	switch {
	case c.UploadLimit < 0 || c.UploadLimit > 0 && c.UploadLimit.OctetsPerSecond() == 0:
		return usage("upload-limit", "%s is less than an octet a second: write 0 for no limit, or give nothing with --share off", c.UploadLimit)
	case c.UploadQuota < 0:
		return usage("upload-quota", "%s is less than nothing", c.UploadQuota)
	}
	for _, w := range c.UploadWindows {
		if _, err := swarm.ParseWindow(w.String()); err != nil {
			return usage("upload-window", "%s is no part of a day, such as 22:00-07:00", w)
		}
	}
	return nil
}

func validateBootstrap(list []string) error {
	for _, text := range list {
		if text == None {
			if len(list) > 1 {
				return errors.New(`"none" stands alone or not at all`)
			}
			return nil
		}
		if _, err := peer.AddrInfoFromString(text); err != nil {
			return fmt.Errorf("%q is no address of a node, such as /ip4/192.0.2.1/tcp/3130/p2p/12D3KooW…", clip(text))
		}
	}
	return nil
}

// listenable reports whether addr is an IP address with TCP or QUIC v1 on it,
// and nothing else.
func listenable(addr multiaddr.Multiaddr) bool {
	var names []string
	for _, p := range addr.Protocols() {
		names = append(names, p.Name)
	}
	switch strings.Join(names, "/") {
	case "ip4/tcp", "ip6/tcp", "ip4/udp/quic-v1", "ip6/udp/quic-v1":
		return true
	}
	return false
}

func lastPort(addr multiaddr.Multiaddr) string {
	for _, code := range []int{multiaddr.P_TCP, multiaddr.P_UDP} {
		if port, err := addr.ValueForProtocol(code); err == nil {
			return port
		}
	}
	return ""
}

func (c Config) validateHosts() error {
	for flag, hosts := range map[string]Hosts{"intercept": c.Intercept, "bypass": c.Bypass, "deny": c.Deny} {
		if _, err := ParseHosts(hosts); err != nil {
			return &UsageError{flag, err}
		}
	}
	return nil
}

func (c Config) validateResolve() error {
	for host, addrs := range c.Resolve {
		if host == "" || len(host) > 253 || strings.ToLower(host) != host || strings.ContainsAny(host, "/:@ \t") {
			return usage("resolve", "%q is no host name in lower case", clip(host))
		}
		if len(addrs) == 0 {
			return usage("resolve", "%s has no address", host)
		}
		for _, a := range addrs {
			if !a.IsValid() {
				return usage("resolve", "%s has an address that is none", host)
			}
		}
	}
	return nil
}
