package verify

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Authority is who may speak for a URL: scheme, host and port (the origin of
// RFC 6454). Authorities are comparable; the zero Authority is nobody.
type Authority struct{ scheme, host, port string }

var defaultPort = map[string]string{"http": "80", "https": "443"}

// AuthorityOf returns the authority of an absolute http or https URL. Hosts
// are compared as they are dialled: names as A-labels without regard to ASCII
// case, IP literals as addresses. A trailing dot makes another host.
func AuthorityOf(u *url.URL) (Authority, error) {
	if u == nil || u.Opaque != "" {
		return Authority{}, fmt.Errorf("%w: no absolute url", ErrMalformed)
	}
	scheme := strings.ToLower(u.Scheme)
	if defaultPort[scheme] == "" {
		return Authority{}, fmt.Errorf("%w: no authority in a %q url", ErrMalformed, u.Scheme)
	}
	host, err := hostOf(u.Hostname())
	if err != nil {
		return Authority{}, fmt.Errorf("%w: host of a %s url: %w", ErrMalformed, scheme, err)
	}
	port := u.Port()
	if port == "" {
		port = defaultPort[scheme]
	}
	return Authority{scheme, host, port}, nil
}

// hostOf never folds two hosts into one that a dialler tells apart: folding
// the case of a name that is not ASCII would (U+0130 is i to Unicode, but not
// to IDNA).
func hostOf(h string) (string, error) {
	if strings.Contains(h, ":") {
		addr, err := netip.ParseAddr(h)
		if err == nil && addr.Zone() != "" {
			err = fmt.Errorf("address with a zone, which means nothing elsewhere")
		}
		return addr.String(), err
	}
	if !utf8.ValidString(h) || h == "" {
		return "", fmt.Errorf("no host name %q", h)
	}
	if !isASCII(h) {
		a, err := idna.Lookup.ToASCII(h)
		if err != nil {
			return "", err
		}
		h = a
	}
	return strings.ToLower(h), nil
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// Secure reports whether the authority is spoken to over TLS.
func (a Authority) Secure() bool { return a.scheme == "https" }

// String returns scheme://host:port, an IPv6 address in brackets.
func (a Authority) String() string { return a.scheme + "://" + net.JoinHostPort(a.host, a.port) }

// subjectOf returns the URL that evidence is about and its authority. Two URLs
// have one subject only if a client sends the same request for both to the
// same server: neither dot segments nor percent-encodings are touched, and the
// fragment, which no origin ever sees, is dropped. A URL with userinfo, whose
// answer is for one user, is no subject.
func subjectOf(u *url.URL) (Authority, string, error) {
	a, err := AuthorityOf(u)
	if err != nil {
		return Authority{}, "", err
	}
	target := u.EscapedPath()
	if target == "" {
		target = "/"
	}
	if u.User != nil || target[0] != '/' || !utf8.ValidString(u.RawQuery) {
		return Authority{}, "", fmt.Errorf("%w: a %s url that no evidence can be about", ErrMalformed, a.scheme)
	}
	if u.ForceQuery || u.RawQuery != "" {
		target += "?" + u.RawQuery
	}
	return a, strings.TrimSuffix(a.String(), ":"+defaultPort[a.scheme]) + target, nil
}
