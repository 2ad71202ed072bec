package fetch

import (
	"net/http"
	"strings"

	"github.com/flashcrowd/flashcrowd/verify"
)

// ShareMode is what is announced to others (design.md section 7).
type ShareMode string

// The share modes. The zero value is ShareAuto.
const (
	// ShareAuto announces provable objects of MinSwarmBody octets and more,
	// never HTML.
	ShareAuto ShareMode = "auto"
	// ShareAll announces every shareable object.
	ShareAll ShareMode = "all"
	// ShareOff announces nothing and serves nothing.
	ShareOff ShareMode = "off"
)

// MinSwarmBody is the length in octets from which strangers are asked for a
// body: below it the origin has delivered before a look-up could end.
const MinSwarmBody = 1 << 20

// MaxSwarmBody is the longest body that is exchanged. Its pieces are 4 MiB, of
// which one and its check still fit into the memory of a transfer.
const MaxSwarmBody = 32 << 30

// Sharing is what this node gives to others and asks of them.
type Sharing struct {
	Mode ShareMode
	// Private allows objects of private addresses and names: for networks
	// that the user made, never for the public one.
	Private bool
}

// Shareable reports whether the response m to req is one that anybody could
// have got from the same URL, if anybody could have that, and may be looked up,
// announced and served. When it is not, why says so, one reason an element.
func (s Sharing) Shareable(req *Request, m *Meta) (ok bool, why []string) {
	no := func(bad bool, reason string) {
		if bad {
			why = append(why, reason)
		}
	}
	no(s.Mode == ShareOff, "sharing is off: --share auto would announce and look up what anybody could have")
	no(req.NoSwarm, "the request wants no swarm")
	no(req.Method != http.MethodGet || m.Status != http.StatusOK, "not a 200 answer to GET")
	no(!plainRequest(req), "the request has fields of its own, such as Cookie or Authorization; without them the same download could be shared")
	no(req.URL.User != nil, "the URL has userinfo")
	no(len(m.Header.Values("Set-Cookie")) > 0, "the response sets a cookie; the site could leave that out for files")
	cc := directives(m.Header.Values("Cache-Control"))
	no(cc.has("private"), "the response is private; the site could send Cache-Control: public for files that are for everybody")
	no(cc.has("no-store") || directives(req.Header.Values("Cache-Control")).has("no-store"), "no-store")
	no(!varyAcceptEncodingOnly(m.Header), "the response varies by more than Accept-Encoding")
	no(!explicitlyFresh(cc, m), "no explicit freshness and no digest from the origin; the site could send Cache-Control: max-age or Repr-Digest")
	no(!s.Private && !m.PublicOrigin, "the origin is not public; --share-private on shares such on a network of your own")
	return len(why) == 0, why
}

// anyones reports whether Shareable is true or would be, were nothing switched
// off: what anybody could have got is no secret, whether or not this node gives
// it to others by itself.
func (s Sharing) anyones(req *Request, m *Meta) bool {
	s.Mode = ShareAuto
	ok, _ := s.Shareable(req, m)
	return ok && !tokenLike(req.URL)
}

// Exports reports whether the stored response m, which anybody could have got
// when it was fetched, may be carried to other machines under the settings of
// now.
func (s Sharing) Exports(m *Meta) bool { return s.Private || m.PublicOrigin }

// offers reports whether a stored response, which passed Shareable when it was
// fetched, may be served under the settings of now.
func (s Sharing) offers(m *Meta) bool {
	announced, _ := s.Announced(m)
	return s.Mode != ShareOff && m.Shared && announced && (s.Private || m.PublicOrigin)
}

// Announced reports whether a shareable response is looked up, announced and
// served to others.
func (s Sharing) Announced(m *Meta) (ok bool, why string) {
	if s.Mode == ShareAll {
		return true, ""
	}
	if m.Length < MinSwarmBody {
		return false, "the body is shorter than 1 MiB; --share all announces short ones, too"
	}
	for _, line := range m.Header.Values("Content-Type") {
		if strings.Contains(strings.ToLower(line), "html") { // whatever a browser makes of a malformed one
			return false, "HTML is not announced"
		}
	}
	return true, ""
}

// plainFields are the request fields that say nothing about who asks for what
// beyond the URL. A request with any other field is its sender's own.
var plainFields = fieldSet(
	"Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Connection", "Date", "Dnt",
	"If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since",
	"Max-Forwards", "Origin", "Pragma", "Priority", "Purpose", "Range", "Referer", "Save-Data",
	"Docker-Distribution-Api-Version", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User", "Sec-Gpc", "Sec-Purpose",
	"Sec-Ch-Ua", "Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform", "Te", "Upgrade-Insecure-Requests",
	"User-Agent", "Via", "Want-Content-Digest", "Want-Digest", "Want-Repr-Digest",
)

func plainRequest(req *Request) bool {
	if req.Body != nil && req.Length != 0 {
		return false
	}
	for name := range req.Header {
		if !plainFields[http.CanonicalHeaderKey(name)] {
			return false
		}
	}
	return true
}

func varyAcceptEncodingOnly(h http.Header) bool {
	for _, line := range h.Values("Vary") {
		for name := range strings.SplitSeq(line, ",") {
			if n := strings.TrimSpace(name); n != "" && !strings.EqualFold(n, "Accept-Encoding") {
				return false
			}
		}
	}
	return true
}

func explicitlyFresh(cc directiveSet, m *Meta) bool {
	if cc.has("max-age") || cc.has("s-maxage") || cc.has("immutable") || len(m.Header.Values("Expires")) > 0 {
		return true
	}
	return len(m.Evidence) > 0 && m.Evidence[0].Level() >= verify.E7
}

// directiveSet holds names of Cache-Control directives in lower case. Their
// values, and all that follows from them, are the cache's business.
type directiveSet map[string]bool

func (d directiveSet) has(name string) bool { return d[name] }

// directives reads the names of the directives in all lines of a Cache-Control
// field (RFC 9111 section 5.2); commas within quoted strings do not part them.
// A string that does not end hides nothing.
func directives(lines []string) directiveSet {
	set := directiveSet{}
	for _, line := range lines {
		parts, closed := elements(line)
		if !closed {
			parts = strings.Split(line, ",")
		}
		for _, p := range parts {
			name, _, _ := strings.Cut(p, "=")
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
				set[name] = true
			}
		}
	}
	return set
}

// elements parts a list at the commas outside its quoted strings, and reports
// whether all of these end.
func elements(line string) (parts []string, closed bool) {
	quoted, escaped, from := false, false, 0
	for i := range len(line) {
		switch c := line[i]; {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			parts = append(parts, line[from:i])
			from = i + 1
		}
	}
	return append(parts, line[from:]), !quoted
}

func fieldSet(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[http.CanonicalHeaderKey(n)] = true
	}
	return set
}
