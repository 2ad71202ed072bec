package proxy

import (
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// visit is one request and what became of it.
type visit struct {
	p     *Proxy
	w     *answer
	r     *http.Request
	body  *upload // nil until the body of the request is wanted
	early early
	start time.Time
	head  string // as it came, if it is short and may be answered again

	face     string
	outcome  string        // "aborted" until something better is known
	served   *fetch.Served // nil when the Fetcher gave no response
	err      error         // what went wrong, for the log
	hijacked bool
}

func (p *Proxy) begin(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{p: p, w: newAnswer(w, r), r: r, start: time.Now(), outcome: "aborted"}
	if c, ok := r.Context().Value(strictKey{}).(*strictConn); ok {
		v.head = c.taken()
	}
	return v
}

// leaveBody ends the reading of the request's body.
func (v *visit) leaveBody() {
	if v.body != nil {
		v.body.leave()
	}
}

// abort ends the connection without an answer: the client is gone, or has part
// of an answer that will not be finished.
func (v *visit) abort() {
	v.outcome = "aborted"
	panic(http.ErrAbortHandler)
}

// end counts and logs the visit.
func (v *visit) end() {
	if !v.hijacked {
		v.w.commit()
	}
	took := time.Since(v.start)
	v.p.stats.requests.WithLabelValues(v.outcome).Inc()
	if v.outcome != "tunnel" { // which lasts as long as somebody wants it
		v.p.stats.duration.Observe(took.Seconds())
	}
	if path := v.path(); path != "" && !v.w.first.IsZero() {
		v.p.stats.firstByte.WithLabelValues(path).Observe(v.w.first.Sub(v.start).Seconds())
	}
	if v.p.log.Enabled(v.r.Context(), slog.LevelDebug) {
		v.log(took)
	}
}

func (v *visit) log(took time.Duration) {
	attrs := []any{
		"method", v.r.Method, "face", v.face, "target", plainTarget(v.r), "status", v.w.status,
		"outcome", v.outcome, "octets", v.w.octets, "took", took,
	}
	if v.err != nil {
		attrs = append(attrs, "err", describe(v.err))
	}
	v.p.log.Debug("request", attrs...)
}

// plainTarget returns what r is for, without query and userinfo.
func plainTarget(r *http.Request) string {
	if r.Method == http.MethodConnect {
		_, authority, ok := strings.Cut(r.RequestURI, "@")
		if !ok {
			authority = r.RequestURI
		}
		return authority
	}
	u := url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Path: r.URL.Path}
	return userinfo.ReplaceAllString(u.String(), "//")
}

// userinfo is what may stand before a host, such as that of a gateway path.
var userinfo = regexp.MustCompile(`//[^/@]*@`)

// path is where the first octet came from.
func (v *visit) path() string {
	switch {
	case v.outcome == "tunnel":
		return "tunnel"
	case v.served == nil:
		return ""
	case v.served.Hit:
		return "cache"
	case v.served.Detail != "":
		return v.served.Detail
	default:
		return "origin"
	}
}

// page says what this is.
func (v *visit) page() error {
	if v.r.Method != http.MethodGet && v.r.Method != http.MethodHead {
		return refuse(readOnly, "this page is only to be read")
	}
	v.outcome = "local"
	text := strings.ReplaceAll(welcome, "HERE", v.r.Host)
	h := v.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	v.w.WriteHeader(http.StatusOK)
	if v.r.Method == http.MethodGet {
		io.WriteString(v.w, text)
	}
	return nil
}

const welcome = `This is flashcrowd, a web cache that shares with others.

As a proxy:    http_proxy=http://HERE https_proxy=http://HERE
One download:  http://HERE/https://host/path
`

// stats are the counters of this package (design.md section 11).
type stats struct {
	requests  *prometheus.CounterVec
	duration  prometheus.Histogram
	firstByte *prometheus.HistogramVec
}

func newStats(r prometheus.Registerer) *stats {
	s := &stats{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "flashcrowd_requests_total",
			Help: "Requests by outcome: hit, miss, stale, tunnel, local, refused, failed, aborted.",
		}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "flashcrowd_request_duration_seconds", Help: "Time from a request's header to the end of its response.",
			Buckets: prometheus.ExponentialBuckets(.001, 4, 12),
		}),
		firstByte: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "flashcrowd_first_byte_seconds", Help: "Time to the response's header, by where the body came from.",
			Buckets: prometheus.ExponentialBuckets(.0005, 2, 16),
		}, []string{"path"}),
	}
	if r != nil {
		r.MustRegister(s.requests, s.duration, s.firstByte)
	}
	return s
}
