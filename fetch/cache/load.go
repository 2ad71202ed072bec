package cache

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

// load reads the index and makes index and bodies agree: what is in both, with
// the same length, is kept, and everything else is removed. A new index takes in
// what the bodies say of themselves.
func (s *Store) load() error {
	b := s.cfg.DB.NewBatch()
	defer b.Close()
	complete, err := s.complete()
	if err != nil {
		return err
	}
	if err := s.matchPins(!complete); err != nil {
		return err
	}
	bodies := s.bodies.list()
	defer bodies.wait()
	indexed, err := s.loadRecords(b)
	if err != nil {
		return err
	}
	if err := s.loadParts(b, indexed); err != nil {
		return err
	}
	if err := s.loadAccesses(b, indexed); err != nil {
		return err
	}
	whole, err := s.matchBodies(indexed, bodies.wait(), !complete)
	if err != nil {
		return err
	}
	for n, e := range indexed {
		if !whole[n] {
			forgetKeys(b, e)
			delete(indexed, n)
		}
	}
	s.addAll(indexed)
	if !complete {
		b.Set(formKey, []byte{form}, nil)
	}
	if b.Empty() {
		return nil
	}
	s.log.Debug("swept", "keys", b.Count())
	return b.Commit(durable)
}

// loadRecords reads all records, and lets b delete those that are garbage.
func (s *Store) loadRecords(b *pebble.Batch) (map[name]*entry, error) {
	found := make(map[name]*entry)
	err := s.scan(prefixRecord, func(key, value []byte) {
		id, n, ok := parseObjectKey(prefixRecord, key)
		if !ok {
			b.Delete(key, nil)
			return
		}
		r, err := decodeSome(value, true)
		if err == nil && r.meta.ID != id {
			err = fmt.Errorf("%w: record of another id", errGarbage)
		}
		if err != nil {
			s.log.Warn("rejected", "id", id, "err", err)
			forgetKeys(b, &entry{id: id, name: n})
			return
		}
		found[n] = newEntry(n, r, len(value), 0)
	})
	return found, err
}

// newEntry returns the entry of a record that is encoded octets long, with
// beside octets beside the body. Until it is known better it was last used when
// the response came.
func newEntry(n name, r *record, encoded int, beside int64) *entry {
	came := max(r.meta.ResponseTime.Unix(), 0)
	e := &entry{
		id: r.meta.ID, name: n, body: r.digest.Length(), variant: variantKey(r.meta),
		size:   r.digest.Length() + int64(r.side) + int64(encoded) + beside,
		beside: beside, trust: &trust{}, used: came, saved: came,
	}
	if waits(r.meta) { // a user brought it: it is no one-hit wonder of a crawl
		e.about, e.digests = aboutOf(r)
		e.main = true
		return e
	}
	e.digests, e.tokens = names(r)
	e.shared = r.meta.Shared
	return e
}

// names returns the tokens of a record's body, by each digest it is known by,
// and the ids of a shared one by each digest that it alone can have, so that the
// same body from another URL is found by it.
func names(r *record) (ids []dht.ID, tokens []verify.Token) {
	for _, d := range r.meta.Digests(r.digest) {
		id := dht.DigestID(d.Multihash())
		tokens = append(tokens, verify.TokenOf(r.meta.ID, d), verify.TokenOf(id, d))
		if r.meta.Shared && d.Algorithm().Strong() {
			ids = append(ids, id)
		}
	}
	return ids, tokens
}

func (s *Store) loadAccesses(b *pebble.Batch, found map[name]*entry) error {
	return s.scan(prefixAccess, func(key, value []byte) {
		n, ok := parseNameKey(prefixAccess, key)
		at, err := decodeAccess(value)
		if e := found[n]; ok && err == nil && e != nil {
			e.used, e.saved, e.main, e.hits = at.used, at.used, at.main, at.hits
		} else if !ok || e == nil {
			b.Delete(key, nil)
		}
	})
}

