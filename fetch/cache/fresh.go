package cache

import (
	"net/http"
	"strings"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// verdict is whether a stored response may answer a request (RFC 9111 section
// 4), as of one moment.
type verdict struct {
	age, ttl       time.Duration
	fresh, staleOK bool
	// unwanted and revalidate as in fetch.Stored.
	unwanted, revalidate bool
}

// clockSlack is how far in the future a response may have come before the
// clock must have been set back. Then its age is unknown, and it is stale.
const clockSlack = time.Minute

// judge holds the stored response m against the directives asked of a request.
// A response that was marked invalid (RFC 9111 section 4.4), or that says
// no-cache, is never used without validation, and neither is any other when
// the request says no-cache.
func judge(asked control, face fetch.Face, m *fetch.Meta, invalid bool, now time.Time) verdict {
	c := responseControl(m.Header, face)
	v := verdict{age: currentAge(m, now)}
	v.ttl = lifetime(m, c) - v.age
	if m.ResponseTime.After(now.Add(clockSlack)) {
		v.ttl = min(v.ttl, 0)
	}
	validate := invalid || c.noCache || asked.noCache
	// RFC 9111 section 4.2.4. s-maxage has the meaning of proxy-revalidate.
	pinned := c.mustRevalidate || c.proxyRevalidate || c.sMaxAge.set
	stale := v.ttl <= 0
	young := !(asked.maxAge.set && v.age > asked.maxAge.n) && !(asked.minFresh.set && v.ttl < asked.minFresh.n)
	switch {
	case validate, stale && pinned, !young:
	case stale && !(asked.maxStale.set && -v.ttl <= asked.maxStale.n):
		v.revalidate = c.staleWhileRevalidate.set && -v.ttl <= c.staleWhileRevalidate.n
	default:
		v.fresh = true
	}
	v.unwanted = !v.fresh && !stale && !invalid && !c.noCache
	v.staleOK = !validate && (!stale || !pinned && staleIfError(asked, c, -v.ttl))
	return v
}

// staleIfError reports whether a response that has been stale for so long may
// stand in for an error (RFC 5861 section 4). Whoever sets a limit sets it; if
// nobody does, a cache that cannot reach the origin may serve it (RFC 9111
// section 4.2.4).
func staleIfError(asked, c control, staleness time.Duration) bool {
	if !asked.staleIfError.set && !c.staleIfError.set {
		return true
	}
	return staleness <= max(asked.staleIfError.n, c.staleIfError.n)
}

// lifetime is the freshness lifetime in a shared cache (RFC 9111 section
// 4.2.1). A directive or date that cannot be read makes it zero.
func lifetime(m *fetch.Meta, c control) time.Duration {
	switch {
	case c.sMaxAge.set:
		return c.sMaxAge.n
	case c.maxAge.set:
		return c.maxAge.n
	}
	if at, set := expires(m); set && !c.targeted {
		return clamp(at.Sub(dateOf(m)))
	}
	return heuristic(m, c)
}

// expires returns the earliest Expires of m. One that cannot be read, such as
// "0", has expired long ago (RFC 9111 section 5.3).
func expires(m *fetch.Meta) (at time.Time, set bool) {
	for i, v := range m.Header.Values("Expires") {
		t, ok := parseDate(strings.Trim(v, " \t"), m.ResponseTime)
		if !ok {
			return time.Time{}, true
		}
		if i == 0 || t.Before(at) {
			at = t
		}
		set = true
	}
	return at, set
}

const (
	// heuristicShare of the time since the last modification is the lifetime
	// that RFC 9111 section 4.2.2 suggests.
	heuristicShare = 10
	// heuristicMax is the longest guess.
	heuristicMax = 24 * time.Hour
)

// heuristic guesses a lifetime for a response without any (RFC 9111 section
// 4.2.2).
func heuristic(m *fetch.Meta, c control) time.Duration {
	if !heuristicallyCacheable[m.Status] && !c.public {
		return 0
	}
	modified, ok := date(m.Header, "Last-Modified", m.ResponseTime)
	if !ok {
		return 0
	}
	seen := dateOf(m)
	if seen.After(m.ResponseTime) { // an origin whose clock is ahead
		seen = m.ResponseTime
	}
	return min(clamp(seen.Sub(modified))/heuristicShare, heuristicMax)
}

// heuristicallyCacheable are the status codes of RFC 9110 section 15.1, but
// for 206.
var heuristicallyCacheable = map[int]bool{
	http.StatusOK: true, http.StatusNonAuthoritativeInfo: true, http.StatusNoContent: true,
	http.StatusMultipleChoices: true, http.StatusMovedPermanently: true, http.StatusPermanentRedirect: true,
	http.StatusNotFound: true, http.StatusMethodNotAllowed: true, http.StatusGone: true,
	http.StatusRequestURITooLong: true, http.StatusNotImplemented: true,
}

// currentAge is the age of m (RFC 9111 section 4.2.3). Clocks that jump make
// no term of it negative.
func currentAge(m *fetch.Meta, now time.Time) time.Duration {
	apparent := clamp(m.ResponseTime.Sub(dateOf(m)))
	delay := clamp(m.ResponseTime.Sub(m.RequestTime))
	resident := clamp(now.Sub(m.ResponseTime))
	return max(apparent, ageField(m.Header)+delay) + resident
}

// ageField reads Age: the first member of it, or 0 (RFC 9111 section 5.1).
func ageField(h http.Header) time.Duration {
	first, _, _ := strings.Cut(h.Get("Age"), ",")
	n, _ := deltaSeconds(strings.Trim(first, " \t"))
	return n
}

// dateOf returns the Date of m, or when it came if it has none (RFC 9110
// section 6.6.1).
func dateOf(m *fetch.Meta) time.Time {
	if t, ok := date(m.Header, "Date", m.ResponseTime); ok {
		return t
	}
	return m.ResponseTime
}

// date reads a field that is a single date.
func date(h http.Header, name string, now time.Time) (time.Time, bool) {
	v := h.Values(name)
	if len(v) != 1 {
		return time.Time{}, false
	}
	return parseDate(strings.Trim(v[0], " \t"), now)
}

func clamp(d time.Duration) time.Duration { return min(max(d, 0), maxDelta) }
