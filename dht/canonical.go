package dht

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ErrURL is returned for a URL that has no canonical form here: not absolute,
// neither http nor https, with userinfo, or without a host.
var ErrURL = errors.New("dht: url has no key")

var defaultPort = map[string]string{"http": "80", "https": "443"}

// Canonical returns the canonical form of u (RFC 3986 sections 6.2.2 and
// 6.2.3): scheme and host in lower case (the host as A-labels), default port
// dropped, percent-encodings of unreserved characters decoded and the others
// in upper case, dot segments removed, an empty path written "/", the fragment
// dropped and the query kept with its order.
//
// Two URLs with equal canonical forms are one resource to every origin that
// follows RFC 3986; the reverse does not hold and costs only a missed peer.
func Canonical(u *url.URL) (string, error) {
	c, err := canonical(u)
	if err != nil {
		return "", err
	}
	return c.String(), nil
}

func canonical(u *url.URL) (*url.URL, error) {
	scheme := strings.ToLower(u.Scheme)
	if defaultPort[scheme] == "" {
		return nil, fmt.Errorf("%w: scheme %q", ErrURL, u.Scheme)
	}
	if u.User != nil {
		return nil, fmt.Errorf("%w: userinfo", ErrURL)
	}
	if u.Opaque != "" || u.Hostname() == "" {
		return nil, fmt.Errorf("%w: no host", ErrURL)
	}
	host, err := canonicalHost(u.Hostname())
	if err != nil {
		return nil, err
	}
	port, err := canonicalPort(u.Port())
	if err != nil {
		return nil, err
	}
	host = bracketed(host)
	if port != "" && port != defaultPort[scheme] {
		host += ":" + port
	}
	escaped := removeDots(normalizeEscapes(u.EscapedPath()))
	plain, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, fmt.Errorf("%w: path: %w", ErrURL, err)
	}
	return &url.URL{
		Scheme: scheme, Host: host, Path: plain, RawPath: escaped,
		RawQuery: normalizeEscapes(u.RawQuery), ForceQuery: u.ForceQuery,
	}, nil
}

// canonicalHost returns an IPv6 literal as RFC 5952 writes it, and a name as
// A-labels. A name in ASCII that IDNA refuses but DNS knows, such as
// a_b.example, is only put in lower case.
func canonicalHost(h string) (string, error) {
	if strings.Contains(h, ":") {
		ip, err := netip.ParseAddr(h)
		if err != nil {
			return "", fmt.Errorf("%w: host: %w", ErrURL, err)
		}
		return ip.String(), nil
	}
	if a, err := idna.Lookup.ToASCII(h); err == nil && a != "" && utf8.ValidString(h) {
		return a, nil
	}
	if strings.ContainsFunc(h, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return "", fmt.Errorf("%w: host %q", ErrURL, h)
	}
	return strings.ToLower(h), nil
}

// canonicalPort returns p without leading zeros.
func canonicalPort(p string) (string, error) {
	if p == "" {
		return "", nil
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", fmt.Errorf("%w: port %q", ErrURL, p)
	}
	return strconv.FormatUint(n, 10), nil
}

func bracketed(host string) string {
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		return "[" + host + "]"
	}
	return host
}

// normalizeEscapes decodes percent-encodings of unreserved characters and
// writes the rest in upper case (RFC 3986 section 6.2.2.1 and 6.2.2.2). A "%"
// that starts no encoding becomes "%25", so that the result always parses.
func normalizeEscapes(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
			b.WriteString("%25")
			continue
		}
		if c := unhex(s[i+1])<<4 | unhex(s[i+2]); isUnreserved(c) {
			b.WriteByte(c)
		} else {
			b.WriteString(strings.ToUpper(s[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

// removeDots removes dot segments (RFC 3986 section 5.2.4). Empty segments are
// kept: "/a//b" and "/a/b" are different resources.
func removeDots(p string) string {
	if p == "" {
		return "/"
	}
	var out []string
	segments := strings.Split(strings.TrimPrefix(p, "/"), "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, s)
			continue
		}
		if last {
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/")
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}
