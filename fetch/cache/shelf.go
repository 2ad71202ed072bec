package cache

import (
	"crypto/subtle"
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Open is as fetch.Shelf says: it opens the shared object whose digest makes
// token with id, that of its URL or of the digest itself. Whatever else is, or goes wrong, is fetch.ErrUnknown; what is
// unknown is known to be so from memory alone.
func (s *Store) Open(id dht.ID, token verify.Token) (*fetch.Shelved, error) {
	if !s.enter() {
		return nil, fetch.ErrUnknown
	}
	defer s.leave()
	e := s.onShelf(id, token)
	if e == nil {
		return nil, fetch.ErrUnknown
	}
	r, err := s.read(e)
	if err != nil || !r.meta.Shared {
		return nil, fetch.ErrUnknown
	}
	b, sd, err := s.open(e, r)
	if err != nil {
		return nil, fetch.ErrUnknown
	}
	if sd == nil {
		read, err := s.readSide(e, r)
		if err != nil {
			b.Close()
			s.reject(e, err)
			return nil, fetch.ErrUnknown
		}
		sd = &read
	}
	s.touch(e, time.Now())
	return &fetch.Shelved{
		Digest: r.digest, Coding: r.meta.Coding(), Meta: r.meta, Complete: true,
		Has: fetch.AllPieces(r.digest.Layout().Pieces()), States: sd.states,
		Body: b, Close: func() { b.Close() },
	}, nil
}

// onShelf returns the shared entry of id whose token is token, or nil. It looks
// at all entries of id, whichever fits.
func (s *Store) onShelf(id dht.ID, token verify.Token) (found *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range slices.Concat(s.entries.byID[id], s.entries.byDigest[id]) {
		for _, t := range e.tokens {
			if subtle.ConstantTimeCompare(t[:], token[:]) == 1 && e.shared {
				found = e
			}
		}
	}
	return found
}
