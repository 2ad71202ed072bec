package origin

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// hopByHop are the fields that are about one connection, whether Connection
// names them or not (RFC 9110 section 7.6.1). The Proxy-Auth ones are among
// them because an origin that asks for the credentials of a proxy would get
// those meant for this one.
var hopByHop = []string{
	"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// endToEndOnly are fields which Connection cannot take away, since caching,
// sharing, framing and the client's safety rest on them.
var endToEndOnly = map[string]bool{
	"Accept-Ranges": true, "Age": true, "Allow": true, "Authorization": true, "Cache-Control": true,
	"Clear-Site-Data": true, "Cookie": true, "Date": true, "Digest": true, "Etag": true, "Expires": true,
	"Host": true, "Last-Modified": true, "Location": true, "Permissions-Policy": true, "Pragma": true, "Range": true,
	"Referrer-Policy": true, "Repr-Digest": true, "Retry-After": true, "Set-Cookie": true,
	"Strict-Transport-Security": true, "Vary": true, "Via": true, "Www-Authenticate": true,
	"X-Content-Type-Options": true, "X-Frame-Options": true,
}

func isEndToEndOnly(name string) bool {
	return endToEndOnly[name] || strings.HasPrefix(name, "Content-") || strings.HasPrefix(name, "If-") ||
		strings.HasPrefix(name, "Access-Control-") || strings.HasPrefix(name, "Cross-Origin-")
}

// endToEnd returns a copy of h without its hop-by-hop fields.
func endToEnd(h http.Header) http.Header {
	out := h.Clone()
	if out == nil {
		out = http.Header{}
	}
	for name := range elements(h, "Connection") {
		if name = http.CanonicalHeaderKey(name); !isEndToEndOnly(name) {
			delete(out, name)
		}
	}
	for _, name := range hopByHop {
		delete(out, name)
	}
	return out
}

// elements yields the members of a list field of tokens.
func elements(h http.Header, name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, line := range h.Values(name) {
			for part := range strings.SplitSeq(line, ",") {
				if part = strings.TrimSpace(part); part != "" && !yield(part) {
					return
				}
			}
		}
	}
}

// nominated returns the fields of sent that the Vary of h nominates.
func nominated(h, sent http.Header) http.Header {
	var out http.Header
	for name := range elements(h, "Vary") {
		name = http.CanonicalHeaderKey(name)
		if values := sent[name]; len(values) > 0 {
			if out == nil {
				out = http.Header{}
			}
			out[name] = append([]string(nil), values...)
		}
	}
	return out
}

// checkSent refuses a request that would not be one message on the wire.
func checkSent(method string, h http.Header) error {
	if !httpguts.ValidHeaderFieldName(method) || method == http.MethodConnect {
		return failure(fetch.BadRequest, "method %.40q", method)
	}
	for name, values := range h {
		if !httpguts.ValidHeaderFieldName(name) {
			return failure(fetch.BadRequest, "field name %.40q", name)
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return failure(fetch.BadRequest, "value of field %s", name)
			}
		}
	}
	return nil
}

// checkReceived refuses a response that is malformed in a way that net/http
// lets pass, or that has too many fields.
func checkReceived(resp *http.Response) error {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return failure(fetch.Protocol, "status 101 though nobody asked")
	}
	if resp.StatusCode < 200 || resp.StatusCode > 999 {
		return failure(fetch.Protocol, "status %d", resp.StatusCode)
	}
	if n := resp.Header["Content-Length"]; len(n) > 1 || len(n) == 1 && !isDigits(n[0]) {
		return failure(fetch.Protocol, "content-length %.80q", n)
	}
	return checkFields(resp)
}

// isCleanField refuses names that are no tokens, and in values what RFC 9110
// section 5.5 calls dangerous. Other control characters are the client's to
// judge, as when it asks directly.
func isCleanField(name string, values []string) bool {
	for _, v := range values {
		if strings.ContainsAny(v, "\x00\r\n") {
			return false
		}
	}
	return httpguts.ValidHeaderFieldName(name)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// trailerOf returns what gives the trailer fields of resp once its body has
// ended; nil when there can be none that a recipient would look for. Fields
// that must stand before a body are left out (RFC 9110 section 6.5.1).
func trailerOf(resp *http.Response) func() http.Header {
	if resp.Trailer == nil && (resp.ContentLength >= 0 || resp.Body == http.NoBody) {
		return nil
	}
	return func() http.Header {
		var out http.Header
		for name, values := range resp.Trailer {
			allowed := httpguts.ValidTrailerHeader(name) && isCleanField(name, values) && !isEndToEndInHeader(name)
			if allowed && len(values) > 0 && len(out) < maxFields {
				if out == nil {
					out = http.Header{}
				}
				out[name] = values
			}
		}
		return out
	}
}

// isEndToEndInHeader reports whether a field has its meaning only in a header
// section. Digests and entity tags may well come after a body.
func isEndToEndInHeader(name string) bool {
	switch name {
	case "Repr-Digest", "Content-Digest", "Digest", "Etag", "Date", "Last-Modified":
		return false
	}
	return isEndToEndOnly(name)
}
