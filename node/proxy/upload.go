package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// uploadIdle is how long a client may send nothing of a body that the
	// origin wants.
	uploadIdle = time.Minute
	// lingering is how long a client may take to send the rest of a body that
	// nobody wants any more, before the connection is closed under it.
	lingering = 5 * time.Second
)

// waits are the two above and headerTimeout, which tests make shorter.
type waits struct{ idle, linger, header time.Duration }

var errBodyLeft = errors.New("proxy: request is over")

// upload is the body of a request as the origin's side reads it, which it may
// go on doing in its own goroutine while the response is on its way.
type upload struct {
	r    *http.Request
	rc   *http.ResponseController
	wait waits
	// trailer has the fields that the client announced, with their values
	// once the body has ended; nil when there are none.
	trailer http.Header
	// invite is called before the first octet is read.
	invite func()

	ended  atomic.Bool // all of the body was read
	left   atomic.Bool // nobody may read any more
	failed atomic.Pointer[error]

	mu  sync.Mutex // held while reading; guards following
	err error      // of the last Read, for all to come
}

// newUpload takes over the body of r. Body and response may flow at once from
// then on, so whoever calls it calls leave before the handler returns, and
// must not keep the connection unless the body has ended by the time that the
// header of the response goes out.
func newUpload(r *http.Request, rc *http.ResponseController, wait waits) *upload {
	rc.EnableFullDuplex()
	u := &upload{r: r, rc: rc, wait: wait}
	if len(r.Trailer) > 0 {
		u.trailer = make(http.Header, len(r.Trailer))
		for name := range r.Trailer {
			u.trailer[name] = nil
		}
	}
	return u
}

// Read reads on, unless the handler has left.
func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return 0, u.err
	}
	u.rc.SetReadDeadline(time.Now().Add(u.wait.idle))
	if u.left.Load() {
		return 0, errBodyLeft
	}
	if u.invite != nil {
		u.invite()
		u.invite = nil
	}
	n, err := u.r.Body.Read(p)
	switch {
	case err == io.EOF:
		u.fillTrailer()
		u.ended.Store(true)
	case err != nil && !u.left.Load():
		u.failed.Store(&err)
	}
	u.err = err
	return n, err
}

// fillTrailer gives the fields that were announced the values that came. The
// map was handed on, so it stays the same.
func (u *upload) fillTrailer() {
	if u.trailer == nil {
		return
	}
	got := endTrailer(u.r.Trailer, u.trailer)
	clear(u.trailer)
	for name, values := range got {
		u.trailer[name] = values
	}
}

// failure returns why the client's body could not be read, if that is so. It
// does not wait for a Read.
func (u *upload) failure() error {
	if err := u.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// leave ends reading; no Read is under way or will touch the connection after
// it returns. The server then has a moment to swallow what is left of the
// body, so that the client sees its response before the connection is closed.
func (u *upload) leave() {
	if u.ended.Load() {
		return
	}
	u.left.Store(true)
	u.rc.SetReadDeadline(time.Unix(1, 0))
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.ended.Load() {
		u.rc.SetReadDeadline(time.Now().Add(u.wait.linger))
	}
}
