package cache

import (
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// A body that came in an archive waits: it is stored under the ID of its digest
// and not of a URL, so that no look-up for a request finds it, and is shared
// with nobody. What an origin states makes it a response: whoever fetches that
// takes the octets from here and stores them anew, with the origin's fields.

// waits reports whether m is of a body that waits: there is no response, so it
// has no status.
func waits(m *fetch.Meta) bool { return m.Status == 0 }

// aboutOf returns what newEntry notes of a body that waits: the ID of the URL
// that is said of it, and the IDs of all digests by which it can be claimed.
func aboutOf(r *record) (about *dht.ID, digests []dht.ID) {
	id, err := urlID(r.meta.URL)
	if err != nil {
		id = dht.ID{} // of no URL
	}
	for _, d := range append([]verify.Digest{r.digest}, r.also...) {
		digests = append(digests, dht.DigestID(d.Multihash()))
	}
	return &id, digests
}

// waiting returns the bodies that wait and may have the digest d.
func (s *Store) waiting(d verify.Digest) (found []*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries.byDigest[dht.DigestID(d.Multihash())] {
		if e.about != nil {
			found = append(found, e)
		}
	}
	return found
}

// Expects is as fetch.Carried says.
func (s *Store) Expects(id dht.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries.byHint[id]) > 0
}

// Disappoint is as fetch.Carried says. What waits goes on waiting.
func (s *Store) Disappoint(id dht.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries.byHint, id)
}

// Claim is as fetch.Carried says.
func (s *Store) Claim(d verify.Digest) (fetch.Body, bool) {
	if !d.Algorithm().Strong() || !s.enter() {
		return nil, false
	}
	defer s.leave()
	for _, e := range s.waiting(d) {
		r, err := s.read(e)
		if err != nil || !waits(r.meta) || r.digest != d && !slices.Contains(r.also, d) {
			continue
		}
		if b, _, err := s.open(e, r); err == nil {
			s.touch(e, time.Now())
			return b, true
		}
	}
	return nil, false
}

// waitingFor returns the bodies that wait and are said to be of a URL.
func (s *Store) waitingFor(id dht.ID) (found []*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := range s.entries.all() {
		if e.about != nil && *e.about == id {
			found = append(found, e)
		}
	}
	return found
}

// overtake drops the bodies that waited and are stored in e now. Store.mu is
// held.
func (es *entries) overtake(d verify.Digest, e *entry) (dropped []*entry) {
	if e.about != nil {
		return nil
	}
	for _, o := range slices.Clone(es.byDigest[dht.DigestID(d.Multihash())]) {
		if o.about != nil && es.lose(o) {
			dropped = append(dropped, o)
		}
	}
	return dropped
}
