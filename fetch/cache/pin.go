package cache

import (
	"errors"
	"fmt"
	"maps"

	"github.com/flashcrowd/flashcrowd/dht"
)

// ErrPinned: what is pinned takes more than the limit that was asked for.
var ErrPinned = errors.New("cache: pinned objects take more")

// SetLimit changes the limit, and evicts what is over it before it returns.
// What is open goes when it is closed, and what is being written fails once it
// is beyond the limit. A limit that pinned objects exceed is ErrPinned, and
// changes nothing.
func (s *Store) SetLimit(octets int64) error {
	if octets <= 0 {
		return fmt.Errorf("cache: limit of %d octets", octets)
	}
	if !s.enter() {
		return ErrClosed
	}
	defer s.leave()
	s.mu.Lock()
	pinned := s.entries.pinnedBytes()
	if pinned <= octets {
		s.entries.limit = octets
	}
	s.mu.Unlock()
	if pinned > octets {
		return fmt.Errorf("%w: %d octets", ErrPinned, pinned)
	}
	s.trim()
	return nil
}

// Pin keeps what is stored for url, and what will take its place, from being
// evicted: also over a restart, until Unpin or Remove. It returns how many
// responses are stored; when there are none it pins nothing.
func (s *Store) Pin(url string) (int, error) {
	id, err := urlID(url)
	if err != nil {
		return 0, nil
	}
	if !s.enter() {
		return 0, ErrClosed
	}
	defer s.leave()
	n := len(s.variants(id))
	if n == 0 {
		return 0, nil
	}
	s.pinning.Lock()
	defer s.pinning.Unlock()
	pins := s.pinned()
	pins[id] = struct{}{}
	err = s.writePins(pins)
	if err == nil {
		err = s.cfg.DB.Set(pinKey(id), []byte(url), durable)
	}
	if err != nil {
		return 0, fmt.Errorf("cache: pin: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries.pin(id)
	return n, nil
}

// Unpin undoes Pin, and reports whether url was pinned.
func (s *Store) Unpin(url string) (bool, error) {
	id, err := urlID(url)
	if err != nil {
		return false, nil
	}
	if !s.enter() {
		return false, ErrClosed
	}
	defer s.leave()
	was, err := s.unpin(id)
	if err != nil {
		return false, fmt.Errorf("cache: unpin: %w", err)
	}
	s.trim()
	return was, nil
}

// unpin is Unpin by id, and evicts nothing.
func (s *Store) unpin(id dht.ID) (bool, error) {
	s.pinning.Lock()
	defer s.pinning.Unlock()
	pins := s.pinned()
	if _, was := pins[id]; !was {
		return false, nil
	}
	delete(pins, id)
	if err := s.writePins(pins); err != nil {
		return false, err
	}
	if err := s.cfg.DB.Delete(pinKey(id), durable); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries.unpin(id)
	return true, nil
}

// pinned returns what is pinned now, the caller's own.
func (s *Store) pinned() map[dht.ID]struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.entries.pins)
}

// loadPins reads what is pinned, before anything is evicted.
func (s *Store) loadPins() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scan(prefixPin, func(key, _ []byte) {
		if id := (dht.ID{}); len(key) == len(prefixPin)+len(id) {
			copy(id[:], key[len(prefixPin):])
			s.entries.pins[id] = struct{}{}
		}
	})
}
