package fetch

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// ride answers a request from the flight's body. Its reader has its own place
// and pace and ends with ctx or at Close.
func (j *journey) ride(ctx context.Context, fl *flight, leader, wasStale bool) *Response {
	j.mu.Lock()
	j.fl, j.status = fl, fl.meta.Status
	if fl.proof().Valid() {
		e := fl.proof().Evidence()
		j.evidence = &e
	}
	j.mu.Unlock()
	r := &reader{fl: fl, j: j, leader: leader}
	r.stop = context.AfterFunc(ctx, fl.wake)
	r.ctx = ctx
	served := Served{Forward: "uri-miss", Stored: true, Collapsed: !leader}
	if wasStale {
		served.Forward = "stale"
	}
	if fl.swarmed() {
		served.Evidence = j.evidence
	} else if fl.inquiry != nil && fl.inquiry.parts {
		served.Prospect = fl.inquiry.field
	}
	resp := &Response{
		Status: fl.meta.Status, Header: fl.meta.Header.Clone(), Length: fl.meta.Length,
		Body: r, Served: served, Done: j.done,
	}
	if fl.meta.Length < 0 || fl.meta.Status != 200 {
		resp.Body = struct{ io.ReadCloser }{r} // the end is not known: no io.Seeker
	}
	return resp
}

// reader reads a flight's body as it is released.
type reader struct {
	fl     *flight
	j      *journey
	ctx    context.Context
	stop   func() bool
	leader bool
	off    int64
	once   sync.Once
	closed atomic.Bool
	own    io.ReadCloser // this reader's own stream, once the disk has failed
}

var (
	errSeek   = errors.New("fetch: seek before the beginning")
	errClosed = errors.New("fetch: read after close")
)

// Seek implements io.Seeker over the whole representation.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.off
	case io.SeekEnd:
		offset += r.fl.meta.Length
	}
	if offset < 0 {
		return 0, errSeek
	}
	r.off = offset
	return offset, nil
}

// Read blocks until there are octets, the body's end, or a failure.
func (r *reader) Read(p []byte) (int, error) {
	switch {
	case r.closed.Load():
		return 0, errClosed
	case r.own != nil:
		return r.readOwn(p)
	case len(p) == 0:
		return 0, nil
	}
	end, err := r.fl.await(r.ctx, r.off)
	if r.off >= end {
		var full *diskError
		if errors.As(err, &full) {
			return r.alone(p, err)
		}
		return 0, err
	}
	p = p[:min(int64(len(p)), end-r.off)]
	writer := r.fl.spool()
	if writer == nil {
		return 0, errClosed
	}
	n, err := writer.ReadAt(p, r.off)
	if n > 0 {
		r.j.firstByte()
		r.off += int64(n)
		return n, nil
	}
	switch {
	case r.closed.Load(): // meanwhile
		return 0, errClosed
	case err != nil:
		return r.alone(p, &diskError{err})
	}
	return 0, io.ErrNoProgress
}

// alone goes on from the origin directly: a full or broken disk ends storing
// and sharing, and nobody's download.
func (r *reader) alone(p []byte, cause error) (int, error) {
	m := r.fl.meta
	if rest := r.fl.takeRest(r.off); rest != nil {
		r.own = rest
		return r.readOwn(p)
	}
	if m.Length < 0 || r.off >= m.Length {
		return 0, cause
	}
	own, err := r.fl.f.cfg.Origin.Source(r.fl.asked(), m).Open(r.ctx, Span{r.off, m.Length})
	if err != nil {
		return 0, errors.Join(cause, err)
	}
	r.own = own
	return r.readOwn(p)
}

// readOwn reads from this reader's own stream.
func (r *reader) readOwn(p []byte) (int, error) {
	n, err := r.own.Read(p)
	if n > 0 {
		r.j.firstByte()
		r.off += int64(n)
		r.fl.f.stats.origin(int64(n))
		r.fl.credit("origin", int64(n))
	}
	return n, err
}

// Close ends the ride.
func (r *reader) Close() error {
	r.once.Do(func() {
		r.closed.Store(true)
		r.stop()
		if r.own != nil {
			r.own.Close()
		}
		r.fl.leave(r.leader)
	})
	return nil
}

// wake lets everybody who waits for the flight look again.
func (fl *flight) wake() {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	fl.cond.Broadcast()
}

// spool is where the octets of the body are; nil once nobody reads any more.
func (fl *flight) spool() Writer {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return fl.writer
}

// credit counts octets that a source brought.
func (fl *flight) credit(source string, octets int64) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	fl.perSource[source] += octets
}

// await returns the end of what may be read, once it lies behind off; or off
// or less, and why there will be nothing there: io.EOF at the body's end.
func (fl *flight) await(ctx context.Context, off int64) (end int64, err error) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	for {
		switch {
		case off < fl.body.end:
			return fl.body.end, nil
		case fl.landed:
			return fl.body.end, io.EOF
		case fl.failure != nil:
			return fl.body.end, fl.failure
		case ctx.Err() != nil:
			return fl.body.end, ctx.Err()
		}
		if fl.hungry.IsZero() {
			fl.hungry = time.Now()
		}
		fl.cond.Wait()
	}
}

// failLocked ends the body without having it whole.
func (fl *flight) failLocked(err error) {
	if fl.failure == nil && !fl.landed {
		fl.failure = err
		fl.cond.Broadcast()
	}
}

// diskError says that the spool of a flight cannot be written or read.
type diskError struct{ err error }

func (e *diskError) Error() string { return "fetch: spool: " + e.err.Error() }
func (e *diskError) Unwrap() error { return e.err }
