// Package dhttest holds what every [dht.Router] promises, as tests.
//
// A router proves itself by passing [Conformance] over a network of its own
// kind. The tests ask only for what the contract says: they never look at how
// a router does it, and give slow networks time.
package dhttest
