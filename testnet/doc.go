// Package testnet makes networks of flashcrowd nodes on one machine: an origin
// with a rate of its own, real nodes with their own identities and data
// folders on loopback, and adversaries.
//
// All of it is real: nodes are those of package node, bytes cross real
// sockets, and nothing leaves the machine. A test network has a name of its
// own and never joins the public one.
package testnet
