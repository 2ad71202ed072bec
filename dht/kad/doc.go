// Package kad is a [dht.Router] on the Kademlia DHT of go-libp2p.
//
// On the network "public" it is a guest of the IPFS Amino DHT: that network's
// parameters untouched, server only when reachable, public addresses only. Any
// other name is a network of one's own under the protocol /flashcrowd/NAME,
// where every node is a server and private and loopback addresses count.
//
// A look-up is one walk of kad-dht, watched: members stream while it runs, and
// when it has converged a Join writes this node's record to the peers closest
// to the key and asks each of them after writing. A holder answers one stream
// in order, so of two newcomers that share one live holder at least one sees
// the other. Re-announcing is left to kad-dht's sweeping provider.
//
// [New] dials nobody; [Router.Run] does. No method but Close waits for the
// network, nothing a remote peer sends is kept without a bound, and nothing
// here follows a member's address: whether to dial is the caller's choice.
package kad
