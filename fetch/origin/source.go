package origin

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// conditions are request fields that a range request has of its own, or that
// would change what it is about.
var conditions = []string{
	"Expect", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Range",
}

// Source returns the origin of req as source of the representation that m
// describes. Open fails with fetch.ErrChanged when the origin has another one
// now, with fetch.ErrNoRanges when its ranges cannot be had or combined, with
// a *BackoffError, without asking, while the origin wants patience, and
// otherwise as Send does. The source may be used at once from many goroutines
// and keeps req and m, which must not change.
func (c *Client) Source(req *fetch.Request, m *fetch.Meta) fetch.Source {
	return &source{c: c, req: rangeRequest(req, m), m: m}
}

type source struct {
	c   *Client
	req *fetch.Request // without Range
	m   *fetch.Meta
}

// String names the source as design.md section 13 does.
func (s *source) String() string { return "origin" }

// rangeRequest returns the request that led to m, or would have, without a
// range and with a condition that only the same representation meets.
func rangeRequest(req *fetch.Request, m *fetch.Meta) *fetch.Request {
	h := endToEnd(req.Header)
	for _, name := range conditions {
		h.Del(name)
	}
	for name, values := range m.Vary {
		h[name] = values
	}
	if len(m.Vary["Accept-Encoding"]) == 0 {
		h.Set("Accept-Encoding", "identity")
		if m.Coding() != "" {
			h.Set("Accept-Encoding", "gzip")
		}
	}
	if tag := m.StrongETag(); tag != "" {
		h.Set("If-Range", tag)
	}
	return &fetch.Request{Method: http.MethodGet, URL: req.URL, Header: h, Face: req.Face}
}

// Open asks for one range. The origin's answer has been checked to be about
// the same representation, and exactly the span, before Open returns.
func (s *source) Open(ctx context.Context, span fetch.Span) (io.ReadCloser, error) {
	if span.Offset < 0 || span.Len() <= 0 || span.End > max(s.m.Length, 0) {
		return nil, fmt.Errorf("origin: span [%d,%d) is not of a body of %d octets", span.Offset, span.End, s.m.Length)
	}
	if err := s.c.backoff.check(s.req.URL.Host, time.Now()); err != nil {
		return nil, err
	}
	want := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", span.Offset, span.End-1)}}
	answer, err := s.c.Send(ctx, s.req, want)
	if err != nil {
		return nil, fmt.Errorf("open range: %w", err)
	}
	if err := s.check(answer.Meta, span); err != nil {
		answer.Body.Close()
		return nil, err
	}
	return &spanBody{rc: answer.Body, left: span.Len()}, nil
}

// check returns nil if got announces exactly span of s.m.
func (s *source) check(got *fetch.Meta, span fetch.Span) error {
	switch got.Status {
	case http.StatusPartialContent:
		return s.checkPart(got, span)
	case http.StatusOK:
		return s.checkWhole(got)
	case http.StatusRequestedRangeNotSatisfiable, http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%w: status %d", fetch.ErrChanged, got.Status)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if err := s.c.backoff.check(s.req.URL.Host, time.Now()); err != nil {
			return err
		}
	}
	return fmt.Errorf("origin: a range request was answered with status %d", got.Status)
}

func (s *source) checkPart(got *fetch.Meta, span fetch.Span) error {
	if kind, _, _ := mime.ParseMediaType(got.Header.Get("Content-Type")); kind == "multipart/byteranges" {
		return fmt.Errorf("%w: one range was answered with several parts", fetch.ErrNoRanges)
	}
	r, ok := parseContentRange(got.Header.Values("Content-Range"))
	switch {
	case !ok:
		return fmt.Errorf("%w: content-range %.80q", fetch.ErrNoRanges, got.Header.Values("Content-Range"))
	case r.total >= 0 && r.total != s.m.Length:
		return fmt.Errorf("%w: %d octets, were %d", fetch.ErrChanged, r.total, s.m.Length)
	case r.total < 0 || r.span != span || got.Length >= 0 && got.Length != span.Len():
		return fmt.Errorf("%w: another range than the one asked for", fetch.ErrNoRanges)
	}
	same, err := s.compare(got)
	if err == nil && !same {
		return fmt.Errorf("%w: nothing says that a range is of the same representation", fetch.ErrNoRanges)
	}
	return err
}

// checkWhole is for a 200: the range was ignored, or the condition was false.
func (s *source) checkWhole(got *fetch.Meta) error {
	if got.Length >= 0 && got.Length != s.m.Length {
		return fmt.Errorf("%w: %d octets, were %d", fetch.ErrChanged, got.Length, s.m.Length)
	}
	same, err := s.compare(got)
	if err == nil && !same && s.m.StrongETag() != "" {
		return fmt.Errorf("%w: the condition was false", fetch.ErrChanged)
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: it sent the whole body", fetch.ErrNoRanges)
}

// compare reports whether something proves that got is of the representation
// s.m: the strong entity tag, and where there is none the digest. What proves
// the opposite is fetch.ErrChanged.
func (s *source) compare(got *fetch.Meta) (same bool, err error) {
	if got.Coding() != s.m.Coding() {
		return false, fmt.Errorf("%w: content-encoding %.40q, was %.40q", fetch.ErrChanged, got.Coding(), s.m.Coding())
	}
	was, is := s.m.StrongETag(), got.StrongETag()
	if was != "" && is != "" && was != is {
		return false, fmt.Errorf("%w: another entity tag", fetch.ErrChanged)
	}
	digest, err := sameDigest(s.m.Evidence, got.Evidence)
	if err != nil {
		return false, err
	}
	return digest || was != "" && was == is, nil
}

// sameDigest reports whether is states a digest that was stated before.
func sameDigest(was, is []verify.Evidence) (bool, error) {
	same := false
	for _, a := range was {
		for _, b := range is {
			switch {
			case a.Digest() == b.Digest():
				same = true
			case a.Digest().Algorithm() == b.Digest().Algorithm():
				return false, fmt.Errorf("%w: another digest", fetch.ErrChanged)
			}
		}
	}
	return same, nil
}

// spanBody reads the body of a 206 to exactly its announced end.
type spanBody struct {
	rc   io.ReadCloser
	left int64
}

func (b *spanBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, b.end()
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.rc.Read(p)
	b.left -= int64(n)
	if err == io.EOF && b.left > 0 {
		err = failure(fetch.Incomplete, "range ended %d octets early: %w", b.left, io.ErrUnexpectedEOF)
	}
	return n, err
}

// end reads the end of the body, so that its connection may be used again.
func (b *spanBody) end() error {
	var beyond [1]byte
	for {
		n, err := b.rc.Read(beyond[:])
		if n > 0 {
			return failure(fetch.Protocol, "range is longer than announced")
		}
		if err != nil {
			return err
		}
	}
}

// Close stops the transfer.
func (b *spanBody) Close() error { return b.rc.Close() }
