// Package model plays a crowd by events, exactly by seed: lines are fluid and
// shared fairly, time is virtual, and each node runs the planner, the
// availability and the trust code of a real node over real octets (scaled, 64
// a piece of 64 KiB).
//
// What is the node's own: fetch.Next and all that it decides, the meters that
// its View is read from (fetch.Gauges), fetch.Pieces, and verify from the
// origin's header fields to the proven piece. What is modelled: lines (link.go),
// the web server (server.go), finding members (gather.go), and what a crowd
// does between two plans (flight.go, lead.go, orders.go), which is the glue of
// fetch/crowd.go without its goroutines.
//
// Not played yet: View.Crowd. Members that are not complete are met and counted,
// and not shown to the planner, so stripes, intents and partial peers have no
// part in a rehearsal: its figures are of a node that takes from complete
// members alone. TCP's slow start, loss, relays and hole punching are not
// modelled either.
//
// view.go and plan in flight.go are all that stands between a simulated node
// and the planner: a new field of View or Plan is set, or obeyed, there.
package model
