package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
)

// Lookup is as fetch.Cache says. What the index or the disk no longer has, or
// has wrong, is a miss.
func (s *Store) Lookup(req *fetch.Request, now time.Time) (*fetch.Stored, error) {
	id, err := s.enterFor(req)
	if err != nil {
		return nil, err
	}
	defer s.leave()
	e, r := s.choose(id, func(r *record) bool { return selects(r.meta, req.Header) && allowed(req, r.meta) })
	if e == nil {
		if len(s.variants(id)) > 0 {
			return nil, fetch.ErrVaryMiss
		}
		return nil, fetch.ErrMiss
	}
	if w := s.hot.get(e); w != nil && w.record == r {
		s.touch(e, now)
		st := judged(req, r, now)
		st.Body, st.Again = w.open(), s.again(req, e, r, st, now)
		return st, nil
	}
	st, err := s.stored(req, e, r, now)
	if err == nil {
		if b, plain := st.Body.(*plainBody); plain {
			s.hot.put(e, r, b.file)
		}
	}
	return st, err
}

// enterFor is enter for a request that what is stored may answer; it returns the
// ID to look under, and any error is a miss.
func (s *Store) enterFor(req *fetch.Request) (dht.ID, error) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return dht.ID{}, fetch.ErrMiss
	}
	id, err := dht.URLID(req.URL)
	if err != nil {
		return dht.ID{}, fetch.ErrMiss
	}
	if !s.enter() {
		return dht.ID{}, fmt.Errorf("%w: %w", fetch.ErrMiss, ErrClosed)
	}
	return id, nil
}

// allowed reports whether m, which is stored, may be stored on the way by which
// req came: what is for a mirror by CDN-Cache-Control is not for others.
func allowed(req *fetch.Request, m *fetch.Meta) bool {
	_, targeted := m.Header["Cdn-Cache-Control"]
	return !targeted || forbidden(m, m.Authorized, req.Face) == ""
}

// Judge is as fetch.Config.Judge says: what Lookup would say of m.
func (s *Store) Judge(req *fetch.Request, m *fetch.Meta, now time.Time) *fetch.Stored {
	kept := storedForm(m)
	if !allowed(req, kept) || !selects(kept, req.Header) {
		return nil
	}
	return judged(req, &record{meta: kept}, now)
}

// judged is what is to be said of the response of r for req, without its body.
func judged(req *fetch.Request, r *record, now time.Time) *fetch.Stored {
	v := judge(requestControl(req.Header), req.Face, r.meta, r.invalid, now)
	return &fetch.Stored{
		Meta: r.meta, Age: v.age, TTL: v.ttl, Fresh: v.fresh, StaleOK: v.staleOK,
		Unwanted: v.unwanted, Revalidate: v.revalidate, Sources: r.sources,
	}
}

// stored opens e, whose record is r, as an answer to req.
func (s *Store) stored(req *fetch.Request, e *entry, r *record, now time.Time) (*fetch.Stored, error) {
	b, _, err := s.open(e, r)
	if err != nil {
		return nil, fmt.Errorf("%w: open: %w", fetch.ErrMiss, err)
	}
	s.touch(e, now)
	st := judged(req, r, now)
	st.Body, st.Length = b, e.body
	return st, nil
}

// choose returns, of the responses stored under id that suit, the one with the
// latest Date (RFC 9111 section 4.1), or nil.
func (s *Store) choose(id dht.ID, suits func(*record) bool) (best *entry, of *record) {
	for _, e := range s.variants(id) {
		r, err := s.read(e)
		if err != nil || !suits(r) {
			continue
		}
		if of == nil || later(r.meta, of.meta) {
			best, of = e, r
		}
	}
	return best, of
}

func later(a, b *fetch.Meta) bool {
	if c := dateOf(a).Compare(dateOf(b)); c != 0 {
		return c > 0
	}
	return !a.ResponseTime.Before(b.ResponseTime)
}

// variants returns all complete responses stored under id.
func (s *Store) variants(id dht.ID) []*entry {
	return s.under(id, func(e *entry) bool { return !e.part })
}

// parts returns all incomplete ones.
func (s *Store) parts(id dht.ID) []*entry {
	return s.under(id, func(e *entry) bool { return e.part })
}

func (s *Store) under(id dht.ID, which func(*entry) bool) (found []*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries.byID[id] {
		if which(e) {
			found = append(found, e)
		}
	}
	return found
}

