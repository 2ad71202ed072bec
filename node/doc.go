// Package node wires a flashcrowd node together and runs it. It has no logic
// of its own: [New] reads from top to bottom like a parts list.
//
// The path of a request, with the place of each step:
//
//	node/proxy          classifies it, strips hop-by-hop fields, answers errors
//	fetch/fetch.go      Do: cache, flight or origin; one step a line
//	fetch/cache         what is stored, and whether it is fresh
//	fetch/run.go        the flight: asks the origin, judges its header fields
//	fetch/gather.go     joins the crowd of the object and meets its members
//	dht/kad             finds them
//	fetch/plan.go       who delivers what: a pure function
//	fetch/lead.go       the front of the body, from the origin
//	fetch/source.go     the tail of the body, from peers
//	fetch/swarm         the exchange with them
//	verify              says that bytes are right; nobody else does
//
// A node owns its data folder, its listeners and its libp2p host from New to
// Close, and joins a network only in Run.
package node
