package proxy

import (
	"net/http"
	"strconv"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// cacheName is this cache in Cache-Status and Proxy-Status.
const cacheName = "flashcrowd"

// label says in h how the response was made. What caches and proxies nearer to
// the origin said stands before it; what only this node may say is its own.
func label(h http.Header, name string, s fetch.Served) {
	h.Add("Via", "1.1 "+name)
	h.Add("Cache-Status", cacheStatus(s))
	if s.Hit || s.Collapsed || s.Age > 0 {
		h.Set("Age", strconv.FormatInt(max(0, int64(s.Age/time.Second)), 10))
	}
	delete(h, "Flashcrowd-Evidence")
	switch {
	case s.Prospect != "":
		h.Set("Flashcrowd-Evidence", s.Prospect)
	case s.Evidence != nil:
		h.Set("Flashcrowd-Evidence", s.Evidence.Field())
	}
}

// noteForwarded says in h that the origin had answered with another status than
// the one the client gets (RFC 9211 section 2.3).
func noteForwarded(h http.Header, forwarded, status int) {
	lines := h["Cache-Status"]
	if forwarded == 0 || forwarded == status || len(lines) == 0 {
		return
	}
	lines[len(lines)-1] += ";fwd-status=" + strconv.Itoa(forwarded)
}

// cacheStatus is a member of the Cache-Status list (RFC 9211). All that goes
// into it are tokens and numbers of ours, so it is put together as RFC 8941
// writes them; TestCacheStatusParses holds it against a parser.
func cacheStatus(s fetch.Served) string {
	b := make([]byte, 0, 64)
	b = append(b, cacheName...)
	switch {
	case s.Hit:
		b = append(b, ";hit"...)
	case s.Forward != "":
		b = append(append(b, ";fwd="...), s.Forward...)
	}
	if s.HasTTL {
		b = strconv.AppendInt(append(b, ";ttl="...), int64(s.TTL/time.Second), 10)
	}
	if s.Stored {
		b = append(b, ";stored"...)
	}
	if s.Collapsed {
		b = append(b, ";collapsed"...)
	}
	if s.Detail != "" {
		b = append(append(b, ";detail="...), s.Detail...)
	}
	return string(b)
}
