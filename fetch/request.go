package fetch

import (
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// Face is the way by which a request reached this node. It decides which
// addresses may be dialled on its behalf (design.md section 8).
type Face int

// The faces of a node.
const (
	// Forward is a request in absolute form to the forward proxy: the local
	// user's own, so private and loopback addresses are allowed.
	Forward Face = iota
	// Gateway is http://127.0.0.1:3128/https://host/path: any web page can
	// make a browser send one, so private addresses only by literal address
	// or a pinned name.
	Gateway
	// Mirror is a listener that stands for one origin which the user named.
	Mirror
)

// Request is what a client wants, in terms of RFC 9110: hop-by-hop fields are
// already gone. Do does not change it.
type Request struct {
	Method string
	// URL is absolute, http or https, with a host and without userinfo or
	// fragment.
	URL *url.URL
	// Header has the end-to-end fields, without Host.
	Header http.Header
	// Body is nil when there is none; Length is -1 when unknown.
	Body   io.Reader
	Length int64
	// Trailer yields the request's trailer fields once Body has ended; nil
	// when none were announced.
	Trailer http.Header
	Face    Face
	// Bypass: the answer is the origin's, and neither cache nor other nodes
	// have to do with it. NoSwarm: other nodes do not.
	Bypass, NoSwarm bool
	// Interim, if not nil, is told of each interim response to this request
	// but 100 and 101 (RFC 9110 section 15.2), one after another: those that
	// come before Do returns, and perhaps some later. It owns the fields, and
	// must not block. Who joins the request of another is told of none.
	Interim func(status int, h http.Header)
}

// Response is what goes to the client. The caller closes Body.
type Response struct {
	Status int
	// Header has end-to-end fields as the origin sent them. The caller owns it.
	Header http.Header
	// Length of Body in octets, -1 when unknown.
	Length int64
	// Body is never nil. If it is also an io.Seeker it is the whole
	// representation of a 200 answer and any part of it may be read: ranges
	// and conditions may be answered from it. Reading it blocks until proven
	// octets are there and fails, never ends early, when they will not come.
	Body io.ReadCloser
	// Trailer returns the trailer fields after Body has ended; nil when there
	// are none.
	Trailer func() http.Header
	// Served says how the response was made, for Cache-Status.
	Served Served
	// Done is never nil. Whoever delivers the response calls it once, when the
	// last octet is out or delivery ended, with the octets of body that went
	// to the client; the receipt is written then.
	Done func(sent int64)
	// Again, if not nil, answers the very same request once more, as long as it
	// says so.
	Again *Again
}

// Served is how one response was made (RFC 9211).
type Served struct {
	// Hit: from the cache, without the origin's bytes.
	Hit bool
	// Forward is why not: "uri-miss", "vary-miss", "stale", "request",
	// "bypass", "method" or "partial"; empty for a hit.
	Forward string
	// ForwardStatus is the status with which the origin answered a request
	// that was forwarded; zero when it is that of the response.
	ForwardStatus int
	// TTL is the remaining freshness lifetime, negative for stale; it counts
	// only when HasTTL.
	TTL    time.Duration
	HasTTL bool
	// Age is the current age of a stored response (RFC 9111 section 4.2.3).
	Age time.Duration
	// Stored: the response is being stored. Collapsed: it joined a flight
	// that was already under way.
	Stored, Collapsed bool
	// Detail is "peer", "origin", "mixed" or empty when not known yet.
	Detail string
	// Evidence under which peers' bytes may be in the body; nil when there
	// are certainly none.
	Evidence *verify.Evidence
	// Prospect is the Flashcrowd-Evidence field of what the origin is asked for
	// while the body is under way already; peers' bytes may be in it then, too.
	Prospect string
}
