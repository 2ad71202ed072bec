package node

import (
	"cmp"
	"slices"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/flashcrowd/flashcrowd/fetch/swarm"
	"github.com/flashcrowd/flashcrowd/node/admin"
)

// PeerID returns the node's libp2p peer ID, "" with --swarm off.
func (n *Node) PeerID() string {
	if n.host == nil {
		return ""
	}
	return n.host.ID().String()
}

// PeerAddrs returns full multiaddrs of the node, each usable as --bootstrap,
// loopback included.
func (n *Node) PeerAddrs() []string {
	if n.host == nil {
		return nil
	}
	var out []string
	for _, a := range n.host.Addrs() {
		full := a.Encapsulate(ma.StringCast("/p2p/" + n.host.ID().String()))
		out = append(out, full.String())
	}
	return out
}

// pseudonym is the node's name in Via: fc- and the last 8 of its peer ID.
func (n *Node) pseudonym() string {
	id := n.PeerID()
	if id == "" {
		return "fc-local"
	}
	return "fc-" + id[len(id)-8:]
}

// Status returns what the node is and does now.
func (n *Node) Status() admin.Status {
	totals, stored := n.fetch.Totals(), n.store.Stats()
	s := admin.Status{
		Version: n.cfg.version(), PeerID: n.PeerID(), Addrs: n.PeerAddrs(), Network: n.cfg.Network,
		Mode: "off", Connectivity: "off", Policy: string(n.cfg.Policy), Share: n.cfg.Share,
		Cache:    admin.CacheStatus{Objects: int64(stored.Objects), Bytes: stored.Bytes, Limit: stored.Limit},
		Bytes:    admin.BytesStatus{ToClients: totals.ToClients, FromOrigin: totals.FromOrigin, FromPeers: totals.FromPeers},
		Requests: admin.RequestStatus{Total: totals.Requests, Hits: totals.Hits},
		Verify:   admin.VerifyStatus{RejectedBytes: totals.Rejected},
	}
	if n.paused.Load() {
		s.Mode, s.Share = "paused", Off
	}
	if n.swarm == nil {
		return s
	}
	if s.RoutingTable = n.router.RoutingTableSize(); !n.paused.Load() {
		s.Mode = n.router.Mode()
	}
	s.Peers = len(n.host.Network().Peers())
	s.Connectivity = string(n.router.Connectivity())
	if n.lan != nil {
		s.Neighbours = n.lan.Neighbours()
	}
	s.Bytes.ToPeers = totals.ToPeers
	giving := n.swarm.Giving()
	s.Upload = admin.UploadStatus{Limit: n.cfg.UploadLimit.OctetsPerSecond(), Quota: int64(n.cfg.UploadQuota), Spent: giving.Spent}
	if giving.Refused != nil {
		s.Upload.Refused = giving.Refused.Error()
	}
	s.Verify.BannedPeers = int64(len(n.swarm.Bans()))
	return s
}

// Peers returns the nodes that this one knows of by exchange.
func (n *Node) Peers() []admin.Peer {
	if n.swarm == nil {
		return nil
	}
	var out []admin.Peer
	for _, p := range n.swarm.Peers() {
		out = append(out, admin.Peer{
			PeerID: p.PeerID, Addrs: p.Addrs, Transport: p.Transport, Direction: p.Direction, RTT: p.RTT,
			BytesFrom: p.BytesFrom, BytesTo: p.BytesTo, State: string(p.State), Reason: p.Reason,
		})
	}
	return out
}

// goodPeers returns the nodes that delivered proven bytes, most of them first.
func (n *Node) goodPeers() []peer.ID {
	if n.swarm == nil { // which is opened after the router
		return nil
	}
	known := n.swarm.Peers()
	slices.SortFunc(known, func(a, b swarm.PeerInfo) int { return cmp.Compare(b.BytesFrom, a.BytesFrom) })
	var good []peer.ID
	for _, p := range known {
		if id, err := peer.Decode(p.PeerID); err == nil && p.BytesFrom > 0 && p.State == swarm.OK {
			good = append(good, id)
		}
	}
	return good
}

// where returns how clients reach the node.
func (n *Node) where() admin.Faces {
	f := admin.Faces{Proxy: n.ProxyURL(), Admin: n.AdminURL()}
	for _, m := range n.faces {
		if m.kind == "mirror" {
			f.Mirrors = append(f.Mirrors, admin.MirrorFace{URL: m.url(), Origin: m.origin.String()})
		}
	}
	return f
}

// Connected reports whether the node has a connection to the peer with that
// ID.
func (n *Node) Connected(peerID string) bool {
	id, err := peer.Decode(peerID)
	return err == nil && n.host != nil && n.host.Network().Connectedness(id) == network.Connected
}
