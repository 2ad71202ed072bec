package proxy

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const (
	// maxFields is the number of header fields of a request (design.md
	// section 12), Host included.
	maxFields = 256
	// maxMethod is the length of a method. The longest registered one has 17
	// octets.
	maxMethod = 32
)

// admit decides whether a request is looked at at all.
func (p *Proxy) admit(r *http.Request) error {
	if !p.admits(r.RemoteAddr) {
		if !p.stranger.Swap(true) {
			p.log.Warn("rejected", "why", "client is not allowed; further ones are not logged", "client", r.RemoteAddr)
		}
		return refuse(notAllowed, "clients at this address are not allowed")
	}
	if err := refusalOf(r); err != nil {
		return err
	}
	fields := 1
	for _, values := range r.Header {
		fields += len(values)
	}
	switch {
	case fields > maxFields:
		return refuse(headerTooLarge, "more than %d header fields", maxFields)
	case len(r.Method) > maxMethod, r.Method == "PRI", r.ProtoMajor != 1 && interceptedIn(r.Context()) == nil:
		return badRequest("request line")
	case r.Method == http.MethodTrace:
		// It shows a page what is hidden from it, and this node's own fields.
		return refuse(wrongMethod, "TRACE is not answered")
	}
	return nil
}

// admits reports whether a client at remote may use this node.
func (p *Proxy) admits(remote string) bool {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	addr := ap.Addr().Unmap().WithZone("")
	if addr.IsLoopback() || len(p.cfg.Allow) == 0 && p.cfg.Login != nil {
		return true
	}
	for _, prefix := range p.cfg.Allow {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// checkHost refuses a request to this node itself under a name that is not
// its own: a page on the web can make such a name lead here and would then
// read the answer as its own (DNS rebinding). Ports do not matter for that.
func (p *Proxy) checkHost(r *http.Request) error {
	host := hostOf(r.Host)
	if _, port, err := net.SplitHostPort(r.Host); err == nil && strings.Trim(port, "0123456789") != "" {
		return refuse(misdirected, "no address of a node: %.80q", r.Host)
	}
	if host == "localhost" {
		return nil
	}
	for _, name := range p.cfg.Hosts {
		if strings.EqualFold(name, host) {
			return nil
		}
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr = addr.Unmap(); addr.IsLoopback() || addr == listener(r).Addr() {
			return nil
		}
	}
	return refuse(misdirected, "this node is not called %.80q", r.Host)
}

// ownership says whose listener a target is.
type ownership int

const (
	nobodys ownership = iota
	thisListener
	otherListener
)

// owner says whether target is a listener of this node, as far as its spelling
// tells. What names hide, Via finds out.
func (p *Proxy) owner(r *http.Request, target *url.URL) ownership {
	port, err := strconv.ParseUint(effectivePort(target), 10, 16)
	if err != nil {
		return nobodys
	}
	host := hostOf(target.Host)
	if here := listener(r); here.Port() == uint16(port) && leadsTo(host, here.Addr()) {
		return thisListener
	}
	for _, own := range p.cfg.Own {
		if own.Port() == uint16(port) && leadsTo(host, own.Addr().Unmap()) {
			return otherListener
		}
	}
	return nobodys
}

// leadsTo reports whether a client that calls host reaches a listener at addr.
func leadsTo(host string, addr netip.Addr) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return addr.IsLoopback() || addr.IsUnspecified()
	}
	to, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	to = to.Unmap()
	if to.IsUnspecified() { // which systems take for loopback
		return addr.IsLoopback() || addr.IsUnspecified()
	}
	return to == addr || addr.IsUnspecified() && to.IsLoopback()
}

// listener returns the address that the connection of r came in by; the zero
// AddrPort when it is not known.
func listener(r *http.Request) netip.AddrPort {
	a, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if a == nil {
		return netip.AddrPort{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// hostOf returns the host of an authority without port and brackets, in lower
// case and without the dot of the root.
func hostOf(authority string) string {
	host := authority
	if h, _, err := net.SplitHostPort(authority); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// effectivePort returns the port of u, that of its scheme when it has none.
func effectivePort(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}

func badRequest(format string, args ...any) error {
	return refuse(malformed, "%s", fmt.Sprintf(format, args...))
}
