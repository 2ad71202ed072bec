package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/dunglas/httpsfv"

	"github.com/flashcrowd/flashcrowd/fetch"
)

var (
	errLoop   = errors.New("proxy: the request came back to this node")
	errNoDial = errors.New("proxy: no tunnels here")
)

// problem is what a client is told about one way to fail.
type problem struct {
	status int
	cause  fetch.Cause // error type of Proxy-Status (RFC 9209 section 2.3)
	advice string
}

// problems and the refusals below it are the only place in this module where
// an error becomes a status towards clients (design.md section 13).
var problems = map[fetch.Cause]problem{
	fetch.BadRequest:      {400, fetch.BadRequest, "Check the URL: http or https, with a host, without user name and password."},
	fetch.Denied:          {403, fetch.Denied, "This node is set up not to do this. See --connect-ports and --allow."},
	fetch.DeniedAddress:   {403, fetch.DeniedAddress, "The address is private or reserved. For a gateway download from it, pin the name with --resolve."},
	fetch.DNS:             {502, fetch.DNS, "The name could not be looked up. Check its spelling and this machine's DNS."},
	fetch.Refused:         {502, fetch.Refused, "The web server took no connection. It may be down; try again later."},
	fetch.Terminated:      {502, fetch.Terminated, "The web server closed the connection before it answered. Try again."},
	fetch.Timeout:         {504, fetch.Timeout, "The web server did not answer the connection in time. It may be down or overloaded; try again later."},
	fetch.ReadTimeout:     {504, fetch.ReadTimeout, "The web server took the request and did not answer in time. Try again later."},
	fetch.TLS:             {502, fetch.TLS, "The certificate of the web server is not valid for it, so nothing was fetched. Check this machine's clock."},
	fetch.TLSProtocol:     {502, fetch.TLSProtocol, "No secure connection could be agreed on. Check that the port is one for https."},
	fetch.Protocol:        {502, fetch.Protocol, "What the web server sent is no valid HTTP response. Its operator should know."},
	fetch.HeaderSize:      {502, fetch.HeaderSize, "The header section of the response is larger than 64 KiB or 256 fields."},
	fetch.Incomplete:      {502, fetch.Incomplete, "The body ended early, and nobody else has the rest. Try again."},
	fetch.Loop:            {502, fetch.Loop, "The request came back to this node. Look for a proxy setting or a mirror that leads to it."},
	fetch.OnlyIfCached:    {504, fetch.OnlyIfCached, "The request asked for stored responses only (only-if-cached), and none is stored and fresh."},
	fetch.InternalFailure: {500, fetch.InternalFailure, "This is a fault of this node. Its log says more."},
}

// What this package refuses by itself.
var (
	malformed      = problems[fetch.BadRequest]
	notAllowed     = problem{403, fetch.Denied, "Only clients on this machine may use this node, unless it runs with --allow."}
	portDenied     = problem{403, fetch.Denied, "CONNECT to this port is not allowed; see --connect-ports."}
	proxyLogin     = problem{407, fetch.Denied, "Give the proxy a user name and password, as --proxy-auth of the node lists them."}
	serverLogin    = problem{401, fetch.Denied, "Give a user name and password, as --proxy-auth of the node lists them."}
	hostDenied     = problem{403, fetch.Denied, "This host is on the list of --deny."}
	nothingHere    = problem{404, fetch.BadRequest, "Set this address as HTTP proxy, or put a whole URL behind it: /https://host/path."}
	wrongMethod    = problem{405, fetch.BadRequest, "Use another method."}
	readOnly       = problem{405, fetch.BadRequest, "Set this address as HTTP proxy to use other methods."}
	expectation    = problem{417, fetch.BadRequest, "Only 100-continue may be expected."}
	unknownCoding  = problem{501, fetch.BadRequest, "The only transfer coding is chunked."}
	slowBody       = problem{408, fetch.BadRequest, "The body of the request did not come in time."}
	misdirected    = problem{421, fetch.Denied, "Call this node by its address or as localhost, and the dashboard without a proxy."}
	headerTooLarge = problem{431, fetch.BadRequest, "Send fewer header fields; often cookies are to blame."}
	noDescriptors  = problem{503, "connection_limit_reached", "This node may open no more connections and files (ulimit -n). Try again later."}
	tooManyTunnels = problem{503, "connection_limit_reached", "Too many tunnels are open. Close some, or try again later."}
)

