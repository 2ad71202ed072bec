// Package admin is the node's face towards its own user: a status page, the
// JSON API that the command line asks, and metrics.
//
// What it promises: it answers programs on this machine and pages of its own,
// nobody else. Every request must name the listener itself in Host, which
// stops names of other sites that were pointed at 127.0.0.1; requests that a
// browser sends on behalf of another site are refused; no answer carries a
// CORS field or may be framed or kept; nothing is loaded from elsewhere.
// Nothing can be changed through it: every route is read-only.
//
// What it never does: listen, know how the node works, or speak to the network.
package admin
