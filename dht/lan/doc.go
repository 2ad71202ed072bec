// Package lan is a [dht.Router] for the local network, which needs no DHT.
//
// Nodes of one network name find each other by mDNS (RFC 6762, 6763). What is
// multicast is that a node is there and where: never a key. Who belongs to the
// crowd of a key is then asked of each neighbour over an authenticated stream,
// and every node answers for itself alone. So nothing is stored on another's
// word, there is nothing to flood, and of two newcomers that ask each other at
// least one sees the other: each is a member before it asks.
//
// A neighbour is an address on a network that this machine is attached to.
// Others are not dialled, whatever a packet names.
package lan
