package kad

import (
	"context"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	kaddht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/peer"
)

// DHT returns what r is made of.
func (r *Router) DHT() *kaddht.IpfsDHT { return r.dht }

// Keeps reports whether r means to announce k again.
func (r *Router) Keeps(k dht.Key) bool { return r.keep.wants(string(k.CID().Hash())) }

// Forget makes the next Find of k walk.
func (r *Router) Forget(k dht.Key) { r.recent.drop(string(k.CID().Hash())) }

// Holders returns the peers that r remembers to hold the records of k.
func (r *Router) Holders(k dht.Key) []peer.ID { return r.recent.get(string(k.CID().Hash())) }

// Book returns the peers that r remembers for its next run.
func (r *Router) Book() []peer.AddrInfo { return r.readBook(context.Background()) }

// Announces reports whether r's membership of k is one that speaks.
func (r *Router) Announces(k dht.Key) bool {
	r.keep.mu.Lock()
	defer r.keep.mu.Unlock()
	m := r.keep.keys[string(k.CID().Hash())]
	return m.want == told || m.want == untold || m.want == joining
}

// Damp decides anew what r announces.
func (r *Router) Damp() { r.damp() }

// Told is what r does about the announcement of member, who is in an address
// group: from the guard on, which is all but the wire.
func (r *Router) Told(k dht.Key, member peer.AddrInfo, group string) error {
	h := k.CID().Hash()
	if !r.guard.admit(string(h), member.ID, group) {
		return nil
	}
	return r.dht.ProviderStore().AddProvider(context.Background(), h, member)
}

// Records returns how many members of k r holds.
func (r *Router) Records(k dht.Key) int {
	held, _ := r.dht.ProviderStore().GetProviders(context.Background(), k.CID().Hash())
	return len(held)
}

// Looked is what r does after a look at the network.
func (r *Router) Looked(changed bool, passed time.Duration) { r.looked(changed, passed) }
