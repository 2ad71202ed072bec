package cache

import (
	"net/http"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// unstorable says why a shared cache must not store the response m to req (RFC
// 9111 section 3), or why this one has no use for it; "" if it may.
func unstorable(req *fetch.Request, m *fetch.Meta) string {
	switch {
	case req.Method != http.MethodGet || m.Method != http.MethodGet:
		return "not an answer to GET"
	case m.Status < 200 || m.Status > 999:
		return "not a final status"
	case m.Status == http.StatusPartialContent || m.Status == http.StatusNotModified:
		return "an incomplete response"
	case len(req.Header.Values("Range")) > 0:
		return "an answer to a request for a part"
	case requestControl(req.Header).noStore:
		return "the request says no-store"
	}
	return forbidden(m, m.Authorized || len(req.Header.Values("Authorization")) > 0, req.Face)
}

// forbidden is the part of unstorable that the response alone decides, and so
// what must still hold after a 304 has changed it. Authorized: the request had
// credentials.
func forbidden(m *fetch.Meta, authorized bool, face fetch.Face) string {
	c := responseControl(m.Header, face)
	if _, star := varyNames(m.Header); star {
		return "no request ever selects it"
	}
	switch {
	case c.mustUnderstand && !understood[m.Status]:
		return "the status is not understood"
	case c.noStore && !c.mustUnderstand: // RFC 9111 section 5.2.2.3
		return "the response says no-store"
	case c.private:
		return "the response is private"
	case authorized && !c.public && !c.mustRevalidate && !c.sMaxAge.set: // RFC 9111 section 3.5
		return "the request was authorized"
	}
	_, expiring := expires(m)
	expiring = expiring && !c.targeted
	if !heuristicallyCacheable[m.Status] && !c.public && !c.maxAge.set && !c.sMaxAge.set && !expiring {
		return "neither the status nor a directive allows it"
	}
	return ""
}

// understood are the status codes whose meaning for caches is obeyed here.
var understood = map[int]bool{
	http.StatusOK: true, http.StatusNonAuthoritativeInfo: true, http.StatusNoContent: true,
	http.StatusMultipleChoices: true, http.StatusMovedPermanently: true, http.StatusFound: true,
	http.StatusSeeOther: true, http.StatusTemporaryRedirect: true, http.StatusPermanentRedirect: true,
	http.StatusNotFound: true, http.StatusMethodNotAllowed: true, http.StatusGone: true,
	http.StatusRequestURITooLong: true, http.StatusNotImplemented: true,
}
