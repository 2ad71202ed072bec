package fetch

import (
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
	if shelved.Meta == nil || !f.cfg.Sharing.offers(shelved.Meta) {
		shelved.Close() // it was stored under other settings
		return nil, ErrUnknown
	}
	shelved.as(id, token)
	f.countServed(shelved)
	return shelved, nil
}

// Renews reports whether the membership for a stored response is kept up after
// a restart: it may be shared under the settings of now, and is provable.
func (f *Fetcher) Renews(m *Meta) bool {
	_, _, err := f.admit(m)
	return err == nil && f.cfg.Sharing.offers(m)
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
		if fl.swarmed && fl.id == id && fl.want().Token() == token {
			d := fl.proof.Digest()
			return &Shelved{
				Digest: d, Coding: fl.meta.Coding(), Has: NewPieces(d.Layout().Pieces()),
				Body: nothing{}, Close: func() {},
			}, nil
		}
	}
	return nil, ErrUnknown
}

// nothing is the body of which no piece is offered.
type nothing struct{}

func (nothing) ReadAt([]byte, int64) (int, error) { return 0, ErrUnknown }
