package cache

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Item is one stored response, as lists show it.
type Item struct {
	Meta   *fetch.Meta
	Digest verify.Digest
	// Bytes on disk, with all that is kept beside the body.
	Bytes int64
	// Used is when it was last used, to the second.
	Used time.Time
	// Pinned: it is not evicted. Waiting: it is the body of an archive, which
	// answers no request before its origin states its digest; Meta has but the
	// URL that the archive says.
	Pinned, Waiting bool
}

// List yields what is stored, the last used first. It holds no lock while it
// yields, so that the caller may call the store; what changes meanwhile may or
// may not show.
func (s *Store) List() iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for _, e := range s.snapshot() {
			item, ok := s.item(e)
			if ok && !yield(item) {
				return
			}
		}
	}
}

// Shared yields the ids of the shared objects, each once: all that may be
// announced after a restart. It holds no lock while it yields.
func (s *Store) Shared() iter.Seq[dht.ID] {
	return func(yield func(dht.ID) bool) {
		s.mu.Lock()
		var ids []dht.ID
		for id := range s.entries.byID {
			if s.entries.shares(id) {
				ids = append(ids, id)
			}
		}
		s.mu.Unlock()
		for _, id := range ids {
			if !yield(id) {
				return
			}
		}
	}
}

func (s *Store) snapshot() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*entry, 0, s.entries.count)
	for e := range s.entries.all() {
		if !e.part {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Compare(b.turn, a.turn) })
	return all
}

func (s *Store) item(e *entry) (Item, bool) {
	if !s.enter() {
		return Item{}, false
	}
	defer s.leave()
	r, err := s.read(e)
	if err != nil {
		return Item{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return Item{r.meta, r.digest, e.size, time.Unix(e.used, 0), s.entries.pinned(e), e.about != nil}, !e.gone
}

// errForgotten: Remove was called for the URL that is being written.
var errForgotten = errors.New("cache: removed while it was written")

// Remove removes all that is known of url: the stored responses, whose number
// it returns, what is being written, the digests of earlier downloads, and the
// pin.
// When it returns they are gone for good; who has a body open may read it to
// the end.
func (s *Store) Remove(url string) (int, error) {
	id, err := urlID(url)
	if err != nil {
		return 0, nil
	}
	if !s.enter() {
		return 0, ErrClosed
	}
	defer s.leave()
	s.mu.Lock()
	var written []*entry // their checkpoints go now, and no more are made
	for w := range s.writers {
		if w.meta.ID == id {
			w.forgotten = true
			written = append(written, &entry{id: id, name: w.name})
		}
	}
	s.mu.Unlock()
	if err := s.unindex(written, durable); err != nil {
		return 0, fmt.Errorf("cache: remove: %w", err)
	}
	if _, err := s.unpin(id); err != nil {
		return 0, fmt.Errorf("cache: remove: %w", err)
	}
	n, err := s.removeAll(slices.Concat(s.variants(id), s.parts(id), s.waitingFor(id)), durable)
	if err = errors.Join(err, s.memory.forget(id)); err != nil {
		return n, fmt.Errorf("cache: remove: %w", err)
	}
	return n, nil
}
