package origin

import (
	"context"
	"io"
	"sync"
	"time"
)

// body is a response's body under watch: its request is given up when an octet
// is wanted and none comes for the idle time, however long the whole takes. A
// reader that pauses is not the origin's fault and costs no time.
//
// Read may be called from one goroutine at a time, Close from any.
type body struct {
	rc           io.ReadCloser
	outer, inner context.Context
	cancel       context.CancelCauseFunc // of inner
	watch        *time.Timer             // runs during Read
	idle         time.Duration
	err          error // what Read returned at last
}

func newBody(outer, inner context.Context, cancel context.CancelCauseFunc, rc io.ReadCloser, idle time.Duration) *body {
	watch := time.AfterFunc(idle, func() { cancel(errIdle) })
	watch.Stop()
	return &body{rc: rc, outer: outer, inner: inner, cancel: cancel, watch: watch, idle: idle}
}

// Read returns io.EOF only after the whole body. All other errors are those of
// bodyFailure, and stay.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	b.watch.Reset(b.idle)
	n, err := b.rc.Read(p)
	b.watch.Stop()
	if err != nil && err != io.EOF {
		err = bodyFailure(b.outer, b.inner, err)
	}
	b.err = err
	return n, err
}

// Close stops the transfer, also under a Read that waits.
func (b *body) Close() error {
	b.cancel(errClosed)
	return b.rc.Close()
}

// upload is a request's body under watch, until the response comes: its
// request is given up when the origin takes nothing for the idle time. A
// client that pauses is not the origin's fault and costs no time.
type upload struct {
	r     io.Reader
	idle  time.Duration // for the origin to take what it was given
	final time.Duration // and, after the last octet, to answer

	// hold is called before the first octet is read. It returns true, when the
	// exchange is over, if the origin has answered and wants no body; net/http
	// would send it one to keep the connection, and the client would be invited
	// to send what is not wanted. It may be nil.
	hold func() bool

	mu      sync.Mutex
	stall   *time.Timer
	settled bool  // the response is there, or there will be none
	closed  bool  // the transport wants no more
	failed  error // why the client's side ended early
}

func newUpload(r io.Reader, idle, final time.Duration, cancel context.CancelCauseFunc) *upload {
	stall := time.AfterFunc(idle, func() { cancel(errIdle) })
	stall.Stop()
	return &upload{r: r, idle: idle, final: final, stall: stall}
}

func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	u.stall.Stop()
	closed := u.closed
	u.mu.Unlock()
	if closed {
		return 0, errClosed
	}
	if u.hold != nil && u.hold() {
		return 0, errClosed
	}
	u.hold = nil
	n, err := u.r.Read(p)

	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case err != nil && err != io.EOF:
		u.failed = err
	case u.settled:
	case err == io.EOF:
		u.stall.Reset(u.idle + u.final)
	default:
		u.stall.Reset(u.idle)
	}
	return n, err
}

// Close is called by the transport when it wants no more.
func (u *upload) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	return nil
}

// settle ends the watch. It returns why the client's side ended early, if it
// did.
func (u *upload) settle() error {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.settled = true
	u.stall.Stop()
	return u.failed
}
