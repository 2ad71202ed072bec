// Package dht names things and finds who has them.
//
// A [URLID] is what two nodes say to each other when they talk about one URL;
// a [Key] is what the distributed hash table sees, and is only a hash of the
// ID: a node that stores a record cannot ask anybody for what the record is
// about unless it already knows the URL.
//
// A [Router] answers "who else has this": dht/kad asks a Kademlia DHT, and
// [Memory] is an honest router for tests and for nodes in one process. Every
// Router passes dhttest.Conformance.
//
// A router's answer is a hint and never proof. Nothing here says that a member
// holds the bytes, that the bytes are right, or that the member exists.
package dht
