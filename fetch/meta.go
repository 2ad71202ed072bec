package fetch

import (
	"net/http"
	"net/url"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Meta is what is known of one response of an origin but for its body. All of
// it is the origin's word or this node's own; none of it is a peer's.
// It is immutable once it was handed on.
type Meta struct {
	// URL that was asked, in the form it went to the origin, and its ID.
	URL string `json:"url"`
	ID  dht.ID `json:"id"`

	Method string      `json:"method"`
	Status int         `json:"status"`
	Header http.Header `json:"header"` // end-to-end fields
	// Vary holds the request fields that Vary nominates, as they were sent.
	Vary http.Header `json:"vary,omitempty"`
	// Moved: the answer came from where the URL redirected to, and the origin of
	// the URL vouches for it. It is for who may be answered so (mayFollow).
	Moved bool `json:"moved,omitempty"`
	// Authorized: the request carried Authorization.
	Authorized bool `json:"authorized,omitempty"`

	// RequestTime and ResponseTime as in RFC 9111 section 4.2.3.
	RequestTime  time.Time `json:"request_time"`
	ResponseTime time.Time `json:"response_time"`

	// Length of the body in octets, -1 when the origin did not say.
	Length int64 `json:"length"`
	// Evidence that the origin gave for this body, strongest first.
	Evidence []verify.Evidence `json:"evidence,omitempty"`
	// PublicOrigin: the connection went to a globally routable address and
	// the host name is a public one.
	PublicOrigin bool `json:"public_origin,omitempty"`
	// Shared: the rule of design.md section 7 held for request and response.
	// Only such objects may be served to other nodes.
	Shared bool `json:"shared,omitempty"`
	// Anyone: anybody could have got it from the same URL, by the same rule,
	// whatever is announced of its size and kind.
	Anyone bool `json:"anyone,omitempty"`
}

// ParsedURL returns URL parsed. Meta is only made of URLs that parse.
func (m *Meta) ParsedURL() *url.URL {
	u, err := url.Parse(m.URL)
	if err != nil {
		panic("fetch: internal error: stored url: " + err.Error())
	}
	return u
}

// StrongETag returns the entity tag if it is a strong validator (RFC 9110
// section 8.8.1), with its quotes, and else "".
func (m *Meta) StrongETag() string { return strongETag(m.Header) }

func strongETag(h http.Header) string {
	v := h.Values("Etag")
	if len(v) != 1 || len(v[0]) < 2 || v[0][0] != '"' || v[0][len(v[0])-1] != '"' {
		return ""
	}
	return v[0]
}

// Coding returns the content coding of the body, "" for identity.
func (m *Meta) Coding() string { return m.Header.Get("Content-Encoding") }
