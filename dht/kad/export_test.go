package kad

import (
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
