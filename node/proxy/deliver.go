package proxy

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// deliver writes resp out. An error means that nothing has gone out yet; what
// fails later ends the connection.
func (v *visit) deliver(resp *fetch.Response, w way) error {
	v.served, v.outcome = &resp.Served, outcomeOf(resp.Served)
	defer func() {
		resp.Body.Close()
		resp.Done(v.w.octets)
	}()
	if resp.Status < 200 || resp.Status > 999 {
		return &fetch.Failure{Cause: fetch.Protocol, Err: fmt.Errorf("proxy: status %d", resp.Status)}
	}
	v.fields(resp, w)
	var err error
	if whole, ok := v.seekable(resp); ok {
		err = v.serve(whole, resp.Length)
	} else {
		v.stream(resp)
	}
	if err != nil {
		return err
	}
	v.noteRepeat(resp)
	return v.settle()
}

// fields makes the header section of the response.
func (v *visit) fields(resp *fetch.Response, w way) {
	in := resp.Header
	if in == nil {
		in = http.Header{}
	}
	dropHopByHop(in)
	if w.response != nil {
		w.response(in)
	}
	label(in, v.p.cfg.Name, resp.Served)
	v.w.forwarded = resp.Served.ForwardStatus
	h := v.w.Header()
	maps.Copy(h, in)
	if len(h["Content-Type"]) == 0 {
		h["Content-Type"] = nil // so that net/http does not guess one
	}
}

// seekable returns the body of resp if any part of it may be read, and
// http.ServeContent may choose which.
func (v *visit) seekable(resp *fetch.Response) (io.ReadSeeker, bool) {
	whole, ok := resp.Body.(io.ReadSeeker)
	return whole, ok && resp.Status == http.StatusOK &&
		(v.r.Method == http.MethodGet || v.r.Method == http.MethodHead)
}

// serve answers conditions and ranges (RFC 9110 sections 13 and 14) from the
// whole representation, which stands at its first octet. length is -1 where it
// is not known yet.
func (v *visit) serve(whole io.ReadSeeker, length int64) error {
	size := length
	if size < 0 {
		var err error
		if size, err = whole.Seek(0, io.SeekEnd); err == nil {
			_, err = whole.Seek(0, io.SeekStart)
		}
		if err != nil {
			return &fetch.Failure{Cause: fetch.InternalFailure, Err: fmt.Errorf("measure body: %w", err)}
		}
	}
	h := v.w.Header()
	delete(h, "Content-Length")
	v.w.representation = size
	switch evaluate(v.r.Header, h) {
	case notModified:
		v.bare(http.StatusNotModified)
		return nil
	case failed:
		v.bare(http.StatusPreconditionFailed)
		return nil
	}
	if len(v.r.Header["Range"]) == 0 {
		v.entire(whole, size)
		return nil
	}
	r := unconditional(v.r)
	if len(r.Header["Range"]) > 0 {
		set := guardRange(r, size)
		if set != "" && takesRange(v.r.Header, h) {
			r.Header.Set("Range", set)
		} else {
			delete(r.Header, "Range")
		}
	}
	http.ServeContent(v.w, r, "", time.Time{}, whole)
	return nil
}

// entire answers with all of a representation: what http.ServeContent would
// do, without its looks at the file.
func (v *visit) entire(whole io.Reader, size int64) {
	h := v.w.Header()
	h["Accept-Ranges"] = acceptsBytes
	h["Content-Length"] = []string{strconv.FormatInt(size, 10)}
	v.w.WriteHeader(http.StatusOK)
	if v.r.Method == http.MethodHead {
		return
	}
	if held, ok := whole.(interface{ Bytes() []byte }); ok { // in memory (fetch.Stored)
		_, _ = v.w.Write(held.Bytes()) // which keeps the error
		return
	}
	_, _ = v.w.ReadFrom(io.LimitReader(whole, size))
}

// acceptsBytes is the field of every response whose parts may be asked for. It
// is shared: nobody adds to it.
var acceptsBytes = []string{"bytes"}

// bare answers without content. Fields that describe it go, and so does
// Last-Modified where there is an entity tag (RFC 9110 section 15.4.5).
func (v *visit) bare(status int) {
	h := v.w.Header()
	for _, name := range []string{"Content-Type", "Content-Encoding"} {
		delete(h, name)
	}
	h["Content-Type"] = nil
	if status == http.StatusNotModified && h.Get("Etag") != "" {
		delete(h, "Last-Modified")
	}
	v.w.WriteHeader(status)
}

// stream passes a response through as it comes.
func (v *visit) stream(resp *fetch.Response) {
	h := v.w.Header()
	bodied := v.r.Method != http.MethodHead && bodyAllowed(resp.Status)
	switch {
	case !bodyAllowed(resp.Status):
		delete(h, "Content-Length")
	case v.r.Method == http.MethodHead: // what a GET would have
	case resp.Length >= 0:
		h.Set("Content-Length", strconv.FormatInt(resp.Length, 10))
	default:
		delete(h, "Content-Length")
	}
	v.w.WriteHeader(resp.Status)
	if !bodied {
		return
	}
	v.w.copyFrom(resp.Body)
	if v.w.err == nil && resp.Length < 0 && resp.Trailer != nil {
		v.trail(resp.Trailer())
	}
}

// trail sends trailer fields. Which ones there are was not known before.
func (v *visit) trail(t http.Header) {
	t = endTrailer(t, nil)
	if len(t) == 0 {
		return
	}
	v.w.commit()
	v.w.rc.Flush() // from here on the body has chunks
	for name, values := range t {
		v.w.Header()[http.TrailerPrefix+name] = values
	}
}

// settle ends the response: all of it is out, or the connection ends.
func (v *visit) settle() error {
	a := v.w
	if a.complete() {
		a.commit()
		return nil
	}
	if a.err == nil {
		a.err = errShort
	}
	v.err = a.err
	if !a.sent {
		return incomplete(a.err)
	}
	if v.r.Context().Err() == nil && !a.broken {
		v.outcome = "failed"
		panic(http.ErrAbortHandler)
	}
	v.abort()
	return nil
}

// incomplete names the failure of a body of which nothing was sent.
func incomplete(err error) error {
	if fetch.CauseOf(err) != fetch.InternalFailure {
		return err
	}
	return &fetch.Failure{Cause: fetch.Incomplete, Err: err}
}

// outcomeOf names how a response was made, for the counter of requests.
func outcomeOf(s fetch.Served) string {
	switch {
	case s.Forward == "stale", s.Hit && s.HasTTL && s.TTL <= 0:
		return "stale"
	case s.Hit:
		return "hit"
	default:
		return "miss"
	}
}
