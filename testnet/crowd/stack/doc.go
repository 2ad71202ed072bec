// Package stack plays a crowd with the real stack in virtual time: each node is
// a libp2p host with TLS and yamux, the DHT, the swarm and the planner as a
// node has them; the web server is net/http, and the origin client that of a
// node. Only the lines between them are simulated (wire.go), and the disk is
// memory.
//
// It must run inside a bubble of testing/synctest: [Main] is one outside of
// tests, for a process of its own. Keys and lines follow from the seed, but
// goroutines of one moment run in any order and TLS draws by lot, so figures
// repeat within [Tolerance] and not exactly.
package stack
