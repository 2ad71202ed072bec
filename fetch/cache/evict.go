package cache

import (
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/flashcrowd/flashcrowd/dht"
)

// discard removes from disk what was dropped from s.entries: first from the
// index, then the bodies, so that a crash between leaves only files that the
// next Open sweeps. With durable it is lasting when discard returns; an
// error of the index is returned, one of a body is logged, since the body is
// out of reach already. The caller has entered and holds no lock.
func (s *Store) discard(dropped []*entry, how *pebble.WriteOptions) error {
	if len(dropped) == 0 {
		return nil
	}
	err := s.unindex(dropped, how)
	for _, e := range dropped {
		s.hot.drop(e)
		remove := s.bodies.remove
		if e.part {
			remove = s.bodies.removeTemp
		}
		if err := remove(e.name); err != nil {
			s.log.Warn("cache", "id", e.id, "err", err)
		}
	}
	s.mu.Lock()
	for _, e := range dropped {
		s.entries.left(e)
	}
	s.mu.Unlock()
	s.tellRemoved(dropped)
	return err
}

func (s *Store) unindex(dropped []*entry, how *pebble.WriteOptions) error {
	s.rewrite.Lock()
	defer s.rewrite.Unlock()
	b := s.cfg.DB.NewBatch()
	defer b.Close()
	for _, e := range dropped {
		forgetKeys(b, e)
	}
	return b.Commit(how)
}

// tellRemoved calls OnRemove for the ids of which no shared object is left.
func (s *Store) tellRemoved(dropped []*entry) {
	var ids []dht.ID
	for _, e := range dropped {
		for _, id := range append([]dht.ID{e.id}, e.digests...) {
			if e.shared && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	for _, id := range ids {
		s.tellUnshared(id)
	}
}

func (s *Store) tellUnshared(id dht.ID) {
	s.mu.Lock()
	left := s.entries.shares(id)
	s.mu.Unlock()
	if !left && s.cfg.OnRemove != nil {
		s.cfg.OnRemove(id)
	}
}

// reserve makes the octets that w holds of the account total, evicting what
// goes first. It fails with ErrFull when there is no room under
// the limit or on the disk; w then holds what it held.
func (s *Store) reserve(w *writer, total int64) error {
	grow, ok := s.take(w, total)
	if !ok {
		return ErrFull
	}
	if grow <= 0 || s.spare(grow) {
		return nil
	}
	s.mu.Lock()
	s.entries.reserved -= grow
	w.held -= grow
	s.mu.Unlock()
	return ErrFull
}

// take is reserve under the limit alone; it returns by how much w holds more.
func (s *Store) take(w *writer, total int64) (grow int64, ok bool) {
	s.mu.Lock()
	grow = total - w.held
	if ok = s.entries.fits(grow); ok {
		s.entries.reserved += grow
		w.held = total
	}
	s.mu.Unlock()
	if ok {
		return grow, true
	}
	s.evicting.Lock()
	defer s.evicting.Unlock()
	s.mu.Lock()
	grow = total - w.held
	dropped, ok := s.entries.makeRoom(grow)
	if ok {
		s.entries.reserved += grow
		w.held = total
	}
	s.mu.Unlock()
	s.logged(s.discard(dropped, pebble.NoSync))
	return grow, ok
}

// release gives back what w holds of the account.
func (s *Store) release(w *writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries.reserved -= w.held
	w.held = 0
}

// trimIfOpen evicts what is over the limit, unless the store is closed or about
// to be.
func (s *Store) trimIfOpen() {
	if !s.life.TryRLock() { // whoever closes bodies may be inside or outside
		return
	}
	defer s.life.RUnlock()
	if !s.closed {
		s.trim()
	}
}

// trim evicts what is over the limit. The caller has entered.
func (s *Store) trim() {
	s.mu.Lock()
	over := s.entries.trim()
	s.mu.Unlock()
	s.logged(s.discard(over, pebble.NoSync))
}

// spare reports whether the disk can take need octets and has MinFree left,
// after evicting what would make the difference.
func (s *Store) spare(need int64) bool {
	if s.cfg.MinFree < 0 {
		return true
	}
	free, err := s.bodies.free()
	if err != nil { // a file system that does not say: the write itself will
		return true
	}
	missing := s.cfg.MinFree + need - free
	if missing <= 0 {
		return true
	}
	s.mu.Lock()
	dropped := s.entries.free(missing)
	s.mu.Unlock()
	s.logged(s.discard(dropped, pebble.NoSync))
	free, err = s.bodies.free()
	return err != nil || free >= s.cfg.MinFree+need
}

// logged is for errors that nobody waits for.
func (s *Store) logged(err error) {
	if err != nil {
		s.log.Warn("cache", "err", err)
	}
}

// useCoarseness is how old the time of last use in the index may be.
const useCoarseness = 3600 // seconds

// touch notes that e was used at now.
func (s *Store) touch(e *entry, now time.Time) {
	s.mu.Lock()
	s.entries.use(e, now)
	save := !e.gone && (e.used-e.saved > useCoarseness || e.used < e.saved)
	if save {
		e.saved = e.used
	}
	at := e.access()
	s.mu.Unlock()
	if save {
		s.logged(s.cfg.DB.Set(accessKey(e.name), at.encode(), pebble.NoSync))
	}
}
