package cache

import (
	"net/http"
	"slices"
	"strings"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// sameVersion reports whether the 304 answer m may update the stored response
// old (RFC 9111 section 4.3.4): a strong entity tag must be old's own; without
// one, weak validators must agree with old's; without any, the 304 answers the
// condition that was made of old's validators.
func sameVersion(old, m *fetch.Meta) bool {
	if m.Method == http.MethodHead && m.Status == http.StatusOK {
		return sameHead(old, m)
	}
	if m.Status != http.StatusNotModified {
		return false
	}
	if tag := m.StrongETag(); tag != "" {
		return tag == old.StrongETag()
	}
	if tags := m.Header.Values("Etag"); len(tags) > 0 {
		had := old.Header.Values("Etag")
		return len(tags) == 1 && len(had) == 1 && opaque(tags[0]) == opaque(had[0])
	}
	if _, given := m.Header["Last-Modified"]; given {
		return sameModified(old, m)
	}
	return true
}

// sameHead reports whether m, a 200 answer to HEAD, may update old: each
// validator that it has is old's, and so is the length (RFC 9111 section 4.3.5).
func sameHead(old, m *fetch.Meta) bool {
	if old.Status != http.StatusOK || m.Length >= 0 && m.Length != old.Length || m.Coding() != old.Coding() {
		return false
	}
	if tags := m.Header.Values("Etag"); len(tags) > 0 && !slices.Equal(tags, old.Header.Values("Etag")) {
		return false
	}
	_, given := m.Header["Last-Modified"]
	return !given || sameModified(old, m)
}

// opaque is an entity tag for the weak comparison (RFC 9110 section 8.8.3.2).
func opaque(tag string) string { return strings.TrimPrefix(strings.Trim(tag, " \t"), "W/") }

func sameModified(old, m *fetch.Meta) bool {
	a, b := old.Header.Values("Last-Modified"), m.Header.Values("Last-Modified")
	if slices.Equal(a, b) {
		return true
	}
	at, ok := date(old.Header, "Last-Modified", old.ResponseTime)
	now, also := date(m.Header, "Last-Modified", m.ResponseTime)
	return ok && also && at.Equal(now)
}

// merged returns old as the 304 answer m to req updates it (RFC 9111 section
// 3.2). The body, and with it digest, coding, length and evidence, stays.
func merged(req *fetch.Request, old, m *fetch.Meta) *fetch.Meta {
	next := *old
	next.RequestTime, next.ResponseTime = m.RequestTime, m.ResponseTime
	next.Authorized = old.Authorized || m.Authorized
	next.Header = old.Header.Clone()
	if next.Header == nil {
		next.Header = http.Header{}
	}
	next.Header.Del("Age") // of the answer that brought it
	for name, values := range storedFields(m) {
		if !boundToBody[name] {
			next.Header[name] = values
		}
	}
	if _, varies := m.Header["Vary"]; varies {
		next.Vary = nominated(next.Header, req.Header)
	}
	return &next
}

// boundToBody are fields that describe the octets as they are stored, which a
// 304 does not send anew: RFC 9111 section 3.2 excepts Content-Length always,
// and the others for a cache that depends on them, as this one depends on the
// coding under which it has hashed and serves the body.
var boundToBody = map[string]bool{"Content-Length": true, "Content-Encoding": true, "Content-Range": true}

// perHop are fields that are never stored (RFC 9111 section 3.1, RFC 9110
// section 7.6.1).
var perHop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Te", "Transfer-Encoding", "Upgrade",
	"Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization",
}

// storedForm returns m as it is stored.
func storedForm(m *fetch.Meta) *fetch.Meta {
	kept := *m
	kept.Header, kept.Vary = storedFields(m), m.Vary.Clone()
	return &kept
}

// storedFields returns a copy of m's fields as they are stored: without those
// that are for one hop, and with the Date that every stored response needs
// (RFC 9110 section 6.6.1).
func storedFields(m *fetch.Meta) http.Header {
	h := m.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	for _, line := range h.Values("Connection") {
		for e := range elements(line) {
			h.Del(e)
		}
	}
	for _, name := range perHop {
		h.Del(name)
	}
	if _, ok := date(h, "Date", m.ResponseTime); !ok {
		h.Set("Date", m.ResponseTime.UTC().Format(http.TimeFormat))
	}
	return h
}

// stillShared reports whether a response that was shared may be after a 304
// has changed its fields. It only ever takes sharing away.
func stillShared(m *fetch.Meta) bool {
	names, star := varyNames(m.Header)
	others := slices.ContainsFunc(names, func(n string) bool { return n != "Accept-Encoding" })
	c := controlOf(m.Header)
	return !star && !others && len(m.Header.Values("Set-Cookie")) == 0 && !c.noStore && !c.private
}
