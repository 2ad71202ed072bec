// Package verify is the only place that says "these bytes are right".
//
// The way from an origin's word to a proven byte has four steps, and each is a
// type that only the step before can make:
//
//	Read(Exchange)      -> []Evidence   what an origin said of a body, and who said it
//	Admit(policy, url)  -> Proof        evidence that may speak for this URL
//	NewChain(Proof, …)  -> *Chain       judges pieces of strangers against a state list
//	Chain.Closed        -> int          every piece from here to the end is proven
//
// Evidence carries the authority that stated it and the URL that it is about.
// [Admit] is the only maker of a [Proof] and refuses evidence for any other
// URL, so a statement of one origin can never prove another origin's bytes.
//
// A digest is bound to an exact length. No fallback exists: bytes that fail a
// check are wrong, whatever else might vouch for them.
//
// The build tag "sabotage" replaces the comparison in this package by one that
// believes everything. It is for tests, which must fail with it.
package verify
