package proxy

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// request makes what is asked of the Fetcher out of what the client sent. The
// host of target has won over any Host field.
func (v *visit) request(target *url.URL, w way) *fetch.Request {
	h := v.r.Header.Clone()
	dropHopByHop(h)
	delete(h, "Content-Length") // Length says it
	if v.r.ContentLength == 0 {
		delete(h, "Expect")
	}
	if w.request != nil {
		w.request(h)
	}
	req := &fetch.Request{Method: v.r.Method, URL: target, Header: h, Face: w.face}
	if v.r.ContentLength != 0 {
		v.body = newUpload(v.r, v.w.rc, v.p.wait)
		v.body.invite = func() { v.early.invite(v) }
		v.w.body = v.body
		req.Body, req.Length, req.Trailer = v.body, v.r.ContentLength, v.body.trailer
	}
	if v.r.Method == http.MethodOptions {
		v.forwardOptions(req)
	}
	return req
}

// lastHop reports whether a request may go no further (RFC 9110 section
// 7.6.2). TRACE, to which it applies too, is not answered at all.
func (v *visit) lastHop() bool {
	n, ok := maxForwards(v.r)
	return ok && n == 0
}

func maxForwards(r *http.Request) (uint64, bool) {
	if r.Method != http.MethodOptions {
		return 0, false
	}
	n, err := strconv.ParseUint(r.Header.Get("Max-Forwards"), 10, 31)
	return n, err == nil
}

// forwardOptions does what RFC 9110 section 7.6.2 and RFC 9112 section 3.2.4
// ask of who forwards OPTIONS.
func (v *visit) forwardOptions(req *fetch.Request) {
	if n, ok := maxForwards(v.r); ok {
		req.Header.Set("Max-Forwards", strconv.FormatUint(n-1, 10))
	}
	if req.Face == fetch.Forward && v.r.URL.Path == "" && v.r.URL.RawQuery == "" {
		req.URL.Path = "*"
	}
}

// allowed answers OPTIONS in the origin's stead.
func (v *visit) allowed() error {
	v.outcome = "local"
	v.w.Header().Set("Allow", allMethods)
	v.w.WriteHeader(http.StatusNoContent)
	return nil
}

const allMethods = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, CONNECT"
