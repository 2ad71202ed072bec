package authority

import (
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// scope is what an authority may vouch for.
type scope struct {
	domains []string // with all below them; nil is every domain
	all     bool     // every domain
	addrs   []netip.Addr
}

// never are names that mean another machine on each machine: no authority
// vouches for them unless the list names them.
var never = []string{"localhost", "local"}

// noDomain stands for a list of domains that has none: an empty list would
// allow them all (RFC 5280 section 4.2.1.10). RFC 6761 keeps it unused.
const noDomain = "invalid"

// scopeOf returns the narrowest scope in which all hosts lie that globs match.
func scopeOf(globs []string) scope {
	var s scope
	for _, glob := range globs {
		glob = strings.ToLower(strings.TrimSuffix(glob, "."))
		if addr, err := netip.ParseAddr(glob); err == nil {
			s.addrs = append(s.addrs, addr.Unmap())
			continue
		}
		domain := glob
		if i := strings.LastIndexAny(glob, "*?"); i >= 0 {
			// Only whole labels behind the last wildcard are certain.
			_, domain, _ = strings.Cut(glob[i:], ".")
		}
		if domain == "" {
			s.all = true
			continue
		}
		s.domains = append(s.domains, domain)
	}
	slices.Sort(s.domains)
	s.domains = slices.Compact(s.domains)
	if s.all {
		s.domains = nil
	}
	return s
}

// constrain writes s into the template of an authority's certificate.
func (s scope) constrain(c *x509.Certificate) {
	c.PermittedDNSDomainsCritical = true
	c.PermittedDNSDomains = s.domains
	if len(s.domains) == 0 && !s.all {
		c.PermittedDNSDomains = []string{noDomain}
	}
	for _, name := range never {
		if !s.covers(name) {
			c.ExcludedDNSDomains = append(c.ExcludedDNSDomains, name)
		}
	}
	if len(s.addrs) == 0 {
		c.ExcludedIPRanges = []*net.IPNet{
			{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}, {IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)},
		}
	}
	for _, a := range s.addrs {
		c.PermittedIPRanges = append(c.PermittedIPRanges, &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())})
	}
}

// covers reports whether a list of domains names one or what is above it.
func (s scope) covers(name string) bool {
	return slices.ContainsFunc(s.domains, func(d string) bool { return name == d || strings.HasSuffix(name, "."+d) })
}

// fits reports whether c is neither too narrow for s nor open to every domain
// though s is not.
func (s scope) fits(c *x509.Certificate) bool {
	open := len(c.PermittedDNSDomains) == 0
	if open != s.all {
		return false
	}
	for _, d := range s.domains {
		if !(scope{domains: c.PermittedDNSDomains}).covers(d) || slices.Contains(c.ExcludedDNSDomains, d) {
			return false
		}
	}
	for _, a := range s.addrs {
		if !slices.ContainsFunc(c.PermittedIPRanges, func(n *net.IPNet) bool { return n.Contains(a.AsSlice()) }) {
			return false
		}
	}
	return true
}