// read returns the record of e. One that is garbage takes e with it.
func (s *Store) read(e *entry) (*record, error) {
	if w := s.hot.get(e); w != nil {
		return w.record, nil
	}
	r, err := s.readRecord(e)
	if errors.Is(err, errGarbage) || err != nil && pebble.IsCorruptionError(err) {
		s.reject(e, err)
	} else if err != nil && !errors.Is(err, pebble.ErrNotFound) { // that is: e is just being discarded
		s.log.Warn("cache", "id", e.id, "err", err)
	}
	return r, err
}

// readRecord is read without consequences.
func (s *Store) readRecord(e *entry) (*record, error) {
	version := e.edition.Load()
	value, closer, err := s.cfg.DB.Get(recordKey(e.id, e.name))
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	r, err := decodeRecord(value)
	if err == nil {
		r.version = version
	}
	if err == nil && (r.meta.ID != e.id || r.digest.Length() != e.body) {
		err = fmt.Errorf("%w: record of another body", errGarbage)
	}
	return r, err
}

// readSide returns the side data of e, whose record is r.
func (s *Store) readSide(e *entry, r *record) (side, error) {
	if sd, implied := impliedSide(r.digest); implied {
		return sd, nil
	}
	value, closer, err := s.cfg.DB.Get(sideKey(e.name))
	if err != nil {
		return side{}, fmt.Errorf("read side data: %w", err)
	}
	defer closer.Close()
	return decodeSide(value, r.digest)
}

// reject removes e, which is not what it was. Nobody is blamed.
func (s *Store) reject(e *entry, why error) {
	s.mu.Lock()
	was := s.entries.lose(e)
	s.mu.Unlock()
	if was {
		s.log.Warn("rejected", "id", e.id, "err", why)
		s.logged(s.discard([]*entry{e}, pebble.NoSync))
	}
}

// checkedAtOnce is the longest body that is held against its hashes when it is
// opened first: that takes some 10 ms. Longer ones are checked as they are
// read.
const checkedAtOnce = 8 << 20

// open opens the body of e, whose record is r: a plain file if this process
// trusts all of it. Side data is returned too when it was needed.
func (s *Store) open(e *entry, r *record) (body, *side, error) {
	h := s.hold(e)
	b, sd, err := s.openHeld(e, r, h)
	if err != nil {
		h.release()
		return nil, nil, err
	}
	return b, sd, nil
}

// openHeld is open; h, which holds e, is the body's when there is one.
func (s *Store) openHeld(e *entry, r *record, h *held) (body, *side, error) {
	f, info, err := s.openSized(e)
	if err != nil {
		return nil, nil, err
	}
	layout := r.digest.Layout()
	if e.trust.begin(info, layout.Pieces()) {
		return &plainBody{f, h}, nil, nil
	}
	sd, err := s.readSide(e, r)
	if err != nil {
		s.reject(e, err)
		f.Close()
		return nil, nil, err
	}
	b := &checkedBody{file: f, layout: layout, list: sd.list, trust: e.trust, held: h}
	return s.openChecked(e, b, &sd)
}

// openSized opens the file of e, which has the length that it should.
func (s *Store) openSized(e *entry) (file, fs.FileInfo, error) {
	f, err := s.bodies.open(e.name)
	if errors.Is(err, fs.ErrNotExist) {
		s.reject(e, err)
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != e.body {
		err = fmt.Errorf("%w: %d octets, not %d", ErrDamaged, info.Size(), e.body)
		s.reject(e, err)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// rejecter returns what rejects e, for who has not entered.
func (s *Store) rejecter(e *entry) func(error) {
	return func(why error) {
		if s.enter() {
			defer s.leave()
			s.reject(e, why)
		}
	}
}

// openChecked makes b ready for others, or a plain file if it is short.
func (s *Store) openChecked(e *entry, b *checkedBody, sd *side) (body, *side, error) {
	if b.layout.Length > checkedAtOnce {
		b.reject = s.rejecter(e)
		return b, sd, nil
	}
	b.reject = func(why error) { s.reject(e, why) }
	if err := b.checkAll(); err != nil {
		b.file.Close()
		return nil, nil, err
	}
	return &plainBody{b.file, b.held}, sd, nil
}

// urlID returns the ID of a URL in text form.
func urlID(raw string) (dht.ID, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return dht.ID{}, err
	}
	return dht.URLID(u)
}
