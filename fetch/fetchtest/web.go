package fetchtest

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Web is all origins, in memory. The zero value is an empty one: every URL is
// 404. It records every request.
type Web struct {
	mu       sync.Mutex // guards following
	objects  map[string]Object
	requests []*WebRequest
	open     int
	busy     map[string]time.Time // until when hosts want patience
}

var _ fetch.Origin = (*Web)(nil)

// Object is what one URL answers. The zero value is an empty 200 answer
// without validator or digest.
type Object struct {
	Body []byte
	// Status of the answer; 0 is 200.
	Status int
	// Header fields of the answer but for those that follow from what is
	// below.
	Header http.Header
	// ETag, with its quotes, also W/ ones.
	ETag string
	// Digest is the value of Repr-Digest (see ReprDigest), true or not.
	Digest string
	// Ranges are answered; RangesClaimed: they are not, but said to be.
	Ranges, RangesClaimed bool
	// Parts is the size of the parts in which it was uploaded: what a question
	// with the query partNumber=1 tells, as of S3. HeadDigest is a digest that
	// only the answer to HEAD states.
	Parts      int64
	HeadDigest string
	// NoLength: the length is not announced.
	NoLength bool
	// Private: the answer came from an address that is not public.
	Private bool

	// Link carries the bodies; nil is without limit. Share one among objects
	// of one server.
	Link *Link
	// DiesAt, if positive, breaks every transfer off that comes to this octet
	// of the body; StallsAt makes it wait there for ever.
	DiesAt, StallsAt int64
	// Ended, if not nil, is called whenever a transfer is over.
	Ended func()
	// Refuses all connections; RetryAfter, if positive, goes with that.
	Refuses    bool
	RetryAfter time.Duration
	// Busy: GET is answered with 503, HEAD as ever.
	Busy bool
}

// WebRequest is one request that a Web got.
type WebRequest struct {
	Method string
	URL    string
	Header http.Header
	At     time.Time
	// Status that was answered; 0 for a refusal.
	Status int
	// Span of the body that was answered with.
	Span fetch.Span

	web  *Web
	part bool  // of an upload, was asked for
	sent int64 // guarded by web.mu
}

// Sent returns the octets of body that went out.
func (r *WebRequest) Sent() int64 {
	r.web.mu.Lock()
	defer r.web.mu.Unlock()
	return r.sent
}

// ReprDigest returns the value of a Repr-Digest field for body by alg.
func ReprDigest(alg verify.Algorithm, body []byte) string {
	return alg.String() + "=:" + base64.StdEncoding.EncodeToString(sumOf(alg, body)) + ":"
}

// Put makes url answer o from now on. Transfers under way go on as they were.
func (w *Web) Put(url string, o Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.objects == nil {
		w.objects = make(map[string]Object)
	}
	w.objects[url] = o
}

// Requests returns all requests for url so far; all of them if url is empty.
func (w *Web) Requests(url string) []*WebRequest {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.requests), func(r *WebRequest) bool { return url != "" && r.URL != url })
}

// Sent returns the octets of bodies that went out in all.
func (w *Web) Sent() int64 {
	n := int64(0)
	for _, r := range w.Requests("") {
		n += r.Sent()
	}
	return n
}

// Open returns how many transfers are under way.
func (w *Web) Open() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open
}

// begin records a request and returns what its URL answers.
func (w *Web) begin(req *fetch.Request, h http.Header) (Object, *WebRequest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &WebRequest{Method: req.Method, URL: req.URL.String(), Header: h, At: time.Now(), web: w}
	w.requests = append(w.requests, r)
	o, known := w.objects[r.URL]
	if whole, of := strings.CutSuffix(r.URL, "?partNumber=1"); of && !known && w.objects[whole].Parts > 0 {
		o, known, r.part = w.objects[whole], true, true
	}
	if !known {
		o = Object{Status: http.StatusNotFound}
	}
	return o, r
}

// flow starts the body of an answer.
func (w *Web) flow(ctx context.Context, o Object, r *WebRequest) io.ReadCloser {
	data, end := o.Body[r.Span.Offset:r.Span.End], error(io.EOF)
	if cut := o.DiesAt - r.Span.Offset; o.DiesAt > 0 && cut < int64(len(data)) {
		data, end = data[:max(cut, 0)], &fetch.Failure{Cause: fetch.Incomplete, Err: io.ErrUnexpectedEOF}
	}
	if cut := o.StallsAt - r.Span.Offset; o.StallsAt > 0 && cut < int64(len(data)) {
		data, end = data[:max(cut, 0)], nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open++
	return newFlow(ctx, o.Link, data, end, func(n int) {
		w.mu.Lock()
		defer w.mu.Unlock()
		r.sent += int64(n)
	}, func() {
		w.mu.Lock()
		w.open--
		w.mu.Unlock()
		if o.Ended != nil {
			o.Ended()
		}
	})
}

// meta of an answer, as a client reads it. length is that of the whole
// representation.
func (o Object) meta(req *fetch.Request, r *WebRequest, length int64) *fetch.Meta {
	h := o.header(r, length)
	u := *req.URL
	id, _ := dht.URLID(&u) // a URL without a key has none here either
	m := &fetch.Meta{
		URL: u.String(), ID: id, Method: req.Method, Status: r.Status, Header: h,
		RequestTime: r.At, ResponseTime: time.Now(), Length: r.Span.Len(), PublicOrigin: !o.Private,
		Authorized: r.Header.Get("Authorization") != "",
	}
	for _, name := range members(h, "Vary") {
		if m.Vary == nil {
			m.Vary = http.Header{}
		}
		m.Vary[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
	}
	if req.Method == http.MethodHead && r.Status == http.StatusOK {
		m.Length = length
	}
	if o.NoLength {
		m.Length, length = -1, -1
	}
	m.Evidence = verify.Read(verify.Exchange{
		URL: &u, Method: req.Method, Status: r.Status, Header: h, Length: length, At: m.ResponseTime,
	})
	return m
}

func (o Object) header(r *WebRequest, length int64) http.Header {
	h := o.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	set := func(ok bool, name, value string) {
		if ok {
			h.Set(name, value)
		}
	}
	set(h.Get("Date") == "", "Date", time.Now().UTC().Format(http.TimeFormat))
	set(o.ETag != "", "Etag", o.ETag)
	set(o.Digest != "", "Repr-Digest", o.Digest)
	set(o.HeadDigest != "" && r.Method == http.MethodHead, "Repr-Digest", o.HeadDigest)
	set(o.Ranges || o.RangesClaimed, "Accept-Ranges", "bytes")
	set(r.Status == http.StatusPartialContent, "Content-Range", contentRange(r.Span, length))
	return h
}

// mustURL parses s, which a test wrote.
func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic("fetchtest: internal error: " + err.Error())
	}
	return u
}
