package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

var (
	// ErrVaryMiss: there are responses for the URL, but none that the request
	// selects.
	ErrVaryMiss = fmt.Errorf("%w: other variants are", ErrMiss)
	// ErrNoStale stands in a Failure to reach the origin when what is stored
	// must not be used without it (RFC 9111 section 4.2.4).
	ErrNoStale = errors.New("fetch: what is stored is stale and must be validated")
)

// stranded is err, of asking the origin, for a request for which something is
// stored that may not be used.
func stranded(err error, stored *Stored) error {
	if stored == nil || stored.Unwanted {
		return err
	}
	switch cause := CauseOf(err); cause {
	case DNS, Refused, Terminated, Timeout, ReadTimeout:
		return &Failure{cause, fmt.Errorf("%w: %w", ErrNoStale, err)}
	}
	return err
}

const (
	// maxRefreshing is how many stored responses are validated at once while
	// they are used.
	maxRefreshing = 64
	// refreshTimeout ends a validation that nobody waits for.
	refreshTimeout = 5 * time.Minute
)

// refresh validates, behind the back of the client, what answers the request
// although it is stale (RFC 5861 section 3). One validation serves all; where
// there are too many a later request will try again.
func (j *journey) refresh() {
	f, key := j.f, flightKey(j.req)
	req := unconditional(j.req)
	req.Method, req.Body, req.Length, req.Interim = http.MethodGet, nil, 0, nil
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.refreshing[key] || len(f.refreshing) >= maxRefreshing {
		return
	}
	f.refreshing[key] = true
	f.wg.Go(func() {
		(&journey{f: f, req: req, start: time.Now(), silent: true}).revalidate()
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.refreshing, key)
	})
}

// revalidate asks the origin and keeps what it answers. What fails is no worse
// than before.
func (j *journey) revalidate() {
	ctx, cancel := context.WithTimeout(j.f.ctx, refreshTimeout)
	defer cancel()
	stored := j.lookup()
	if stored == nil || stored.Fresh { // meanwhile
		closeStored(stored)
		return
	}
	r, err := j.fly(ctx, stored)
	if err != nil {
		return
	}
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		j.f.log.Debug("revalidate", "host", j.req.URL.Host, "err", err)
	}
}

// maxFinish is the longest body that is fetched to its end for a client that
// may want none of it: as much as is on its way anyway.
const maxFinish = 256 << 10

func (fl *flight) short() bool { return fl.meta.Length >= 0 && fl.meta.Length <= maxFinish }

// distant reports whether octets of a range may be long in coming, and the
// origin would send all before them for nothing.
func (fl *flight) distant() bool {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return !fl.landed && !fl.short()
}

// finish lets a flight come to its end although those who ride leave, such as
// a leader whose conditions or ranges are answered from it, or the last one who
// has all octets before the origin's end was seen.
func (f *Fetcher) finish(fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || !fl.join() {
		return
	}
	f.wg.Go(func() {
		defer fl.leave(false)
		ctx, cancel := context.WithTimeout(f.ctx, refreshTimeout)
		defer cancel()
		defer context.AfterFunc(ctx, fl.wake)()
		for off, err := int64(0), error(nil); err == nil; {
			off, err = fl.await(ctx, off)
		}
	})
}

// parting is body, whose reader leaves the flight behind only when there is
// something to be cancelled.
func parting(body io.ReadCloser, fl *flight) io.ReadCloser {
	p := parted{body, fl}
	if s, ok := body.(io.Seeker); ok {
		return struct {
			parted
			io.Seeker
		}{p, s}
	}
	return p
}

type parted struct {
	io.ReadCloser
	fl *flight
}

func (p parted) Close() error {
	if p.fl.settling() {
		p.fl.f.finish(p.fl)
	}
	return p.ReadCloser.Close()
}

// lands notes a flight whose body the cache will have soon.
func (f *Fetcher) lands(url string, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for other, flights := range f.landing {
		if flights = slices.DeleteFunc(flights, (*flight).over); len(flights) > 0 {
			f.landing[other] = flights
		} else {
			delete(f.landing, other)
		}
	}
	f.landing[url] = append(f.landing[url], fl)
}

// arrived returns a response that is on its way into the cache: all octets of
// its body are here and right, so that whoever has seen the last of them finds
// it as it will find it there. It is newer than what is stored. others: there
// are such responses for the URL, but none is for this request.
func (j *journey) arrived() (s *Stored, others bool) {
	if j.req.Method != http.MethodGet && j.req.Method != http.MethodHead {
		return nil, false
	}
	for _, fl := range slices.Backward(j.f.arriving(subject(j.req))) {
		if s := fl.spooled(j.req); s != nil {
			return s, false
		}
		others = true
	}
	return nil, others
}

// arriving returns the flights for url with all octets of a body that the cache
// does not have yet, in the order in which they began.
func (f *Fetcher) arriving(url string) []*flight {
	f.mu.Lock()
	flights := slices.Clone(f.landing[url])
	f.mu.Unlock()
	return slices.DeleteFunc(flights, (*flight).onTheWay)
}

// queue returns when the flights that began before this one, and are as far,
// are in the cache: what came last must be stored last.
func (fl *flight) queue() {
	for _, other := range fl.f.arriving(subject(fl.req)) {
		if other == fl {
			return
		}
		<-other.settled
	}
}

// spooled is the flight's response with the octets that are on disk already,
// nil when it will not be stored and when it is not for req. The flight has
// all octets of its body.
func (fl *flight) spooled(req *Request) *Stored {
	s := fl.judged(req)
	if s == nil || !fl.join() {
		return nil
	}
	fl.mu.Lock()
	writer, whole := fl.writer, fl.whole
	fl.mu.Unlock()
	if writer == nil || whole == nil {
		fl.leave(false)
		return nil
	}
	if fl.invalid.Load() {
		s.Fresh, s.StaleOK, s.Revalidate, s.Unwanted = false, false, false, false
	}
	s.Sources, s.landing = whole.Sources, fl
	s.Body = &spooledBody{io.NewSectionReader(writer, 0, whole.Whole.Digest.Length()), sync.OnceFunc(func() { fl.leave(false) })}
	return s
}

// spooledBody keeps the spool of a flight open until it is closed.
type spooledBody struct {
	*io.SectionReader
	leave func()
}

func (b *spooledBody) Close() error {
	b.leave()
	return nil
}

// over reports whether a flight will store nothing any more.
func (fl *flight) over() bool {
	select {
	case <-fl.ready:
	default:
		return false
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return fl.released || fl.meta == nil && fl.ctx.Err() != nil
}

// settling reports whether all octets of the body are here, but not yet in the
// cache.
func (fl *flight) settling() bool {
	select {
	case <-fl.ready:
	default:
		return false
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	whole := fl.landed || fl.body.length >= 0 && fl.body.end >= fl.body.length
	return fl.meta != nil && !fl.released && fl.failure == nil && whole
}

func (fl *flight) onTheWay() bool { return !fl.settling() }
