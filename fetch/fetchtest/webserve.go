package fetchtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Send answers req as the contract of fetch.Origin says.
func (w *Web) Send(ctx context.Context, req *fetch.Request, extra http.Header) (*fetch.Answer, error) {
	h := req.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	for name, values := range extra {
		h[http.CanonicalHeaderKey(name)] = values
	}
	o, r := w.begin(req, h)
	if err := o.Link.answer(ctx); err != nil {
		return nil, err
	}
	if o.Refuses {
		return nil, &fetch.Failure{Cause: fetch.Refused, Err: &refusal{o.RetryAfter}}
	}
	if o.Busy && req.Method == http.MethodGet {
		o = Object{Status: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {strconv.Itoa(int(o.RetryAfter / time.Second))}}}
		w.wantPatience(req.URL.Host, o.Header)
	}
	o.answer(req.Method, h, r)
	m := o.meta(req, r, int64(len(o.Body)))
	a := &fetch.Answer{Meta: m, Body: w.flow(ctx, o, r)}
	if r.Status == http.StatusPartialContent {
		a.Part, a.Total = r.Span, int64(len(o.Body))
	}
	return a, nil
}

// refusal is an error that may say when to come again.
type refusal struct{ after time.Duration }

func (e *refusal) Error() string             { return "fetchtest: connection refused" }
func (e *refusal) RetryAfter() time.Duration { return e.after }

// answer decides status and span (RFC 9110 sections 13 and 14).
func (o Object) answer(method string, h http.Header, r *WebRequest) {
	r.Status, r.Span = o.Status, fetch.Span{End: int64(len(o.Body))}
	if r.Status == 0 {
		r.Status = http.StatusOK
	}
	if r.part {
		r.Status, r.Span = http.StatusPartialContent, fetch.Span{End: min(o.Parts, int64(len(o.Body)))}
		return
	}
	if r.Status != http.StatusOK || method != http.MethodGet && method != http.MethodHead {
		return
	}
	if o.notModified(h) {
		r.Status, r.Span = http.StatusNotModified, fetch.Span{}
		return
	}
	if method == http.MethodHead {
		r.Span = fetch.Span{}
		return
	}
	same := h.Get("If-Range") == "" || h.Get("If-Range") == o.ETag
	if span, ok := parseRange(h.Get("Range"), int64(len(o.Body))); ok && o.Ranges && same {
		r.Status, r.Span = http.StatusPartialContent, span
	}
}

func (o Object) notModified(h http.Header) bool {
	if tag := h.Get("If-None-Match"); tag != "" {
		return o.ETag != "" && strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(o.ETag, "W/")
	}
	at := h.Get("If-Modified-Since")
	return at != "" && at == o.Header.Get("Last-Modified")
}

// parseRange reads a single range of octets that can be satisfied.
func parseRange(s string, length int64) (fetch.Span, bool) {
	ends, ok := strings.CutPrefix(s, "bytes=")
	first, last, cut := strings.Cut(ends, "-")
	a, errFirst := strconv.ParseInt(first, 10, 64)
	b, errLast := strconv.ParseInt(last, 10, 64)
	switch {
	case !ok || !cut || errFirst != nil || a >= length:
		return fetch.Span{}, false
	case last == "":
		return fetch.Span{Offset: a, End: length}, true
	case errLast != nil || b < a:
		return fetch.Span{}, false
	}
	return fetch.Span{Offset: a, End: min(b+1, length)}, true
}

func contentRange(s fetch.Span, length int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", s.Offset, s.End-1, length)
}

// Source returns the origin as source of what m describes.
func (w *Web) Source(req *fetch.Request, m *fetch.Meta) fetch.Source {
	return &webSource{w, req, m}
}

type webSource struct {
	w   *Web
	req *fetch.Request
	m   *fetch.Meta
}

func (s *webSource) String() string { return "origin" }

// Open asks for span as the contract of fetch.Source says.
func (s *webSource) Open(ctx context.Context, span fetch.Span) (io.ReadCloser, error) {
	if span.Offset < 0 || span.Len() <= 0 || span.End > s.m.Length {
		return nil, errors.New("fetchtest: no such span")
	}
	extra := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", span.Offset, span.End-1)}}
	if tag := s.m.StrongETag(); tag != "" {
		extra.Set("If-Range", tag)
	}
	ans, err := s.w.Send(ctx, s.req, extra)
	if err != nil {
		return nil, err
	}
	if err := s.check(ans.Meta, span); err != nil {
		ans.Body.Close()
		return nil, err
	}
	return ans.Body, nil
}

// check returns nil if got is exactly span of s.m.
func (s *webSource) check(got *fetch.Meta, span fetch.Span) error {
	changed := got.StrongETag() != s.m.StrongETag() || digestOf(got) != digestOf(s.m)
	switch {
	case got.Status != http.StatusPartialContent && got.Status != http.StatusOK || changed:
		return fmt.Errorf("%w: status %d", fetch.ErrChanged, got.Status)
	case got.Status == http.StatusOK || got.StrongETag() == "" && digestOf(got) == verify.Digest{}:
		return fetch.ErrNoRanges
	case got.Header.Get("Content-Range") != contentRange(span, s.m.Length):
		return fmt.Errorf("%w: %s", fetch.ErrChanged, got.Header.Get("Content-Range"))
	}
	return nil
}

func digestOf(m *fetch.Meta) verify.Digest {
	for _, e := range m.Evidence {
		if e.Level() >= verify.E7 {
			return e.Digest()
		}
	}
	return verify.Digest{}
}

// members returns the elements of a list field.
func members(h http.Header, name string) []string {
	var out []string
	for _, line := range h.Values(name) {
		for part := range strings.SplitSeq(line, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

func (w *Web) wantPatience(host string, h http.Header) {
	seconds, _ := strconv.Atoi(h.Get("Retry-After"))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy == nil {
		w.busy = make(map[string]time.Time)
	}
	w.busy[host] = time.Now().Add(time.Duration(seconds) * time.Second)
}

// Probe answers as the contract of fetch.Origin says, by HEAD alone.
func (w *Web) Probe(ctx context.Context, req *fetch.Request) (*fetch.Answer, error) {
	w.mu.Lock()
	wait := time.Until(w.busy[req.URL.Host])
	w.mu.Unlock()
	if wait > 0 {
		return nil, &refusal{wait}
	}
	ask := *req
	ask.Method = http.MethodHead
	ans, err := w.Send(ctx, &ask, nil)
	if err != nil {
		return nil, err
	}
	ans.Body.Close()
	if ans.Meta.Status != http.StatusOK && ans.Part.Len() == 0 {
		return nil, fmt.Errorf("fetchtest: probe: status %d", ans.Meta.Status)
	}
	ans.Meta.Method, ans.Body = http.MethodGet, http.NoBody
	return ans, nil
}
