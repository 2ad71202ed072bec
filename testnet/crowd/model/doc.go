// Package model plays a crowd by events, exactly by seed: lines are fluid and
// shared fairly, time is virtual, and each node runs the planner, the
// availability and the trust code of a real node over real octets (scaled, 64
// a piece of 64 KiB).
//
// What is the node's own: fetch.Next and all that it decides, the meters that
// its View is read from (fetch.Gauges), fetch.Pieces, and verify from the
// origin's header fields to the proven piece and the claim. What is modelled:
// lines (link.go), the web server (server.go), finding members (gather.go), and
// what a node does between two plans, which is the glue of package fetch
// without its goroutines: the front (lead.go), stripes (stripe.go), news of
// members (board.go), orders (orders.go), the second round (doubt.go).
//
// TCP's slow start, loss, relays and hole punching are not
// modelled; news of other members arrive a moment early; in a crowd of more
// than 2000 a node meets fewer members and looks less often than a real one.
//
// view.go, and plan in flight.go, are all that stands between a simulated node
// and the planner: a new field of View or Plan is set, or obeyed, there.
package model
