package main

import (
	"fmt"
	"strings"

	"github.com/flashcrowd/flashcrowd/node/admin"
)

// giving says what bounds what is given to others, if anything does.
func giving(u admin.UploadStatus) string {
	text := ""
	if u.Limit > 0 {
		text += fmt.Sprintf(", at most %s a second", octets(u.Limit))
	}
	if u.Quota > 0 {
		text += fmt.Sprintf(", this month %s of %s", octets(u.Spent), octets(u.Quota))
	}
	if u.Refused != "" {
		text += ", now nothing: " + strings.TrimPrefix(u.Refused, "swarm: ")
	}
	return text
}

// statusCmd asks what the node is and does.
type statusCmd struct {
	JSON bool `help:"Print what the API answers: one JSON object."`
	askFlags
}

// Run prints the status.
func (c *statusCmd) Run(s *session) error {
	api, err := c.find()
	if err != nil {
		return err
	}
	if c.JSON {
		return api.pass(s.ctx, "/api/v1/status", nil, s.out)
	}
	var st admin.Status
	if err := api.ask(s.ctx, "/api/v1/status", nil, &st); err != nil {
		return err
	}
	t := newTable(s.out)
	t.row("version", st.Version)
	t.row("peer", st.PeerID)
	for _, addr := range st.Addrs {
		t.row("address", addr)
	}
	t.row("network", st.Network)
	t.row("reach", fmt.Sprintf("%s, DHT %s", st.Connectivity, st.Mode))
	t.row("nodes", fmt.Sprintf("%d connected, %d in the routing table", st.Peers, st.RoutingTable))
	t.row("trust", st.Policy)
	t.row("sharing", st.Share)
	t.row("cache", fmt.Sprintf("%d objects, %s of %s", st.Cache.Objects, octets(st.Cache.Bytes), octets(st.Cache.Limit)))
	t.row("requests", fmt.Sprintf("%d, of which %d from the cache", st.Requests.Total, st.Requests.Hits))
	t.row("to clients", octets(st.Bytes.ToClients))
	t.row("from origins", octets(st.Bytes.FromOrigin))
	t.row("from nodes", octets(st.Bytes.FromPeers))
	t.row("to nodes", octets(st.Bytes.ToPeers)+giving(st.Upload))
	t.row("refused", fmt.Sprintf("%s that were wrong, %d nodes banned", octets(st.Verify.RejectedBytes), st.Verify.BannedPeers))
	return t.end()
}
