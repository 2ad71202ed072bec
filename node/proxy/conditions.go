package proxy

import (
	"net/http"
	"strings"
	"time"
)

// precondition is what the conditions of a request come to (RFC 9110 section
// 13.2.2).
type precondition int

const (
	holds precondition = iota
	notModified
	failed
)

// evaluate holds the conditions of r against a 200 response with the fields h.
// If-Match and If-Unmodified-Since a cache may ignore; here they hold or fail,
// since a client that pieces a download together must not get another version.
func evaluate(r, h http.Header) precondition {
	if tags, given := r["If-Match"]; given {
		if !matches(tags, h, strongly) {
			return failed
		}
	} else if at, ok := dateIn(r, "If-Unmodified-Since"); ok {
		if modified, known := dateIn(h, "Last-Modified"); known && modified.After(at) {
			return failed
		}
	}
	if tags, given := r["If-None-Match"]; given {
		if matches(tags, h, weakly) {
			return notModified
		}
		return holds
	}
	if at, ok := dateIn(r, "If-Modified-Since"); ok && !changedSince(h, at) {
		return notModified
	}
	return holds
}

// changedSince reports whether a response with the fields h is younger than at.
// Where it does not say when it was modified, Date counts (RFC 9111 section
// 4.3.2).
func changedSince(h http.Header, at time.Time) bool {
	name := "Last-Modified"
	if len(h[name]) == 0 {
		name = "Date"
	}
	modified, ok := dateIn(h, name)
	return !ok || modified.After(at)
}

// takesRange reports whether the Range of r may be answered from a response
// with the fields h (RFC 9110 section 13.1.5): If-Range must be its strong
// entity tag, or its Last-Modified if that is a strong validator.
func takesRange(r, h http.Header) bool {
	lines, given := r["If-Range"]
	if !given {
		return true
	}
	if len(lines) != 1 {
		return false
	}
	if tag := strings.Trim(lines[0], " \t"); strings.HasPrefix(tag, `"`) {
		return len(h["Etag"]) == 1 && tag == h["Etag"][0] // one tag, never a list
	}
	at, ok := dateIn(r, "If-Range")
	modified, known := dateIn(h, "Last-Modified")
	return ok && known && at.Equal(modified) && isStrongDate(h, modified)
}

// isStrongDate reports whether Last-Modified can tell two versions apart: it is
// a second or more before the Date (RFC 9110 section 8.8.2.2).
func isStrongDate(h http.Header, modified time.Time) bool {
	seen, ok := dateIn(h, "Date")
	return !ok || seen.Sub(modified) >= time.Second
}

func strongly(a, b string) bool { return a == b && !strings.HasPrefix(a, "W/") }

func weakly(a, b string) bool { return strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/") }

// matches reports whether one of the entity tags in lines is that of h, or the
// lines are "*", which any representation matches.
func matches(lines []string, h http.Header, same func(a, b string) bool) bool {
	if len(lines) == 1 && strings.TrimSpace(lines[0]) == "*" {
		return true
	}
	own := h["Etag"]
	if len(own) != 1 || own[0] == "" {
		return false
	}
	for _, line := range lines {
		for line != "" {
			var tag string
			tag, line = nextTag(line)
			if tag != "" && same(tag, own[0]) {
				return true
			}
		}
	}
	return false
}

// nextTag cuts the first member of a list of entity tags off. Commas within
// quotes are part of the tag (RFC 9110 section 8.8.3). A member that is no
// entity tag is taken as it stands: some origins send tags without quotes.
func nextTag(s string) (tag, rest string) {
	s = strings.TrimLeft(s, " \t,")
	start := strings.IndexByte(s, '"')
	if comma := strings.IndexByte(s, ','); start < 0 || comma >= 0 && comma < start {
		tag, rest, _ = strings.Cut(s, ",")
		return strings.TrimRight(tag, " \t"), rest
	}
	end := strings.IndexByte(s[start+1:], '"')
	if end < 0 {
		return "", ""
	}
	end += start + 2
	tag, rest = s[:end], s[end:]
	if over, after, _ := strings.Cut(rest, ","); strings.Trim(over, " \t") != "" {
		return "", after // no member of such a list
	}
	return tag, rest
}

// dateIn returns the date in a field that must be a single one, in one of the
// three forms of RFC 9110 section 5.6.7. http.ParseTime alone takes any zone
// and any number of digits.
func dateIn(h http.Header, name string) (time.Time, bool) {
	lines := h[name]
	if len(lines) != 1 {
		return time.Time{}, false
	}
	s := strings.Trim(lines[0], " \t")
	t, err := http.ParseTime(s)
	if err != nil {
		return time.Time{}, false
	}
	for _, form := range []string{http.TimeFormat, "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
		if t.UTC().Format(form) == s {
			return t, true
		}
	}
	return time.Time{}, false
}

// unconditional returns r without what evaluate and takesRange have decided.
func unconditional(r *http.Request) *http.Request {
	c := *r
	c.Header = r.Header.Clone()
	for _, name := range []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"} {
		delete(c.Header, name)
	}
	return &c
}
