package fetchtest

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// part is an incomplete response in a Store.
type part struct {
	entry
	held []fetch.Span
}

var errNotHeld = errors.New("fetchtest: octets that are not held")

// Partial implements fetch.Cache.
func (s *Store) Partial(req *fetch.Request, now time.Time) (*fetch.Stored, error) {
	id, err := dht.URLID(req.URL)
	if err != nil || req.Method != http.MethodGet && req.Method != http.MethodHead {
		return nil, fetch.ErrMiss
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		if p.meta.ID == id && selects(p.meta, req) {
			return p.stored(req, now), nil
		}
	}
	return nil, fetch.ErrMiss
}

func (p *part) stored(req *fetch.Request, now time.Time) *fetch.Stored {
	st := p.entry.stored(req, now)
	st.Length, st.Held = p.meta.Length, slices.Clone(p.held)
	st.Body = &partBody{SectionReader: io.NewSectionReader(heldOctets{p}, 0, p.meta.Length)}
	return st
}

// partBody reads a part.
type partBody struct{ *io.SectionReader }

func (*partBody) Close() error { return nil }

// heldOctets reads what is held of a part, and no more.
type heldOctets struct{ p *part }

func (h heldOctets) ReadAt(b []byte, off int64) (int, error) {
	if len(fetch.Missing(fetch.Span{Offset: off, End: off + int64(len(b))}, h.p.held)) > 0 {
		return 0, errNotHeld
	}
	return copy(b, h.p.body[off:]), nil
}

// Resume implements fetch.Cache.
func (s *Store) Resume(req *fetch.Request, m *fetch.Meta) (fetch.Writer, []fetch.Span, error) {
	if !storable(req, m) {
		return nil, nil, fetch.ErrNotStorable
	}
	p := s.claim(m)
	if p == nil {
		return nil, nil, fetch.ErrMiss
	}
	w := s.begin(m, p.body)
	w.right = p.held
	return w, slices.Clone(p.held), nil
}

// claim takes the part of m's version out of the store; nil when there is none.
func (s *Store) claim(m *fetch.Meta) *part {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.parts, func(p *part) bool { return sameVersion(p.meta, m) })
	if i < 0 {
		return nil
	}
	p := s.parts[i]
	s.parts = slices.Delete(s.parts, i, i+1)
	return p
}

// sameVersion reports whether parts of two responses may be combined.
func sameVersion(a, b *fetch.Meta) bool {
	if a.ID != b.ID || a.Length != b.Length || a.Coding() != b.Coding() || !sameVariant(a, b) {
		return false
	}
	if a.StrongETag() != "" || b.StrongETag() != "" {
		return a.StrongETag() == b.StrongETag()
	}
	return stated(a) == stated(b) && !stated(a).IsZero()
}

func sameVariant(a, b *fetch.Meta) bool {
	return a.ID == b.ID && selects(a, &fetch.Request{Header: b.Vary}) && selects(b, &fetch.Request{Header: a.Vary})
}

// stated is the digest that an origin has stated with m.
func stated(m *fetch.Meta) verify.Digest {
	for _, e := range m.Evidence {
		if e.Level() >= verify.E7 {
			return e.Digest()
		}
	}
	return verify.Digest{}
}

// supersedeLocked forgets the parts that a response stored now replaces.
func (s *Store) supersedeLocked(m *fetch.Meta) {
	s.parts = slices.DeleteFunc(s.parts, func(p *part) bool { return sameVariant(p.meta, m) })
}

// Checkpoint implements fetch.Writer.
func (w *storeWriter) Checkpoint(spans []fetch.Span) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.right = slices.Clone(spans)
	}
}

// Suspend implements fetch.Writer.
func (w *storeWriter) Suspend(spans []fetch.Span) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return errOver
	}
	w.keepLocked(spans)
	w.endLocked()
	if w.s.FailCommit {
		return ErrDisk
	}
	return nil
}

// crash ends the writer as the end of the process does.
func (w *storeWriter) crash() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.keepLocked(w.right)
	}
	w.endLocked()
}

// keepLocked makes a part of what w has.
func (w *storeWriter) keepLocked(spans []fetch.Span) {
	held := fetch.Union(spans...)
	known := w.meta.StrongETag() != "" || !stated(w.meta).IsZero()
	if len(held) == 0 || w.meta.Length < 0 || !known || w.s.FailCommit {
		return
	}
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	for _, p := range w.s.parts {
		if sameVersion(p.meta, w.meta) && octets(p.held) > octets(held) {
			return
		}
	}
	w.s.supersedeLocked(w.meta)
	w.s.parts = append(w.s.parts, &part{entry{meta: w.meta, body: w.body}, held})
}

func octets(spans []fetch.Span) (n int64) {
	for _, s := range spans {
		n += s.Len()
	}
	return n
}
