package proxy

import (
	"net/http"
	"strconv"
	"time"

	"github.com/dunglas/httpsfv"

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
	if s.Evidence != nil {
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

// cacheStatus is a member of the Cache-Status list (RFC 9211).
func cacheStatus(s fetch.Served) string {
	item := httpsfv.NewItem(httpsfv.Token(cacheName))
	switch {
	case s.Hit:
		item.Params.Add("hit", true)
	case s.Forward != "":
		item.Params.Add("fwd", httpsfv.Token(s.Forward))
	}
	if s.HasTTL {
		item.Params.Add("ttl", int64(s.TTL/time.Second))
	}
	if s.Stored {
		item.Params.Add("stored", true)
	}
	if s.Collapsed {
		item.Params.Add("collapsed", true)
	}
	if s.Detail != "" {
		item.Params.Add("detail", httpsfv.Token(s.Detail))
	}
	return marshal(item)
}
