package cache

import (
	"iter"
	"net/http"
	"strings"
	"time"
)

// control is the Cache-Control of one message, all field lines together (RFC
// 9111 section 5.2). Unknown directives are ignored. Where a message says
// something twice, or badly, the reading that reuses less holds.
type control struct {
	present  bool // there was a Cache-Control field
	targeted bool // it is that of a targeted field, beside which Expires does not count

	noCache, noStore, private         bool
	mustRevalidate, proxyRevalidate   bool
	public, mustUnderstand, immutable bool
	maxAge, sMaxAge, minFresh         seconds
	maxStale, staleIfError            seconds
	staleWhileRevalidate              seconds
}

// seconds is a delta-seconds argument.
type seconds struct {
	set bool
	n   time.Duration
}

// maxDelta stands for every delta-seconds that is larger (RFC 9111 section
// 1.2.2). Four of them still fit into a Duration.
const maxDelta = 1 << 31 * time.Second

// controlOf reads the Cache-Control of a message.
func controlOf(h http.Header) control {
	var c control
	for _, line := range h.Values("Cache-Control") {
		c.present = true
		for name, arg := range directives(line) {
			c.add(name, arg)
		}
	}
	return c
}

// requestControl reads the Cache-Control of a request, and Pragma when there
// is none (RFC 9111 section 5.4).
func requestControl(h http.Header) control {
	c := controlOf(h)
	if c.present {
		return c
	}
	for _, line := range h.Values("Pragma") {
		for name := range directives(line) {
			c.noCache = c.noCache || name == "no-cache"
		}
	}
	return c
}

// add takes one directive. What restricts reuse counts also when its argument
// is odd (a qualified no-cache or private is as good as a bare one); what
// permits reuse must be well formed.
func (c *control) add(name string, arg argument) {
	switch name {
	case "no-cache":
		c.noCache = true
	case "no-store":
		c.noStore = true
	case "private":
		c.private = true
	case "must-revalidate":
		c.mustRevalidate = true
	case "proxy-revalidate":
		c.proxyRevalidate = true
	case "public":
		c.public = c.public || !arg.bad
	case "must-understand":
		c.mustUnderstand = c.mustUnderstand || !arg.bad
	case "immutable":
		c.immutable = c.immutable || !arg.bad
	case "max-age":
		c.maxAge.least(arg)
	case "s-maxage":
		c.sMaxAge.least(arg)
	case "stale-if-error":
		c.staleIfError.least(arg)
	case "stale-while-revalidate":
		c.staleWhileRevalidate.least(arg)
	case "max-stale":
		if !arg.given && !arg.bad { // any staleness (RFC 9111 section 5.2.1.2)
			arg.text, arg.given = "2147483648", true
		}
		c.maxStale.least(arg)
	case "min-fresh":
		c.minFresh.most(arg)
	}
}

// least keeps the smallest of several values; one that is no number is 0.
func (s *seconds) least(a argument) {
	n, ok := a.seconds()
	if !ok {
		n = 0
	}
	if !s.set || n < s.n {
		s.n = n
	}
	s.set = true
}

// most keeps the largest of several values; one that is no number is endless.
func (s *seconds) most(a argument) {
	n, ok := a.seconds()
	if !ok {
		n = maxDelta
	}
	s.set, s.n = true, max(s.n, n)
}

// argument is what stands behind the name of a directive.
type argument struct {
	text  string // without quotes
	given bool   // there was a "="
	bad   bool   // something stands there that the grammar does not allow
}

// seconds reads a delta-seconds, quoted or not.
func (a argument) seconds() (time.Duration, bool) {
	if !a.given || a.bad {
		return 0, false
	}
	return deltaSeconds(a.text)
}

// deltaSeconds reads one or more digits, and nothing else.
func deltaSeconds(s string) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(n*10+int64(s[i]-'0'), int64(maxDelta/time.Second))
	}
	return time.Duration(n) * time.Second, true
}

// directives yields the directives of one field line, names in lower case.
func directives(line string) iter.Seq2[string, argument] {
	return func(yield func(string, argument) bool) {
		for e := range elements(line) {
			name, arg := directive(e)
			if name != "" && !yield(name, arg) {
				return
			}
		}
	}
}

// elements yields the elements of a comma-separated list, trimmed, empty ones
// left out. Commas inside quoted strings do not separate; a quote that is
// never closed is a character like others, so that it hides nothing.
func elements(line string) iter.Seq[string] {
	return func(yield func(string) bool) {
		start, quotes := 0, true
		for i := 0; i <= len(line); i++ {
			if i == len(line) || line[i] == ',' {
				if e := strings.Trim(line[start:i], " \t"); e != "" && !yield(e) {
					return
				}
				start = i + 1
			} else if line[i] == '"' && quotes {
				n := quoted(line[i:])
				quotes = n > 0
				i += n
			}
		}
	}
}

// quoted returns the index of the quote that closes the quoted string at the
// front of s, or 0.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return 0
}

// directive takes token [ "=" ( token / quoted-string ) ] apart.
func directive(e string) (string, argument) {
	n := 0
	for n < len(e) && isTokenChar(e[n]) {
		n++
	}
	name, rest := strings.ToLower(e[:n]), e[n:]
	value, given := strings.CutPrefix(rest, "=")
	switch {
	case rest == "":
		return name, argument{}
	case !given:
		return name, argument{bad: true}
	case len(value) > 1 && value[0] == '"' && quoted(value) == len(value)-1:
		return name, argument{text: unescape(value[1 : len(value)-1]), given: true}
	}
	return name, argument{text: value, given: true, bad: !isToken(value)}
}

// unescape resolves the quoted pairs of a quoted string.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// isToken reports whether s is a token (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenChar(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
