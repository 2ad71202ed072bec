package fetch

import (
	"slices"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Names returns the IDs under which a body of m that has the digests ds is
// asked for and offered (design.md section 6): that of its URL, unless the URL
// grants access to whoever knows it, and that of each digest of which nobody
// can make two bodies, so that mirrors of one file share a swarm.
func (m *Meta) Names(ds ...verify.Digest) []dht.ID {
	var names []dht.ID
	if !tokenLike(m.ParsedURL()) {
		names = append(names, m.ID)
	}
	for _, d := range ds {
		if d.Algorithm().Strong() {
			names = append(names, dht.DigestID(d.Multihash()))
		}
	}
	return names
}

// names are the IDs under which the flight's crowd meets; none unless strangers
// may be asked.
func (fl *flight) names() []dht.ID { return fl.meta.Names(fl.proof().Digest()) }

// rankID is what the members of the crowd rank each other by: the same for all
// who know the body by one digest, whatever URL they have it from.
func (fl *flight) rankID() dht.ID {
	names := fl.names()
	if len(names) == 0 {
		return fl.id
	}
	return names[len(names)-1]
}

// want names the flight's body to the swarm, by one of its names.
func (fl *flight) want(name dht.ID) Want {
	return Want{ID: name, Proof: fl.proof(), Coding: fl.meta.Coding()}
}

// isKnownAs reports whether the flight's crowd knows its body by name and
// token.
func (fl *flight) isKnownAs(name dht.ID, token verify.Token) bool {
	return fl.swarmed() && slices.Contains(fl.names(), name) && fl.want(name).Token() == token
}

// keysOf returns what the DHT sees of names.
func keysOf(names []dht.ID) []dht.Key {
	keys := make([]dht.Key, len(names))
	for i, name := range names {
		keys[i] = name.Key()
	}
	return keys
}

// announced says under which names a body was stored that the crowd did not
// meet under: its own digest is one of them, whatever the origin stated.
func (fl *flight) announceStored(own verify.Digest) {
	if !fl.swarmed() {
		return
	}
	met := fl.names()
	more := slices.DeleteFunc(fl.meta.Names(own), func(name dht.ID) bool { return slices.Contains(met, name) })
	if len(more) > 0 {
		fl.f.cfg.Router.Keep(keysOf(more)...)
	}
}

// forget ends the memberships that the header fields had begun, but those with
// which another flight for the same object goes on, or that are of what is
// stored.
func (fl *flight) forget() {
	if !fl.swarmed() {
		return
	}
	for _, name := range fl.names() {
		if !fl.f.flies(fl, name) && !fl.f.holds(name, fl.want(name).Token()) {
			fl.f.cfg.Router.Leave(name.Key())
		}
	}
}

// holds reports whether a whole body of that name is offered.
func (f *Fetcher) holds(name dht.ID, token verify.Token) bool {
	stored, err := f.Open(name, token)
	if err != nil {
		return false
	}
	stored.Close()
	return stored.Complete
}

// flies reports whether another flight than fl meets others under name.
func (f *Fetcher) flies(fl *flight, name dht.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, other := range f.flights {
		select {
		case <-other.ready:
			if other != fl && other.swarmed() && slices.Contains(other.names(), name) {
				return true
			}
		default:
		}
	}
	return false
}
