package origin

import (
	"net/http"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// meta is what is known of resp, which passed checkReceived.
func (q *query) meta(resp *http.Response, s seen) *fetch.Meta {
	m := &fetch.Meta{
		URL: q.url.String(), ID: q.id,
		Method: q.req.Method, Status: resp.StatusCode, Header: endToEnd(resp.Header),
		Vary: nominated(resp.Header, q.sent), Authorized: q.sent.Get("Authorization") != "",
		RequestTime: s.sent, ResponseTime: s.answered,
		Length:       bodyLength(resp),
		PublicOrigin: q.isPublic(s.remote),
	}
	m.Evidence = verify.Read(verify.Exchange{
		URL: q.url, Method: m.Method, Status: m.Status, Header: m.Header,
		Length: wholeLength(m), At: s.answered, Authorized: m.Authorized, Profiles: q.c.cfg.Profiles,
	})
	return m
}

// bodyLength is the length of the body; for HEAD of the one that GET would
// have had, which is what Content-Length says there (RFC 9110 section 8.6).
func bodyLength(resp *http.Response) int64 {
	switch resp.StatusCode {
	case http.StatusNoContent, http.StatusNotModified:
		return 0
	default:
		return max(resp.ContentLength, -1)
	}
}

// partOf returns which octets of how many the body of m is, if it is a 206 with
// a part of a known whole, and as long as it says.
func partOf(m *fetch.Meta) (fetch.Span, int64) {
	r, ok := parseContentRange(m.Header.Values("Content-Range"))
	if m.Status != http.StatusPartialContent || !ok || r.total < 0 || m.Length >= 0 && m.Length != r.span.Len() {
		return fetch.Span{}, 0
	}
	return r.span, r.total
}

// wholeLength is the length of the whole representation, -1 when unknown.
func wholeLength(m *fetch.Meta) int64 {
	if m.Status != http.StatusPartialContent {
		return m.Length
	}
	r, ok := parseContentRange(m.Header.Values("Content-Range"))
	if !ok {
		return -1
	}
	return r.total
}
