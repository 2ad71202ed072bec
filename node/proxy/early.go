package proxy

import (
	"maps"
	"net/http"
	"strings"
	"sync"
)

// early sends interim responses (RFC 9110 section 15.2) while the final one is
// being waited for. The zero value is ready.
type early struct {
	mu   sync.Mutex // held while one is sent; guards following
	over bool
}

// pass returns what sends the origin's interim responses on to the client of
// v: without what was for this hop, and changed as the final response is on
// this way. They are neither stored nor counted. A client of HTTP/1.0 gets
// none.
func (e *early) pass(v *visit, w way) func(status int, h http.Header) {
	if !v.r.ProtoAtLeast(1, 1) {
		return nil
	}
	return func(status int, h http.Header) {
		dropHopByHop(h)
		if w.response != nil {
			w.response(h)
		}
		h.Add("Via", "1.1 "+v.p.cfg.Name)
		e.send(v, status, h)
	}
}

// invite sends 100 to a client that waits for it before it sends its body.
// net/http would by itself, but not in turn with the others.
func (e *early) invite(v *visit) {
	if strings.EqualFold(v.r.Header.Get("Expect"), "100-continue") {
		e.send(v, http.StatusContinue, nil)
	}
}

// send writes one interim response, unless the final one is about to come.
func (e *early) send(v *visit, status int, h http.Header) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return
	}
	own := v.w.ResponseWriter.Header()
	maps.Copy(own, h)
	v.w.ResponseWriter.WriteHeader(status)
	clear(own)
}

// end returns when no interim response is being sent, nor will be.
func (e *early) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = true
}
