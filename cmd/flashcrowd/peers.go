package main

import (
	"fmt"

	"github.com/flashcrowd/flashcrowd/node/admin"
)

// peersCmd asks which nodes the node knows.
type peersCmd struct {
	JSON bool `help:"Print what the API answers: a JSON list."`
	askFlags
}

// Run prints a node a line.
func (c *peersCmd) Run(s *session) error {
	api, err := c.find()
	if err != nil {
		return err
	}
	if c.JSON {
		return api.pass(s.ctx, "/api/v1/peers", nil, s.out)
	}
	var peers []admin.Peer
	if err := api.ask(s.ctx, "/api/v1/peers", nil, &peers); err != nil {
		return err
	}
	if len(peers) == 0 {
		fmt.Fprintln(s.talk, "no other node at the moment")
		return nil
	}
	t := newTable(s.out)
	t.row("PEER", "STATE", "TRANSPORT", "DIRECTION", "ROUND TRIP", "FROM", "TO", "REASON")
	for _, p := range peers {
		trip := "-"
		if p.RTT > 0 {
			trip = fmt.Sprintf("%.1f ms", p.RTT)
		}
		t.row(p.PeerID, p.State, p.Transport, p.Direction, trip, octets(p.BytesFrom), octets(p.BytesTo), p.Reason)
	}
	return t.end()
}
