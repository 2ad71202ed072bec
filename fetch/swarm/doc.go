// Package swarm is the exchange between nodes over libp2p: it asks other nodes
// for pieces of objects ([fetch.Swarm], each peer a [fetch.Peer]) and serves
// what a [fetch.Shelf] offers. wire.go has the protocol on one screen, and
// docs/protocol.md says the same to those who write another implementation.
//
// What it promises: all that is asked obeys its context and has a deadline; a
// peer whose octets are not as many as it announced is banned for good, with
// the proof kept beside the ban; whoever does not have the digest that the
// origin states learns nothing, since each refusal is the same frame; one
// peer, one stream and one frame take only so much memory.
//
// What it never does: fetch anything on behalf of a peer (it only asks the
// shelf), carry a header field or status of HTTP, say that octets are right
// (package verify does), ban a peer for what might be another's fault, or send
// bulk through a relay.
package swarm
