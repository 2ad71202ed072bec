package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
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
	req.Method, req.Body, req.Length = http.MethodGet, nil, 0
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

// How long a request may wait for a body that is all here to be in the cache,
// which takes some milliseconds unless the disk is overloaded: settleSoon when
// it can ride along instead, and settleLate when it would have to ask the
// origin for what has just come.
const (
	settleSoon = 500 * time.Millisecond
	settleLate = 2 * time.Second
)

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

// settled returns when no flight for the same URL has all octets of its body
// and is still on its way into the cache: a client that has the last octet has
// a right to find the response there.
func (j *journey) settled(ctx context.Context) {
	j.f.mu.Lock()
	waiting := slices.Clone(j.f.landing[subject(j.req)])
	j.f.mu.Unlock()
	if waiting = slices.DeleteFunc(waiting, (*flight).onTheWay); len(waiting) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, settleLate)
	defer cancel()
	soon := time.NewTimer(settleSoon)
	defer soon.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for slices.ContainsFunc(waiting, (*flight).settling) {
		select {
		case <-ctx.Done():
			return
		case <-soon.C:
			if j.answerable() {
				return
			}
		case <-tick.C:
		}
	}
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
