// Package fetchtest holds what implementations of the contracts in package
// fetch promise, as tests, and honest twins of them in memory.
//
// [Cache] and [Source] are the conformance tests. [Web], [Store] and [Swarm]
// are an origin, a cache and an exchange with peers that need neither socket
// nor disk and wait by timers alone, so that a test in a synctest bubble plays
// ten minutes in a moment. They do what the contract says unless they are told
// to fail or to lie in a certain way, and they record what was asked of them.
//
// Only tests and testnet import it.
package fetchtest
