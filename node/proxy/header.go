package proxy

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// hopByHop are the fields that are about one connection, whether Connection
// names them or not (RFC 9110 section 7.6.1 and its history). TE is among
// them: whoever opens the next connection says what it can take there.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authentication-Info",
	"Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// critical are fields which Connection cannot take away, beside those that
// isCritical knows by prefix: framing, caching, credentials and the client's
// safety rest on them, and whoever lists them there wants to break one.
var critical = []string{
	"Age", "Authorization", "Cache-Control", "Cookie", "Date", "Digest", "Etag", "Expect", "Expires", "Host",
	"Last-Modified", "Location", "Origin", "Pragma", "Range", "Referrer-Policy", "Repr-Digest", "Set-Cookie",
	"Strict-Transport-Security", "Vary", "Via", "Www-Authenticate", "X-Content-Type-Options", "X-Frame-Options",
}

func isCritical(name string) bool {
	for _, prefix := range []string{"Content-", "If-", "Access-Control-", "Cross-Origin-", "Sec-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains(critical, name)
}

// dropHopByHop removes from h what is not for the next hop.
func dropHopByHop(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); !isCritical(name) {
				delete(h, name)
			}
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// isLoop reports whether a request has been at the node called name before
// (RFC 9110 section 7.6.3).
func isLoop(h http.Header, name string) bool {
	for _, line := range h["Via"] {
		for member := range strings.SplitSeq(line, ",") {
			if words := strings.Fields(member); len(words) >= 2 && strings.EqualFold(words[1], name) {
				return true
			}
		}
	}
	return false
}

// endTrailer returns the fields of t that may stand in a trailer section and
// that announced names; a nil announced means all.
func endTrailer(t http.Header, announced http.Header) http.Header {
	out := http.Header{}
	for name, values := range t {
		_, expected := announced[name]
		if announced != nil && !expected || !httpguts.ValidTrailerHeader(name) || slices.Contains(hopByHop, name) {
			continue
		}
		if len(values) > 0 && len(out) < maxFields {
			out[name] = values
		}
	}
	return out
}
