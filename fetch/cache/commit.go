package cache

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// commit makes the body last, then the index that names it, and then lets it
// be found. What fails leaves nothing but the open file.
func (w *writer) commit(seal fetch.Seal) error {
	if !w.s.enter() {
		return ErrClosed
	}
	defer w.s.leave()
	whole, err := w.whole(seal.Whole)
	if err != nil {
		return err
	}
	sd := sideOf(whole)
	r := w.record(seal, whole, len(sd))
	value, err := r.encode()
	if err != nil {
		return err
	}
	beside := encodeBeside(value, sd)
	e := newEntry(w.name, r, len(value), int64(len(beside)))
	if err := w.s.reserve(w, e.size); err != nil {
		return fmt.Errorf("reserve %d octets: %w", e.size, err)
	}
	if err := w.keep(e, beside); err != nil {
		return err
	}
	w.s.remember(r)
	if err := w.s.index(e, value, sd); err != nil {
		w.s.logged(w.s.bodies.remove(w.name))
		return fmt.Errorf("index body: %w", err)
	}
	return w.s.admit(w, e, r)
}

// whole checks that the body has the length that was sealed, and adds the state
// list if it is not there, as when the length was not known from the start.
func (w *writer) whole(sealed verify.Whole) (verify.Whole, error) {
	d := sealed.Digest
	info, err := w.file.Stat()
	if err != nil {
		return verify.Whole{}, fmt.Errorf("stat body: %w", err)
	}
	if d.IsZero() || info.Size() != d.Length() || w.meta.Length >= 0 && w.meta.Length != d.Length() {
		return verify.Whole{}, fmt.Errorf("body of %d octets, announced as %d, sealed as %d", info.Size(), w.meta.Length, d.Length())
	}
	if _, err := verify.ParseStateList(d, sealed.States); err == nil {
		return sealed, nil
	}
	r := verify.NewRecorder(d.Algorithm(), d.Length())
	if _, err := io.Copy(r, io.NewSectionReader(w.file, 0, d.Length())); err != nil {
		return verify.Whole{}, fmt.Errorf("hash body: %w", err)
	}
	whole := r.Whole()
	if whole.Digest != d {
		return verify.Whole{}, fmt.Errorf("%w: written as %s, sealed as %s", ErrDamaged, whole.Digest, d)
	}
	return whole, nil
}

func (w *writer) record(seal fetch.Seal, whole verify.Whole, side int) *record {
	m := *w.meta
	m.Length = whole.Digest.Length()
	if seal.Evidence != nil {
		m.Evidence = seal.Evidence
	}
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	return &record{meta: &m, digest: whole.Digest, sources: seal.Sources, also: w.also, side: side, invalid: w.invalid}
}

// keep makes the body last under its name.
func (w *writer) keep(e *entry, beside []byte) error {
	if err := syncFile(w.file); err != nil {
		return fmt.Errorf("sync body: %w", err)
	}
	info, err := w.file.Stat()
	if err != nil {
		return fmt.Errorf("stat body: %w", err)
	}
	e.trust.believe(info)
	if err := w.s.bodies.keep(w.name, beside); err != nil {
		w.s.logged(w.s.bodies.remove(w.name))
		return fmt.Errorf("keep body: %w", err)
	}
	return nil
}

// remember adds the digest of a full download to the memory of digests: one
// from the origin, or one that was proven by a digest as strong as what is
// remembered. To remember what peers brought under a weaker one would make
// more of it than it is.
func (s *Store) remember(r *record) {
	stated, ok := r.meta.Stated()
	peers := slices.ContainsFunc(r.sources, func(x fetch.SourceBytes) bool { return x.Kind == "peer" })
	if peers && (!ok || !stated.Algorithm().Strong()) {
		return
	}
	// A mirror's entity tag is not the origin's.
	if tag := r.meta.StrongETag(); tag != "" && !r.meta.Moved && r.meta.Status == http.StatusOK {
		s.logged(s.memory.put(memoIDOf(r.meta.ID, tag, r.meta.Coding()), memo{r.digest, time.Now()}))
	}
}

// index writes what the index holds of e, all of it or nothing.
func (s *Store) index(e *entry, value, side []byte) error {
	b := s.cfg.DB.NewBatch()
	defer b.Close()
	b.Delete(partKey(e.id, e.name), nil)
	b.Set(recordKey(e.id, e.name), value, nil)
	if len(side) > 0 {
		b.Set(sideKey(e.name), side, nil)
	}
	return b.Commit(durable)
}

// admit lets e be found, in the place of what it replaces, unless its URL was
// removed meanwhile. r is its record.
func (s *Store) admit(w *writer, e *entry, r *record) error {
	s.mu.Lock()
	delete(s.writers, w)
	invalid, forgotten := w.invalid, w.forgotten
	s.entries.reserved -= w.held
	w.held = 0
	s.entries.add(e)
	dropped := append(s.entries.supersede(e), s.entries.overtake(r.digest, e)...)
	if forgotten {
		s.entries.lose(e)
	}
	over := s.entries.trim()
	s.mu.Unlock()
	s.logged(s.discard(append(dropped, over...), pebble.NoSync))
	if forgotten {
		s.logged(s.discard([]*entry{e}, durable))
		s.logged(s.memory.forget(e.id))
		return errForgotten
	}
	if invalid && !r.invalid {
		s.logged(s.markInvalid(e))
	}
	return nil
}