// matchBodies removes the bodies that are not indexed or have another length,
// and returns the others. With renew it first takes in, among indexed too, those
// that are not indexed and say themselves what they are.
func (s *Store) matchBodies(indexed map[name]*entry, bodies listing, renew bool) (map[name]bool, error) {
	if bodies.err != nil {
		return nil, bodies.err
	}
	whole, beside := make(map[name]bool, len(indexed)), make(map[name]int64, len(indexed))
	renewal := renewal{s: s}
	for _, f := range bodies.found {
		if f.beside {
			beside[f.name] = f.size
			continue
		}
		var err error
		e := indexed[f.name]
		if e == nil && renew {
			if e, err = renewal.take(f); err != nil {
				return nil, err
			}
			if e != nil {
				indexed[f.name] = e
			}
		}
		switch {
		case e != nil && !e.part && e.body == f.size:
			whole[f.name] = true
		case e != nil && e.part: // a crash came before it was indexed
			err = s.bodies.putBack(f.name)
		default:
			err = s.bodies.remove(f.name)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := renewal.end(); err != nil {
		return nil, err
	}
	if err := s.matchBeside(indexed, whole, beside); err != nil {
		return nil, err
	}
	return whole, s.matchUnfinished(indexed, whole)
}

// matchBeside notes what the files beside bodies take, and removes those that
// lie beside nothing.
func (s *Store) matchBeside(indexed map[name]*entry, whole map[name]bool, beside map[name]int64) error {
	for n, size := range beside {
		if !whole[n] {
			if err := s.bodies.removeBeside(n); err != nil {
				return err
			}
			continue
		}
		e := indexed[n]
		e.size += size - e.beside
		e.beside = size
	}
	return nil
}

// matchUnfinished is matchBodies for those that are being written or incomplete.
func (s *Store) matchUnfinished(indexed map[name]*entry, whole map[name]bool) error {
	for n, err := range s.bodies.unfinished() {
		if err != nil {
			return err
		}
		if e := indexed[n]; e != nil && e.part {
			whole[n] = true
		} else if err := s.bodies.removeTemp(n); err != nil {
			return err
		}
	}
	return nil
}

// addAll takes the loaded entries in, in the order in which they were used.
func (s *Store) addAll(found map[name]*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sorted := make([]*entry, 0, len(found))
	for _, e := range found {
		sorted = append(sorted, e)
	}
	slices.SortFunc(sorted, func(a, b *entry) int { return cmp.Compare(a.used, b.used) })
	for _, e := range sorted {
		s.entries.add(e)
	}
}

// scan calls do for each key that begins with prefix. Key and value are valid
// only during the call.
func (s *Store) scan(prefix string, do func(key, value []byte)) error {
	it, err := s.cfg.DB.NewIter(&pebble.IterOptions{
		LowerBound: []byte(prefix), UpperBound: after([]byte(prefix)),
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errIndex, err)
	}
	for it.First(); it.Valid(); it.Next() {
		do(it.Key(), it.Value())
	}
	if err := it.Close(); err != nil {
		return fmt.Errorf("%w: %w", errIndex, err)
	}
	return nil
}

// forgetKeys lets b delete all keys of e.
func forgetKeys(b *pebble.Batch, e *entry) {
	b.Delete(recordKey(e.id, e.name), nil)
	b.Delete(partKey(e.id, e.name), nil)
	b.Delete(sideKey(e.name), nil)
	b.Delete(accessKey(e.name), nil)
}

// saveAccessesLocked writes when entries were last used.
func (s *Store) saveAccessesLocked() error {
	b := s.cfg.DB.NewBatch()
	defer b.Close()
	for e := range s.entries.all() {
		if e.used != e.saved {
			b.Set(accessKey(e.name), e.access().encode(), nil)
			e.saved = e.used
		}
	}
	if b.Empty() {
		return nil
	}
	return b.Commit(durable)
}
