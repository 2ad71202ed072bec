package fetch

import (
	"context"
	"maps"
	"net/http"
	"time"
)

// share answers who has waited for the flight of another: from its body if
// the response is fresh for this request too (RFC 9111 section 4). One that
// must be validated before it is used again is validated for this request, and
// one that it does not select is not for it; both cost no more time than the
// wait for the header fields did.
func (j *journey) share(ctx context.Context, fl *flight) (*Response, error) {
	s := fl.judged(j.req)
	switch {
	case s == nil:
		fl.leave(false)
		return j.pass(ctx, "vary-miss")
	case s.Fresh:
		return j.along(ctx, fl, s), nil
	}
	return j.confirm(ctx, s, func(ans *Answer) (*Response, error) {
		if !sameTag(fl.meta, ans.Meta) {
			fl.leave(false)
			return j.pass(ctx, j.forward)
		}
		r := j.along(ctx, fl, s)
		r.Served.ForwardStatus = http.StatusNotModified
		return r, nil
	}, func() { fl.leave(false) })
}

// renewed answers who has waited while another had what is stored validated:
// with that if it is fresh now, and else by a validation of its own.
func (j *journey) renewed(ctx context.Context) (*Response, error) {
	why := j.forward
	s := j.lookup()
	j.forward = why
	if s == nil || s.Fresh {
		return j.validated(ctx, s)
	}
	return j.confirm(ctx, s, func(ans *Answer) (*Response, error) {
		next, err := j.f.freshen(j.req, s, ans.Meta)
		closeStored(s)
		if err != nil {
			next = nil
		}
		return j.validated(ctx, next)
	}, func() { closeStored(s) })
}

// confirm asks the origin whether s is still right, for this request alone:
// same answers if it is. Otherwise, or if s or the request do not allow the
// question, other is called and the origin's answer is the answer.
func (j *journey) confirm(ctx context.Context, s *Stored, same func(*Answer) (*Response, error), other func()) (*Response, error) {
	conditions := validators(s)
	if len(conditions) == 0 || conditional(j.req) || ranged(j.req) {
		other()
		return j.pass(ctx, j.forward)
	}
	ans, err := j.f.cfg.Origin.Send(ctx, j.req, conditions)
	if err != nil {
		other()
		return nil, j.fail(err)
	}
	if ans.Meta.Status == http.StatusNotModified {
		ans.Body.Close()
		return same(ans)
	}
	other()
	return j.through(ans, Served{Forward: j.forward}, nil), nil
}

// along rides the flight of another, whose response is s for this request.
func (j *journey) along(ctx context.Context, fl *flight, s *Stored) *Response {
	r := j.ride(ctx, fl, false, false)
	r.Header = s.Meta.Header.Clone()
	r.Body = parting(r.Body, fl)
	r.Served.Forward, r.Served.Age = j.forward, s.Age
	return r
}

// sameTag reports whether the 304 answer m does not speak of another entity
// tag than that of the response old.
func sameTag(old, m *Meta) bool {
	tags := m.Header.Values("Etag")
	return len(tags) == 0 || len(old.Header.Values("Etag")) == 1 && tags[0] == old.Header.Get("Etag")
}

// solitary remembers for what objects the origin's latest answer was for its
// asker alone. Who asks for one of them does not wait for the header fields of
// somebody else's answer, only to ask again when they are in: that would make
// each request as slow as two. It is bounded, and forgets by time.
// Fetcher.mu guards it. The zero value is ready.
type solitary struct{ until map[string]time.Time }

const (
	// solitaryFor is how long an answer that could not be shared keeps the
	// next from being waited for.
	solitaryFor = 2 * time.Minute
	maxSolitary = 4096
)

func (s *solitary) has(key string, now time.Time) bool { return now.Before(s.until[key]) }

func (s *solitary) add(key string, now time.Time) {
	if s.until == nil {
		s.until = make(map[string]time.Time)
	}
	if len(s.until) >= maxSolitary {
		maps.DeleteFunc(s.until, func(_ string, until time.Time) bool { return !now.Before(until) })
	}
	if len(s.until) < maxSolitary {
		s.until[key] = now.Add(solitaryFor)
	}
}

// noteSolitary learns from fl, whose ready is about to be closed, whether it is
// worth while to wait for the answers to requests like its own.
func (f *Fetcher) noteSolitary(fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case fl.direct != nil:
		f.solitary.add(fl.key, time.Now())
	case fl.meta != nil:
		delete(f.solitary.until, fl.key)
	}
}
