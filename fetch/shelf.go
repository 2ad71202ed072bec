package fetch

import (
	"context"
	"slices"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

var _ Shelf = (*Fetcher)(nil)

// Open offers an object to another node: what the cache has complete, or a
// flight in progress as a member that has nothing proven to give yet. Anything
// else, and everything while sharing is off, is ErrUnknown.
func (f *Fetcher) Open(id dht.ID, token verify.Token) (*Shelved, error) {
	if f.cfg.Sharing.Mode == ShareOff || f.cfg.Shelf == nil {
		return nil, ErrUnknown
	}
	shelved, err := f.cfg.Shelf.Open(id, token)
	if err != nil {
		return f.underway(id, token)
	}
	if m := shelved.Meta; m == nil || !f.cfg.Sharing.offers(m) || !slices.Contains(m.Names(m.Digests(shelved.Digest)...), id) {
		shelved.Close() // it was stored under other settings, or its URL is nobody's to name
		return nil, ErrUnknown
	}
	shelved.as(id, token)
	f.countServed(shelved)
	return shelved, nil
}

// Renews returns the keys under which the membership for a stored response with
// the digest d is kept up after a restart: none unless it may be shared under
// the settings of now, and is provable.
func (f *Fetcher) Renews(m *Meta, d verify.Digest) []dht.Key {
	if _, _, err := f.admit(m, verify.Authority{}); err != nil || !f.cfg.Sharing.offers(m) {
		return nil
	}
	return keysOf(m.Names(m.Digests(d)...))
}

// countServed books what is sent to other nodes.
func (f *Fetcher) countServed(s *Shelved) {
	served := s.Served
	s.Served = func(octets int64) {
		f.stats.toPeers.Add(octets)
		f.stats.bytes.WithLabelValues("out", "peer").Add(float64(octets))
		if served != nil {
			served(octets)
		}
	}
}

// underway offers a flight: it says that this node is a live member.
func (f *Fetcher) underway(id dht.ID, token verify.Token) (*Shelved, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fl := range f.flights {
		select {
		case <-fl.ready:
		default:
			continue
		}
		if fl.isKnownAs(id, token) {
			return fl.shelved(id), nil
		}
	}
	return nil, ErrUnknown
}

// shelved offers what this node may hand on of a body under way, to who asks by
// name: all of one that has landed, though the cache is still about it.
func (fl *flight) shelved(name dht.ID) *Shelved {
	d := fl.proof().Digest()
	sh := &Shelved{Digest: d, Coding: fl.meta.Coding(), Has: NewPieces(d.Layout().Pieces()), Body: lent{fl, name}, Close: func() {}}
	if whole, ok := fl.landedWhole(); ok {
		sh.Complete, sh.States = true, whole.States
	} else if fl.board != nil {
		sh.Has = fl.board.offered()
		sh.Follow = func(ctx context.Context, from dht.Member, tell func(News) error) error {
			return fl.follow(ctx, name, from, tell)
		}
	}
	fl.f.countServed(sh)
	return sh
}

// landedWhole returns what the flight knows of its body, once that is here and has
// the digest that others know it by.
func (fl *flight) landedWhole() (verify.Whole, bool) {
	fl.mu.Lock()
	defer fl.mu.Unlock()
	if !fl.landed || fl.whole == nil || fl.released || fl.whole.Whole.Digest != fl.proof().Digest() {
		return verify.Whole{}, false
	}
	return fl.whole.Whole, true
}

// follow tells the flight's news to a follower, who is a member of the crowd by
// that.
func (fl *flight) follow(ctx context.Context, name dht.ID, from dht.Member, tell func(News) error) error {
	fl.mu.Lock()
	knocked := fl.knocked
	fl.mu.Unlock()
	if knocked != nil {
		knocked(name, from)
	}
	return fl.board.follow(ctx, tell)
}

// lent is the body of a flight as other nodes read it: it keeps the spool only
// for as long as a read takes. Once the flight has let go of that, the body is in
// the cache, or nowhere.
type lent struct {
	fl   *flight
	name dht.ID
}

func (l lent) ReadAt(p []byte, off int64) (int, error) {
	fl := l.fl
	fl.mu.Lock()
	w, stored := fl.writer, fl.stored
	if w == nil {
		fl.mu.Unlock()
		return l.readStored(p, off, stored)
	}
	fl.serving++
	fl.mu.Unlock()
	defer func() {
		fl.mu.Lock()
		fl.serving--
		end := fl.endIfDoneLocked()
		fl.mu.Unlock()
		end()
	}()
	return w.ReadAt(p, off)
}

func (l lent) readStored(p []byte, off int64, stored bool) (int, error) {
	if !stored {
		return 0, ErrUnknown
	}
	sh, err := l.fl.f.cfg.Shelf.Open(l.name, l.fl.want(l.name).Token())
	if err != nil {
		return 0, err
	}
	defer sh.Close()
	return sh.Body.ReadAt(p, off)
}
