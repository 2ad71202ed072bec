package origin

import (
	"fmt"
	"net/netip"
	"strings"
)

// Class is how far an address reaches. The zero Class is Forbidden.
type Class int

// The classes, from the narrowest.
const (
	// Forbidden addresses are never dialled: link-local ones, where clouds
	// keep credentials, and those that name no single host.
	Forbidden Class = iota
	// Private addresses mean something else on each network.
	Private
	// Public addresses are globally routable.
	Public
)

// String returns the name of the class in lower case.
func (c Class) String() string {
	switch c {
	case Private:
		return "private"
	case Public:
		return "public"
	default:
		return "forbidden"
	}
}

// special holds what is not Public, by the IANA special-purpose registries
// (RFC 6890 and its updates), and the addresses under which clouds offer
// credentials to whoever asks. The first prefix that contains an address
// decides.
var special = []struct {
	prefix netip.Prefix
	class  Class
}{
	{netip.MustParsePrefix("0.0.0.0/8"), Forbidden},
	{netip.MustParsePrefix("169.254.0.0/16"), Forbidden},
	{netip.MustParsePrefix("224.0.0.0/4"), Forbidden},
	{netip.MustParsePrefix("255.255.255.255/32"), Forbidden},
	{netip.MustParsePrefix("100.100.100.200/32"), Forbidden}, // Alibaba Cloud metadata
	{netip.MustParsePrefix("168.63.129.16/32"), Forbidden},   // Azure wire server
	{netip.MustParsePrefix("192.0.0.192/32"), Forbidden},     // Oracle Cloud metadata
	{netip.MustParsePrefix("10.0.0.0/8"), Private},
	{netip.MustParsePrefix("100.64.0.0/10"), Private}, // carrier-grade NAT
	{netip.MustParsePrefix("127.0.0.0/8"), Private},
	{netip.MustParsePrefix("172.16.0.0/12"), Private},
	{netip.MustParsePrefix("192.0.0.0/24"), Private},
	{netip.MustParsePrefix("192.0.2.0/24"), Private}, // documentation
	{netip.MustParsePrefix("192.88.99.0/24"), Private},
	{netip.MustParsePrefix("192.168.0.0/16"), Private},
	{netip.MustParsePrefix("198.18.0.0/15"), Private},
	{netip.MustParsePrefix("198.51.100.0/24"), Private},
	{netip.MustParsePrefix("203.0.113.0/24"), Private},
	{netip.MustParsePrefix("240.0.0.0/4"), Private},

	{netip.MustParsePrefix("::/128"), Forbidden},
	{netip.MustParsePrefix("fe80::/10"), Forbidden},
	{netip.MustParsePrefix("ff00::/8"), Forbidden},
	{netip.MustParsePrefix("fd00:ec2::254/128"), Forbidden}, // AWS metadata
	{netip.MustParsePrefix("fd20:ce::254/128"), Forbidden},  // Google Cloud metadata
	{netip.MustParsePrefix("::1/128"), Private},
	{netip.MustParsePrefix("64:ff9b:1::/48"), Private},
	{netip.MustParsePrefix("2001::/23"), Private},     // Teredo, ORCHID, benchmarks
	{netip.MustParsePrefix("2001:db8::/32"), Private}, // documentation
	{netip.MustParsePrefix("3fff::/20"), Private},     // documentation
}

var (
	global6 = netip.MustParsePrefix("2000::/3")
	// An IPv4 address stands within these from the octet given.
	compatible = netip.MustParsePrefix("::/96")        // RFC 4291, deprecated
	nat64      = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	sixToFour  = netip.MustParsePrefix("2002::/16")    // RFC 3056
)

// Classify returns the class of a. An IPv6 address that stands for an IPv4
// address has the class of the latter.
func Classify(a netip.Addr) Class {
	if !a.IsValid() {
		return Forbidden
	}
	class := classify(a.WithZone("").Unmap())
	if a.Zone() != "" {
		return min(class, Private)
	}
	return class
}

func classify(a netip.Addr) Class {
	for _, s := range special {
		if s.prefix.Contains(a) {
			return s.class
		}
	}
	octets := a.As16()
	switch {
	case a.Is4():
		return Public
	case compatible.Contains(a):
		return min(classify(netip.AddrFrom4([4]byte(octets[12:]))), Private)
	case nat64.Contains(a):
		return classify(netip.AddrFrom4([4]byte(octets[12:])))
	case sixToFour.Contains(a):
		return classify(netip.AddrFrom4([4]byte(octets[2:])))
	case global6.Contains(a):
		return Public
	default:
		return Private
	}
}

// Guard decides which addresses may be dialled. The zero Guard is for what
// the local user asks: everything but Forbidden addresses.
type Guard struct {
	// Gateway: the request may come from any web page, so private addresses
	// are only for hosts that are literal addresses or pinned.
	Gateway bool
	// Pinned reports whether the user pinned a host name; nil means none.
	Pinned func(host string) bool
}

// Check returns nil if to may be dialled for a URL with host, and else an
// *AddressError.
func (g Guard) Check(host string, to netip.Addr) error {
	class := Classify(to)
	switch {
	case class == Public:
		return nil
	case class == Private && (!g.Gateway || isLiteral(host) || g.Pinned != nil && g.Pinned(host)):
		return nil
	default:
		return &AddressError{Host: host, Addr: to, Class: class}
	}
}

// isLiteral reports whether host is an IP address in its usual form. Others,
// such as 2130706433, are names for whoever resolves them.
func isLiteral(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Zone() == ""
}

// AddressError says that the guard refused an address.
type AddressError struct {
	Host  string
	Addr  netip.Addr
	Class Class
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("origin: %s leads to the %s address %s", e.Host, e.Class, e.Addr)
}

// localNames are the domains that no public DNS knows: RFC 2606, 6761, 6762
// with its appendix G, 7686, 8375, 9476, and .internal (ICANN, 2024).
var localNames = map[string]bool{
	"alt": true, "corp": true, "example": true, "home": true, "home.arpa": true, "internal": true,
	"intranet": true, "invalid": true, "lan": true, "local": true, "localdomain": true,
	"localhost": true, "onion": true, "private": true, "test": true,
}

// PublicName reports whether host, as in a URL but without port and brackets,
// is a name in the public DNS or a public address.
func PublicName(host string) bool {
	host = normalName(host)
	if a, err := netip.ParseAddr(host); err == nil {
		return Classify(a) == Public
	}
	labels := strings.Split(host, ".")
	n := len(labels)
	if n < 2 || localNames[labels[n-1]] || localNames[labels[n-2]+"."+labels[n-1]] {
		return false
	}
	for _, l := range labels {
		if l == "" {
			return false
		}
	}
	// A name that ends in a number is an address in a form that some
	// resolvers take, such as 127.1.
	last := labels[n-1]
	return last[0] < '0' || last[0] > '9'
}

// normalName is the form in which host names are compared.
func normalName(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }
