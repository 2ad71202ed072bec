package cache

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

const (
	// maxMemos is how many digests are remembered; the oldest go first.
	maxMemos = 100_000
	// memoTTL is how long.
	memoTTL = 90 * 24 * time.Hour
	// memoSlack is how many go at once, since looking for the oldest steps
	// over those that went before.
	memoSlack = maxMemos / 100
)

// Recall is as fetch.Memory says.
func (s *Store) Recall(id dht.ID, etag, coding string) (verify.Digest, bool) {
	if etag == "" || !s.enter() {
		return verify.Digest{}, false
	}
	defer s.leave()
	m, err := s.memory.get(memoIDOf(id, etag, coding))
	if err != nil || time.Since(m.at) > memoTTL {
		return verify.Digest{}, false
	}
	return m.digest, true
}

// memory is the digests of earlier downloads in the index. An error of the
// index, or garbage in it, is nothing remembered.
type memory struct {
	db *pebble.DB

	mu    sync.Mutex // held while memos change; guards following
	count int
}

// open counts what is remembered, and drops what is too old.
func (m *memory) open(db *pebble.DB) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.db, m.count = db, 0
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte(prefixAge), UpperBound: after([]byte(prefixAge))})
	if err != nil {
		return err
	}
	for it.First(); it.Valid(); it.Next() {
		m.count++
	}
	if err := it.Close(); err != nil {
		return fmt.Errorf("%w: %w", errIndex, err)
	}
	return m.trimLocked(maxMemos, time.Now().Add(-memoTTL))
}

func (m *memory) get(id memoID) (memo, error) {
	value, closer, err := m.db.Get(id.key())
	if err != nil {
		return memo{}, err
	}
	defer closer.Close()
	return decodeMemo(value)
}

// put remembers what, in the place of what was remembered under id.
func (m *memory) put(id memoID, what memo) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.db.NewBatch()
	defer b.Close()
	fresh := 1
	if old, err := m.get(id); err == nil {
		b.Delete(id.ageKey(old.at), nil)
		fresh = 0
	}
	b.Set(id.key(), what.encode(), nil)
	b.Set(id.ageKey(what.at), nil, nil)
	if err := b.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("remember digest: %w", err)
	}
	m.count += fresh
	if m.count <= maxMemos {
		return nil
	}
	return m.trimLocked(maxMemos-memoSlack, time.Time{})
}

// trimLocked drops the oldest memos until at most keep are left and none is
// from before since.
func (m *memory) trimLocked(keep int, since time.Time) error {
	it, err := m.db.NewIter(&pebble.IterOptions{LowerBound: []byte(prefixAge), UpperBound: after([]byte(prefixAge))})
	if err != nil {
		return err
	}
	b := m.db.NewBatch()
	defer b.Close()
	for it.First(); it.Valid(); it.Next() {
		id, at, ok := parseAgeKey(it.Key())
		if ok && m.count <= keep && !at.Before(since) {
			break
		}
		m.count--
		b.Delete(it.Key(), nil)
		if old, err := m.get(id); ok && err == nil && old.at.Unix() > at.Unix() {
			continue // a stray age key of a memo that was renewed
		}
		if ok {
			b.Delete(id.key(), nil)
		}
	}
	return errors.Join(it.Close(), b.Commit(pebble.NoSync))
}

// forget drops all memos of id. It is lasting when forget returns.
func (m *memory) forget(id dht.ID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	prefix := append([]byte(prefixMemo), id[:]...)
	it, err := m.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return err
	}
	b := m.db.NewBatch()
	defer b.Close()
	n := 0
	for it.First(); it.Valid(); it.Next() {
		b.Delete(it.Key(), nil)
		if old, err := decodeMemo(it.Value()); err == nil && len(it.Key()) == len(prefixMemo)+len(memoID{}) {
			b.Delete(memoID(it.Key()[len(prefixMemo):]).ageKey(old.at), nil)
			n++
		}
	}
	if err := it.Close(); err != nil || b.Empty() {
		return err
	}
	m.count -= n
	return b.Commit(durable)
}
