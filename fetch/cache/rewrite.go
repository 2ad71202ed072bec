package cache

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
)

// errGone: the entry left the store meanwhile.
var errGone = errors.New("cache: no longer stored")

// change rewrites the record of e by next, which returns nil to leave it as it
// is, and returns the record that holds then. The caller has entered.
func (s *Store) change(e *entry, how *pebble.WriteOptions, next func(*record) *record) (*record, error) {
	r, err := s.changeRecord(e, how, next)
	if errors.Is(err, errGarbage) {
		s.reject(e, err)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	over := s.entries.trim() // the record may have grown
	s.mu.Unlock()
	s.logged(s.discard(over, pebble.NoSync))
	return r, nil
}

func (s *Store) changeRecord(e *entry, how *pebble.WriteOptions, next func(*record) *record) (*record, error) {
	s.rewrite.Lock()
	defer s.rewrite.Unlock()
	s.mu.Lock()
	gone := e.gone
	s.mu.Unlock()
	if gone {
		return nil, errGone
	}
	old, err := s.readRecord(e)
	if err != nil {
		return nil, err
	}
	r := next(old)
	if r == nil {
		return old, nil
	}
	value, err := r.encode()
	if err != nil {
		return nil, err
	}
	if err := s.cfg.DB.Set(recordKey(e.id, e.name), value, how); err != nil {
		return nil, fmt.Errorf("write record: %w", err)
	}
	s.hot.drop(e)
	e.edition.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries.resize(e, e.body+e.beside+int64(r.side)+int64(len(value)))
	e.shared, e.variant = r.meta.Shared, variantKey(r.meta)
	return r, nil
}

// Invalidate is as fetch.Cache says. It holds for what is being written, too.
func (s *Store) Invalidate(url string) {
	id, err := urlID(url)
	if err != nil || !s.enter() {
		return
	}
	defer s.leave()
	s.mu.Lock()
	for w := range s.writers {
		w.invalid = w.invalid || w.meta.ID == id
	}
	s.mu.Unlock()
	for _, e := range s.variants(id) {
		s.logged(s.markInvalid(e))
	}
	for _, e := range s.parts(id) {
		_, err := s.changePart(e, durable, func(p *part) *part {
			p.invalid = true
			return p
		})
		s.logged(err)
	}
}

func (s *Store) markInvalid(e *entry) error {
	_, err := s.change(e, durable, func(old *record) *record {
		if old.invalid {
			return nil
		}
		r := *old
		r.invalid = true
		return &r
	})
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}

// Freshen is as fetch.Cache says. ErrChanged is also the answer when old has
// left the store meanwhile: the body must be fetched anew then, too. A 304
// that forbids storing is obeyed: the response is returned once more, and no
// longer stored.
func (s *Store) Freshen(req *fetch.Request, old *fetch.Stored, m *fetch.Meta, now time.Time) (*fetch.Stored, error) {
	if !sameVersion(old.Meta, m) {
		return nil, fetch.ErrChanged
	}
	if !s.enter() {
		return nil, ErrClosed
	}
	defer s.leave()
	if old.Held != nil {
		return s.freshenPart(req, old, m, now)
	}
	e, _ := s.choose(old.Meta.ID, func(r *record) bool {
		return selects(r.meta, req.Header) && sameStored(old.Meta, r.meta)
	})
	if e == nil {
		return nil, fmt.Errorf("%w: %w", fetch.ErrChanged, errGone)
	}
	r, keep, err := s.freshen(e, req, m)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", fetch.ErrChanged, err)
	}
	stored, err := s.stored(req, e, r, now)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", fetch.ErrChanged, err)
	}
	if !keep {
		s.removeAll([]*entry{e}, durable)
	}
	return stored, nil
}

// freshen updates the record of e and returns it. keep: it may be stored on.
func (s *Store) freshen(e *entry, req *fetch.Request, m *fetch.Meta) (updated *record, keep bool, err error) {
	keep = true
	var unstored *record // updated for this request only
	wasShared := false
	r, err := s.change(e, pebble.NoSync, func(old *record) *record {
		if old.meta.ResponseTime.After(m.ResponseTime) && !old.invalid { // somebody was faster
			return nil
		}
		wasShared = old.meta.Shared
		next := *old
		next.meta, next.invalid = merged(req, old.meta, m), false
		next.meta.Shared = (old.meta.Shared || m.Shared) && stillShared(next.meta)
		next.meta.Anyone = (old.meta.Anyone || m.Anyone) && stillShared(next.meta)
		authorized := m.Authorized || len(req.Header.Values("Authorization")) > 0
		keep = forbidden(next.meta, false, req.Face) == ""
		if !keep || forbidden(next.meta, authorized, req.Face) != "" || requestControl(req.Header).noStore {
			unstored = &next
			return nil
		}
		return &next
	})
	if err != nil {
		return nil, false, err
	}
	if unstored != nil {
		return unstored, keep, nil
	}
	if wasShared && !r.meta.Shared {
		for _, id := range append([]dht.ID{e.id}, e.digests...) {
			s.tellUnshared(id)
		}
	}
	return r, true, nil
}

// sameStored reports whether r is the stored response that old was, whatever
// has freshened it since.
func sameStored(old, r *fetch.Meta) bool {
	if old.ResponseTime.Equal(r.ResponseTime) && old.RequestTime.Equal(r.RequestTime) {
		return true
	}
	if old.Status != r.Status || old.Length != r.Length || old.Coding() != r.Coding() {
		return false
	}
	same := *r
	same.Status = http.StatusNotModified
	return sameVersion(old, &same)
}

// removeAll removes what is in of the given entries, and returns how many.
func (s *Store) removeAll(es []*entry, how *pebble.WriteOptions) (int, error) {
	var dropped []*entry
	s.mu.Lock()
	for _, e := range es {
		if s.entries.lose(e) {
			dropped = append(dropped, e)
		}
	}
	s.mu.Unlock()
	return len(dropped), s.discard(dropped, how)
}
