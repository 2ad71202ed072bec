// Package origin is the client towards web servers: the implementation of
// fetch.Origin over net/http.
//
// [Client.Send] asks once and hands back what the origin said; [Client.Source]
// reads ranges of one representation and of no other; [Client.DialTunnel]
// opens the connections for CONNECT.
//
// What it promises: a body that ends with io.EOF is whole; everything else is
// a *fetch.Failure that names its cause, or the caller's own context error.
// Octets of a range belong to the representation that was asked for. No
// address is dialled that the [Guard] of the request's face refuses, whatever
// DNS says. Each wait has a deadline, and what is kept about hosts is bounded.
// An origin that asked for patience gets no range request until it is over.
//
// What it never does: follow a redirect, keep a cookie, decode or encode a
// body, use a proxy of the environment, add a User-Agent, retry what was not
// safe to retry, log a URL, or judge whether a byte is right.
package origin
