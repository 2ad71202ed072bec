package fetch

import (
	"bytes"
	"errors"
	"io"
)

// rest is what is still to come of a body whose length the origin did not say,
// when the disk takes no more of it. It goes through to one reader: there is
// nowhere to keep it for others.
type rest struct {
	io.Reader
	body io.Closer
	end  func()
}

func (r *rest) Close() error {
	err := r.body.Close()
	r.end()
	return err
}

// drop closes what nobody has taken; r may be nil.
func (r *rest) drop() {
	if r != nil {
		r.Close()
	}
}

// handOver keeps the origin's stream, of which p was the first that could not
// be written, for a rider. It reports whether it did; else the stream is the
// caller's still.
func (fl *flight) handOver(why error, p []byte, body io.ReadCloser) bool {
	if fl.body.length >= 0 || !errors.As(why, new(*diskError)) {
		return false
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if fl.riders == 0 || fl.ctx.Err() != nil {
		return false
	}
	fl.rest = &rest{io.MultiReader(bytes.NewReader(bytes.Clone(p)), body), body, fl.cancel}
	fl.outgrown.Store(true)
	return true
}

// takeRest gives the stream behind the front to the first rider that is there.
func (fl *flight) takeRest(off int64) *rest {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if fl.rest == nil || off != fl.body.front {
		return nil
	}
	r := fl.rest
	fl.rest = nil
	return r
}
