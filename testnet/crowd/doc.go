// Package crowd describes the rehearsal of a flash crowd: the [Scenario] that
// is played, the [Result] of playing it, and what no protocol can beat (the
// fluid bound). Two engines play scenarios: package model, event-driven and
// exact by seed, and package stack, the real stack on simulated links.
//
// Nothing here opens a socket or reads a clock: a rehearsal has its own time.
package crowd
