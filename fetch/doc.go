// Package fetch gets an object for a client: from the cache, from other nodes
// and from the origin at once.
//
// [Fetcher.Do] is the journey of one request, and fetch.go reads like it. The
// contracts of the three that it asks stand in this package ([Cache],
// [Origin], [Swarm]); their implementations lie below it, know nothing of each
// other, and are wired together by package node.
//
// What fetch promises: no byte of a stranger reaches a client or the cache
// unless package verify proved it by evidence from the origin; status and
// header fields are the origin's; shared work belongs to a flight and never to
// the first caller; nothing is looked up, announced or served unless
// [Shareable] allows it.
//
// What it never does: open a socket or a file, or turn an error into an HTTP
// status.
package fetch
