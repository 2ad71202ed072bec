// Package conformance holds a shared HTTP cache against the words of its RFCs:
// 9110, 9111, 9112, 9211, 5861, 8246 and, for a mirror, 9213.
//
// A Case is data: the requests of a client, what a scripted origin answers to
// each request that reaches it, and what both must see. Cases returns all of
// them; a World runs them over real sockets through one running cache, in each
// of the ways in which a client can reach it. Nothing in a case waits: age is
// made of Date, Age and Expires. docs/http.md lists the cases.
//
// The package knows nothing of how the cache works inside, so that the same
// cases can be run against any other proxy.
package conformance