// refusal is a problem and what exactly was wrong.
type refusal struct {
	problem
	why string
}

func (r *refusal) Error() string { return "proxy: " + r.why }

func refuse(p problem, format string, args ...any) error {
	return &refusal{p, fmt.Sprintf(format, args...)}
}

// problemOf looks err up.
func problemOf(err error) problem {
	var r *refusal
	if errors.As(err, &r) {
		return r.problem
	}
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return noDescriptors // whatever it was that could not be opened
	}
	cause := fetch.CauseOf(err)
	if cause == fetch.InternalFailure && errors.Is(err, context.DeadlineExceeded) {
		cause = fetch.Timeout
	}
	if p, ok := problems[cause]; ok {
		if errors.Is(err, fetch.ErrNoStale) {
			p.status = http.StatusGatewayTimeout // RFC 9111 section 5.2.2.2
		}
		return p
	}
	return problems[fetch.InternalFailure]
}

// fail answers the visit with err. Nothing may have gone out before. When it
// is the client that went away there is nobody to answer.
func (v *visit) fail(err error) {
	if broken := v.bodyFailure(); broken != nil {
		err = broken
	} else if v.r.Context().Err() != nil && refusalOf(v.r) == nil { // a refusal has ended the reading itself
		v.abort()
	}
	p := problemOf(err)
	v.err, v.outcome, v.served = err, "failed", nil
	if p.status < 500 {
		v.outcome = "refused"
	}
	detail := describe(err)
	body := fmt.Sprintf("flashcrowd: %s: %s\n\n%s\n", p.cause, detail, p.advice)
	h := v.w.reset()
	h.Set("Proxy-Status", proxyStatus(p.cause, detail))
	h.Set("Cache-Status", cacheStatus(fetch.Served{Forward: fetch.ForwardOf(err)}))
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	switch p.status {
	case http.StatusProxyAuthRequired:
		h.Set("Proxy-Authenticate", challenge)
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", challenge)
	case http.StatusMethodNotAllowed:
		h.Set("Allow", allowOf(p))
	case http.StatusRequestHeaderFieldsTooLarge, http.StatusRequestTimeout, http.StatusBadRequest,
		http.StatusNotImplemented, http.StatusExpectationFailed:
		h.Set("Connection", "close") // what follows on it is in doubt
	}
	v.w.WriteHeader(p.status)
	v.w.Write([]byte(body))
}

func allowOf(p problem) string {
	if p == readOnly {
		return "GET, HEAD"
	}
	return allMethods
}

// bodyFailure returns what was wrong with the body of the request, if that is
// what broke the exchange.
func (v *visit) bodyFailure() error {
	if v.body == nil {
		return nil
	}
	err := v.body.failure()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(slowBody, "no progress of the request body")
	default:
		if strict, _ := v.r.Context().Value(strictKey{}).(*strictConn); strict != nil && strict.refusal != nil {
			return strict.refusal
		}
		return badRequest("read request body: %v", err)
	}
}

// proxyStatus is a member of the Proxy-Status list (RFC 9209).
func proxyStatus(cause fetch.Cause, detail string) string {
	item := httpsfv.NewItem(httpsfv.Token(cacheName))
	item.Params.Add("error", httpsfv.Token(cause))
	if detail != "" {
		item.Params.Add("details", detail)
	}
	return marshal(item)
}

// marshal writes a list of one member.
func marshal(item httpsfv.Item) string {
	s, err := httpsfv.Marshal(httpsfv.List{item})
	if err != nil {
		panic("proxy: internal error: structured field: " + err.Error())
	}
	return s
}

// maxDetail keeps the details of an error on a line.
const maxDetail = 200

var queries = regexp.MustCompile(`(https?://[^\s"'?]*)\?[^\s"']*`)

// describe says what happened in printable ASCII, as details of RFC 9209 must
// be, without the query of any URL.
func describe(err error) string {
	text := err.Error()
	var f *fetch.Failure
	var r *refusal
	switch {
	case errors.As(err, &r):
		text = r.why
	case errors.As(err, &f) && f.Err != nil:
		text = f.Err.Error()
	}
	text = queries.ReplaceAllString(text, "$1?...")
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, text)
	return text[:min(len(text), maxDetail)]
}
