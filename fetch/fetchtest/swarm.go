package fetchtest

import (
	"errors"
	"slices"
	"sync"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Swarm is the exchange of one node with Peers, in memory. The zero value
// knows nobody.
type Swarm struct {
	mu     sync.Mutex // guards following
	peers  map[string]*Peer
	lies   []verify.Lie
	wanted []fetch.Want
}

var _ fetch.Swarm = (*Swarm)(nil)

// Add makes peers known by their names, as members of net for the object that
// they have; nil net tells nobody of them.
func (s *Swarm) Add(net *dht.Memory, peers ...*Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peers == nil {
		s.peers = make(map[string]*Peer)
	}
	for _, p := range peers {
		s.peers[p.Name] = p
		if net != nil {
			for _, name := range p.Names() {
				net.Router(dht.Member{ID: p.Name}).Keep(name.Key())
			}
		}
	}
}

// Lies returns all that Ban was called with.
func (s *Swarm) Lies() []verify.Lie {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lies)
}

// Banned returns the names of the banned, sorted, each once.
func (s *Swarm) Banned() []string {
	var names []string
	for _, l := range s.Lies() {
		names = append(names, l.Peer)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Wanted returns what peers were asked for so far.
func (s *Swarm) Wanted() []fetch.Want {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.wanted)
}

// Peer implements fetch.Swarm.
func (s *Swarm) Peer(m dht.Member, w fetch.Want) (fetch.Peer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.peers[m.ID]
	switch {
	case s.bannedLocked(m.ID):
		return nil, fetch.ErrBanned
	case p == nil:
		return nil, errors.New("fetchtest: no such peer")
	}
	s.wanted = append(s.wanted, w)
	return &contact{Peer: p, swarm: s, want: w}, nil
}

func (s *Swarm) bannedLocked(name string) bool {
	return slices.ContainsFunc(s.lies, func(l verify.Lie) bool { return l.Peer == name })
}

func (s *Swarm) banned(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bannedLocked(name)
}

// Ban implements fetch.Swarm.
func (s *Swarm) Ban(lie verify.Lie) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lies = append(s.lies, lie)
}
