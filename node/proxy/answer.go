package proxy

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// stall is how long the header of a response, and what the server has
// buffered, may wait for more of the body to come before it is sent alone.
const stall = 5 * time.Millisecond

// buffers are for bodies that are no files.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// answer is the response to one request on its way to the client. The header
// goes out with the first octets of the body, or when they are late, so that a
// body that fails at once can still be answered with an error. Files pass it
// unseen.
type answer struct {
	http.ResponseWriter
	rc   *http.ResponseController
	r    *http.Request
	body *upload // of the request; nil when there is none

	// representation is the length of the whole body of a 200 response when
	// net/http must not be left to find it; -1 otherwise.
	representation int64
	forwarded      int   // the origin's status, if that is to be told
	status         int   // 0 until WriteHeader
	declared       int64 // Content-Length, -1 for none
	sent           bool  // the header has gone to the server
	first          time.Time
	octets         int64 // of the body, which the server has taken
	err            error // why the body ended early
	broken         bool  // it was the client's side that failed
}

func newAnswer(w http.ResponseWriter, r *http.Request) *answer {
	return &answer{ResponseWriter: w, rc: http.NewResponseController(w), r: r, representation: -1, declared: -1}
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// reset forgets a response that has not gone out, and returns its header.
func (a *answer) reset() http.Header {
	a.status, a.declared, a.representation, a.forwarded, a.err = 0, -1, -1, 0, nil
	h := a.Header()
	clear(h)
	return h
}

// WriteHeader fixes status and header; they go out later.
func (a *answer) WriteHeader(status int) {
	if a.status != 0 {
		return
	}
	a.status = status
	h := a.Header()
	a.fit(h)
	noteForwarded(h, a.forwarded, status)
	if n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64); err == nil {
		a.declared = n
	}
}

// fit drops fields that do not fit the content which http.ServeContent chose
// to send in place of the whole representation.
func (a *answer) fit(h http.Header) {
	if a.representation < 0 {
		return
	}
	switch {
	case a.status == http.StatusOK:
		h.Set("Content-Length", strconv.FormatInt(a.representation, 10))
		return
	case a.status >= 400:
		for _, name := range []string{"Repr-Digest", "Digest", "Content-Encoding", "Content-Location"} {
			delete(h, name)
		}
		if a.status == http.StatusPreconditionFailed {
			delete(h, "Content-Type")
		}
	}
	for _, name := range []string{"Content-Digest", "Content-Md5"} {
		delete(h, name)
	}
}

// commit gives the header to the server. A connection whose request was not
// read to its end is not used again: nobody can say where the next begins.
func (a *answer) commit() {
	if a.sent || a.status == 0 {
		return
	}
	a.sent, a.first = true, time.Now()
	if a.body != nil && !a.body.ended.Load() && a.r.ProtoMajor == 1 {
		a.Header().Set("Connection", "close")
	}
	a.ResponseWriter.WriteHeader(a.status)
}

// Write sends a part of the body.
func (a *answer) Write(p []byte) (int, error) {
	a.commit()
	n, err := a.ResponseWriter.Write(p)
	a.octets += int64(n)
	if err != nil {
		a.err, a.broken = err, true
	}
	return n, err
}

// ReadFrom sends all of src. A file goes to the server as it is, which has the
// kernel send it.
func (a *answer) ReadFrom(src io.Reader) (int64, error) {
	rf, ok := a.ResponseWriter.(io.ReaderFrom)
	src, plain := plainFile(src)
	if !ok || !plain {
		return a.copyFrom(src)
	}
	a.commit()
	n, err := rf.ReadFrom(src)
	a.octets += n
	if err != nil {
		a.err, a.broken = err, isReset(err)
	}
	return n, err
}

// isReset reports whether err, of sending a file, is about the connection.
func isReset(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// plainFile returns src with the file in it that the kernel can send, and
// whether there is one (fetch.Stored).
func plainFile(src io.Reader) (io.Reader, bool) {
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		_, ok = src.(*os.File)
		return src, ok
	}
	switch r := limited.R.(type) {
	case *os.File:
		return src, true
	case interface{ Plain() *os.File }:
		if f := r.Plain(); f != nil {
			return io.LimitReader(f, limited.N), true
		}
	}
	return src, false
}

// copyFrom sends src as it comes: what is there goes out before the next read
// may have to wait.
func (a *answer) copyFrom(src io.Reader) (total int64, err error) {
	buf := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buf)
	late := &latch{a: a}
	pending := true // the header at first
	for {
		late.arm(pending)
		n, err := src.Read(buf[:])
		late.disarm()
		if n > 0 {
			if _, err := a.Write(buf[:n]); err != nil {
				return total, err
			}
			total += int64(n)
			pending = n == len(buf)
		}
		switch {
		case err == io.EOF:
			return total, nil
		case err != nil:
			a.err = err
			return total, err
		case n > 0 && !pending:
			a.rc.Flush()
		}
	}
}

// complete reports whether all of the body that the header promised was taken.
func (a *answer) complete() bool {
	promised := a.declared >= 0 && a.r.Method != http.MethodHead && bodyAllowed(a.status)
	return a.err == nil && (!promised || a.octets == a.declared)
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

var errShort = errors.New("proxy: the body ended before its length")

// latch sends what is pending when a read takes its time.
type latch struct {
	a     *answer
	timer *time.Timer

	mu    sync.Mutex // guards following, and the answer while armed
	armed bool
}

func (l *latch) arm(pending bool) {
	if !pending {
		return
	}
	l.mu.Lock()
	l.armed = true
	l.mu.Unlock()
	if l.timer == nil {
		l.timer = time.AfterFunc(stall, l.fire)
	} else {
		l.timer.Reset(stall)
	}
}

// disarm makes the answer the caller's again. When it returns, fire neither
// runs nor will do anything.
func (l *latch) disarm() {
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Lock()
	l.armed = false
	l.mu.Unlock()
}

func (l *latch) fire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.armed {
		l.armed = false
		l.a.commit()
		l.a.rc.Flush()
	}
}
