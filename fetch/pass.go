package fetch

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/url"

	"github.com/flashcrowd/flashcrowd/dht"
)

// pass sends the request to the origin and its answer back, without cache or
// swarm. It runs on the caller's own ctx, for nobody shares it.
func (j *journey) pass(ctx context.Context, why string) (*Response, error) {
	j.forward = why
	ans, err := j.f.cfg.Origin.Send(ctx, j.req, nil)
	if err != nil {
		return nil, j.fail(err)
	}
	j.invalidate(ans.Meta)
	j.missing = append(j.missing, "not shared: "+why)
	return j.through(ans, Served{Forward: why}, nil), nil
}

// part answers a request for less than a whole body from the origin. What HEAD
// says is also news of what is stored (RFC 9111 section 4.3.5).
func (j *journey) part(ctx context.Context, stored *Stored) (*Response, error) {
	defer closeStored(stored)
	ans, err := j.f.cfg.Origin.Send(ctx, j.req, nil)
	if err != nil {
		return nil, j.fail(stranded(err, stored))
	}
	j.f.leads.note(j.req, ans.Meta, j.f.cfg.Sharing)
	if stored != nil && j.req.Method == http.MethodHead && ans.Meta.Status == http.StatusOK {
		j.compare(stored, ans.Meta)
	}
	j.missing = append(j.missing, "not shared: "+j.forward)
	j.keepPart(ans)
	_, stores := ans.Body.(*kept)
	return j.through(ans, Served{Forward: j.forward, Stored: stores}, nil), nil
}

// compare updates what is stored by what the origin answered to HEAD, or makes
// it stale when that is about another version.
func (j *journey) compare(stored *Stored, m *Meta) {
	s, err := j.f.freshen(j.req, stored, m)
	if err != nil {
		j.f.cfg.Cache.Invalidate(subject(j.req))
		return
	}
	s.Body.Close()
}

// direct answers the leader of a flight whose response may not be stored: the
// origin's answer is its alone, and ends with its ctx.
func (j *journey) direct(ctx context.Context, fl *flight) *Response {
	j.missing = append(j.missing, fl.missing...)
	stop := context.AfterFunc(ctx, fl.cancel)
	return j.through(fl.direct, Served{Forward: j.forward}, func() {
		stop()
		fl.cancel()
	})
}

// through makes a response of an origin's answer as it streams.
func (j *journey) through(ans *Answer, served Served, closed func()) *Response {
	j.status = ans.Meta.Status
	body := &passing{ReadCloser: ans.Body, j: j, closed: closed}
	return &Response{
		Status: ans.Meta.Status, Header: ans.Meta.Header.Clone(), Length: ans.Meta.Length,
		Body: body, Trailer: ans.Trailer, Served: served,
		Done: func(sent int64) {
			j.sources = []SourceBytes{{Kind: body.source(), Bytes: body.n}}
			j.done(sent)
		},
	}
}

// passing counts what comes.
type passing struct {
	io.ReadCloser
	j      *journey
	n      int64
	closed func()
}

func (p *passing) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if n > 0 {
		p.j.firstByte()
		p.n += int64(n)
		if p.source() == "origin" {
			p.j.f.stats.origin(int64(n))
		}
	}
	return n, err
}

// source names where the octets come from.
func (p *passing) source() string {
	if _, here := p.ReadCloser.(*carriedBody); here {
		return "cache"
	}
	return "origin"
}

func (p *passing) Close() error {
	err := p.ReadCloser.Close()
	if p.closed != nil {
		p.closed()
	}
	return err
}

// invalidate obeys RFC 9111 section 4.4: a non-error answer to an unsafe
// method makes what is stored for its URL unusable.
func (j *journey) invalidate(m *Meta) {
	safe := j.req.Method == http.MethodGet || j.req.Method == http.MethodHead ||
		j.req.Method == http.MethodOptions || j.req.Method == http.MethodTrace
	if safe || m.Status < 200 || m.Status >= 400 {
		return
	}
	j.f.forget(j.req.URL)
	for _, name := range []string{"Location", "Content-Location"} {
		u, err := j.req.URL.Parse(m.Header.Get(name))
		if err == nil && m.Header.Get(name) != "" && u.Host == j.req.URL.Host && u.Scheme == j.req.URL.Scheme {
			j.f.forget(u)
		}
	}
}

// forget makes what is stored for u unusable without validation, and lets
// nobody join a flight that brings what was so before.
func (f *Fetcher) forget(u *url.URL) {
	plain := *u
	plain.Fragment, plain.User = "", nil
	f.awaitKeeping(f.ctx, plain.String()) // or it would be missed
	f.cfg.Cache.Invalidate(plain.String())
	id, err := dht.URLID(&plain)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.flights, func(_ string, fl *flight) bool { return fl.isFor(id) })
	for _, flights := range f.landing {
		for _, fl := range flights {
			if fl.isFor(id) {
				fl.invalid.Store(true)
			}
		}
	}
}

func (fl *flight) isFor(id dht.ID) bool {
	own, err := dht.URLID(fl.req.URL)
	return err == nil && own == id
}
