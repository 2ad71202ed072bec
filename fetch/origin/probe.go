package origin

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// Probe asks what the origin of req says of the whole representation, as the
// contract of fetch.Origin says. It costs one request, and where HEAD is not
// answered one more; which hosts do not answer HEAD is remembered. Digests are
// asked for without If-Range, on which a 206 would leave them out (RFC 9110
// section 15.3.7).
func (c *Client) Probe(ctx context.Context, req *fetch.Request) (*fetch.Answer, error) {
	host := req.URL.Host
	if err := c.backoff.check(host, time.Now()); err != nil {
		return nil, err
	}
	ask, shy := probeOf(req), c.shy.has(host, time.Now())
	if !shy {
		said, refused, err := c.byHead(ctx, ask)
		if said != nil || !refused {
			return said, err
		}
	}
	said, err := c.byOctet(ctx, ask)
	if err == nil && !shy {
		c.shy.add(host, time.Now())
	}
	return said, err
}

// probeOf is req for the whole representation, as its client would have it.
func probeOf(req *fetch.Request) *fetch.Request {
	h := endToEnd(req.Header)
	for _, name := range conditions {
		h.Del(name)
	}
	return &fetch.Request{URL: req.URL, Header: h, Face: req.Face}
}

// byHead asks by HEAD. refused: a GET may do better.
func (c *Client) byHead(ctx context.Context, ask *fetch.Request) (said *fetch.Answer, refused bool, err error) {
	ask.Method = http.MethodHead
	ans, err := c.Send(ctx, ask, nil)
	if err != nil {
		return nil, false, err
	}
	ans.Body.Close()
	if err := c.backoff.check(ask.URL.Host, time.Now()); err != nil {
		return nil, false, err
	}
	m := *ans.Meta
	m.Method = http.MethodGet
	switch m.Status {
	case http.StatusOK:
		if m.Length < 0 {
			return nil, true, nil
		}
		return &fetch.Answer{Meta: &m, Body: http.NoBody}, false, nil
	case http.StatusPartialContent:
		if ans.Total > 0 {
			return &fetch.Answer{Meta: &m, Body: http.NoBody, Part: ans.Part, Total: ans.Total}, false, nil
		}
	// What servers refuse HEAD with, those of signed URLs among them, whose
	// signature is for GET.
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return nil, true, nil
	}
	return nil, false, fmt.Errorf("origin: probe: HEAD was answered with status %d", m.Status)
}

// byOctet asks for the first octet.
func (c *Client) byOctet(ctx context.Context, ask *fetch.Request) (*fetch.Answer, error) {
	ask.Method = http.MethodGet
	ans, err := c.Send(ctx, ask, http.Header{"Range": {"bytes=0-0"}})
	if err != nil {
		return nil, err
	}
	ans.Body.Close() // of one that ignores Range no more than is on its way
	if err := c.backoff.check(ask.URL.Host, time.Now()); err != nil {
		return nil, err
	}
	m := *ans.Meta
	switch {
	case m.Status == http.StatusOK && m.Length >= 0:
	case m.Status == http.StatusPartialContent && ans.Total > 0 && ans.Part == fetch.Span{End: 1}:
		m.Status, m.Length = http.StatusOK, ans.Total
		m.Header = m.Header.Clone()
		m.Header.Del("Content-Range")
		m.Header.Set("Content-Length", fmt.Sprint(ans.Total))
		m.Header.Del("Content-Digest") // of one octet, as may be the next
		m.Header.Del("Content-Md5")
	default:
		return nil, fmt.Errorf("origin: probe: a range was answered with status %d", m.Status)
	}
	return &fetch.Answer{Meta: &m, Body: http.NoBody}, nil
}

// shy remembers which hosts do not answer HEAD. It is bounded and forgets by
// time. The zero value is ready.
type shy struct {
	mu    sync.Mutex // guards until
	until map[string]time.Time
}

const (
	shyFor   = time.Hour
	maxShies = 1024
)

func (s *shy) has(host string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.until[strings.ToLower(host)])
}

func (s *shy) add(host string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil {
		s.until = make(map[string]time.Time)
	}
	for known := range s.until { // any: to forget one costs a request
		if len(s.until) < maxShies {
			break
		}
		delete(s.until, known)
	}
	s.until[strings.ToLower(host)] = now.Add(shyFor)
}
