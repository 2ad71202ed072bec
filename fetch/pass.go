package fetch

import (
	"context"
	"io"
	"net/http"
)

// pass sends the request to the origin and its answer back, without cache or
// swarm. It runs on the caller's own ctx, for nobody shares it.
func (j *journey) pass(ctx context.Context, why string) (*Response, error) {
	ans, err := j.f.cfg.Origin.Send(ctx, j.req, nil)
	if err != nil {
		return nil, j.fail(err)
	}
	j.invalidate(ans.Meta)
	j.missing = append(j.missing, "not shared: "+why)
	return j.through(ans, Served{Forward: why}, nil), nil
}

// direct answers the leader of a flight whose response may not be stored: the
// origin's answer is its alone, and ends with its ctx.
func (j *journey) direct(ctx context.Context, fl *flight) *Response {
	j.missing = append(j.missing, fl.missing...)
	stop := context.AfterFunc(ctx, fl.cancel)
	return j.through(fl.direct, Served{Forward: "uri-miss"}, func() {
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
			j.sources = []SourceBytes{{Kind: "origin", Bytes: body.n}}
			j.done(sent)
		},
	}
}

// passing counts what comes from the origin.
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
		p.j.f.stats.origin(int64(n))
	}
	return n, err
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
	j.f.cfg.Cache.Invalidate(subject(j.req))
	for _, name := range []string{"Location", "Content-Location"} {
		u, err := j.req.URL.Parse(m.Header.Get(name))
		if err == nil && m.Header.Get(name) != "" && u.Host == j.req.URL.Host && u.Scheme == j.req.URL.Scheme {
			j.f.cfg.Cache.Invalidate(u.String())
		}
	}
}
