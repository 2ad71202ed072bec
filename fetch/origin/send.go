package origin

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Send asks the origin of req once, with the fields of extra set on top, and
// returns its final response, whatever the status. Failures are
// *fetch.Failure, except that the end of ctx is ctx's own error. ctx governs
// the body too. The caller closes the body.
func (c *Client) Send(ctx context.Context, req *fetch.Request, extra http.Header) (*fetch.Answer, error) {
	q, err := c.query(req, extra)
	if err != nil {
		return nil, err
	}
	resp, seen, err := q.roundTrip(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkReceived(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	m := q.meta(resp, seen)
	c.backoff.note(req.URL.Host, m.Status, m.Header, seen.answered)
	a := &fetch.Answer{Meta: m, Body: resp.Body, Trailer: trailerOf(resp)}
	a.Part, a.Total = partOf(m)
	return a, nil
}

// query is one request on its way.
type query struct {
	c    *Client
	req  *fetch.Request
	id   dht.ID
	url  *url.URL    // without fragment
	sent http.Header // the client's fields and the extra ones, as they go out
	out  *http.Request
}

func (c *Client) query(req *fetch.Request, extra http.Header) (*query, error) {
	u := *req.URL
	u.Fragment, u.RawFragment = "", ""
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Opaque != "" {
		return nil, failure(fetch.BadRequest, "no absolute http or https url without userinfo")
	}
	id, err := dht.URLID(&u)
	if err != nil {
		return nil, failure(fetch.BadRequest, "name url: %w", err)
	}
	sent := endToEnd(req.Header)
	for name, values := range extra {
		sent[http.CanonicalHeaderKey(name)] = values
	}
	sent.Set("Accept-Encoding", AcceptEncoding(sent))
	if err := checkSent(req.Method, sent); err != nil {
		return nil, err
	}
	out := &http.Request{
		Method: req.Method, URL: &u, Host: u.Host, Header: c.ownFields(req.Method, &u, sent),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	return &query{c: c, req: req, id: id, url: &u, sent: sent, out: out}, nil
}

// ownFields returns sent with what this node itself has to say.
func (c *Client) ownFields(method string, u *url.URL, sent http.Header) http.Header {
	h := sent.Clone()
	if method == http.MethodGet || method == http.MethodHead {
		verify.Wants(h, u)
	}
	if c.cfg.Via != "" {
		h.Add("Via", c.cfg.Via)
	}
	if len(h["User-Agent"]) == 0 {
		h["User-Agent"] = nil // so that net/http adds none
	}
	return h
}

// seen is what was observed of one exchange beside the response itself.
type seen struct {
	sent, answered time.Time
	remote         net.Addr
}

// roundTrip sends q. The body of the response is under watch, and to close it
// ends the exchange.
func (q *query) roundTrip(outer context.Context) (*http.Response, seen, error) {
	inner, cancel := context.WithCancelCause(outer)
	wait := time.AfterFunc(q.c.cfg.WaitTimeout, func() { cancel(errWait) })
	defer wait.Stop()
	t := &tracer{wait: wait, waitTimeout: q.c.cfg.WaitTimeout, tell: q.req.Interim}
	up := q.attachBody(inner, cancel, t)

	s := seen{sent: time.Now()}
	out := q.out.WithContext(httptrace.WithClientTrace(inner, t.trace()))
	resp, err := q.c.side(q.req.Face).transport.RoundTrip(out)
	s.answered, s.remote = time.Now(), t.remoteAddr()
	if broken := up.settle(); err != nil {
		defer cancel(errClosed)
		if broken != nil && outer.Err() == nil {
			return nil, s, &fetch.Failure{Cause: fetch.BadRequest, Err: fmt.Errorf("read request body: %w", broken)}
		}
		return nil, s, sendFailure(outer, inner, err)
	}
	resp.Body = newBody(outer, inner, cancel, resp.Body, q.c.cfg.IdleTimeout)
	return resp, s, nil
}

// attachBody gives the client's body to the transport, under watch; nil when
// there is none.
func (q *query) attachBody(ctx context.Context, cancel context.CancelCauseFunc, t *tracer) *upload {
	if q.req.Body == nil || q.req.Length == 0 && len(q.req.Trailer) == 0 {
		return nil
	}
	cfg := q.c.cfg
	up := newUpload(q.req.Body, cfg.IdleTimeout, cfg.FirstByteTimeout, cancel)
	if httpguts.HeaderValuesContainsToken(q.sent["Expect"], "100-continue") {
		up.hold = func() bool {
			declined := t.declined()
			if declined {
				<-ctx.Done()
			}
			return declined
		}
	}
	q.out.Body, q.out.ContentLength, q.out.Trailer = up, q.req.Length, q.req.Trailer
	if len(q.req.Trailer) > 0 {
		q.out.ContentLength = -1 // only a chunked body can have trailer fields
	}
	return up
}

// tracer watches one request on its way through net/http.
type tracer struct {
	wait        *time.Timer
	waitTimeout time.Duration
	tell        func(status int, h http.Header) // Request.Interim

	mu       sync.Mutex
	remote   net.Addr
	interim  int
	invited  bool // 100 came
	answered bool // something else than an interim response begins
}

// declined reports whether the origin answers a request that expects 100
// without wanting its body.
func (t *tracer) declined() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.answered && !t.invited
}

func (t *tracer) invite() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.invited = true
}

func (t *tracer) begins(answer bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answered = answer
}

func (t *tracer) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		// Again when net/http repeats a request on another connection.
		GetConn: func(string) { t.wait.Reset(t.waitTimeout) },
		GotConn: func(info httptrace.GotConnInfo) {
			t.wait.Stop()
			t.mu.Lock()
			defer t.mu.Unlock()
			t.remote = info.Conn.RemoteAddr()
		},
		GotFirstResponseByte: func() { t.begins(true) },
		// Before net/http begins to read the body, which Got1xxResponse is not.
		Got100Continue: t.invite,
		Got1xxResponse: t.gotInterim,
	}
}

// gotInterim passes an interim response on. 100 and 101 are for this hop: the
// one answers the question whether a body is welcome, which this node asks
// itself, the other nobody asked for.
func (t *tracer) gotInterim(status int, fields textproto.MIMEHeader) error {
	t.mu.Lock()
	t.interim++
	tooMany := t.interim > max1xx
	t.answered = false
	t.mu.Unlock()
	switch {
	case tooMany:
		return errInterim
	case t.tell != nil && status > http.StatusSwitchingProtocols:
		t.tell(status, endToEnd(http.Header(fields)))
	}
	return nil
}

func (t *tracer) remoteAddr() net.Addr {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.remote
}

// isPublic reports whether anyone who asks for the same URL would reach the
// same place: by name, by address, and by no pin of the user.
func (q *query) isPublic(remote net.Addr) bool {
	to, ok := addrOf(remote)
	host := q.url.Hostname()
	return ok && Classify(to) == Public && PublicName(host) && !q.c.pins.has(host)
}
