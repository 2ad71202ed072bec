package swarm

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// PeerInfo is one line of "flashcrowd peers".
type PeerInfo struct {
	PeerID    string   `json:"peer_id"`
	Addrs     []string `json:"addrs"`
	Transport string   `json:"transport"` // "tcp", "quic-v1", or empty when not connected
	Direction string   `json:"direction"` // "inbound", "outbound", or empty
	RTT       float64  `json:"rtt_ms"`    // of requests; 0 when not measured
	BytesFrom int64    `json:"bytes_from"`
	BytesTo   int64    `json:"bytes_to"`
	State     State    `json:"state"`
	Reason    string   `json:"reason"` // why State is not ok
}

// State is what this node thinks of a peer.
type State string

// The states of a peer. A peer is slow while its last request failed for a
// reason that is no lie.
const (
	OK     State = "ok"
	Slow   State = "slow"
	Banned State = "banned"
)

// Giving is what a node gives to others now.
type Giving struct {
	// Spent is what was given of a quota this month, in octets.
	Spent int64
	// Refused says why nothing is given now; nil if something is.
	Refused error
}

// Giving returns what stands in the way of giving, and how much of the month's
// quota is used. Without a quota nothing is counted.
func (s *Swarm) Giving() Giving {
	now := time.Now()
	return Giving{Spent: s.allowance.ledger.used(now), Refused: s.allowance.refused(now)}
}

// Peers returns the peers with which something was exchanged lately, and all
// that are banned, ordered by ID.
func (s *Swarm) Peers() []PeerInfo {
	infos := s.peers.infos()
	for _, lie := range s.bans.list() {
		i := infos[lie.Peer]
		i.PeerID, i.State = lie.Peer, Banned
		i.Reason = "committed to " + lie.Committed + ", sent " + lie.Sent
		infos[lie.Peer] = i
	}
	out := make([]PeerInfo, 0, len(infos))
	for _, i := range infos {
		if id, err := peer.Decode(i.PeerID); err == nil {
			s.describe(&i, id)
		}
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b PeerInfo) int { return cmp.Compare(a.PeerID, b.PeerID) })
	return out
}

func (t *table) infos() map[string]PeerInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make(map[string]PeerInfo, len(t.peers))
	for id, r := range t.peers {
		i := PeerInfo{
			PeerID: id.String(), RTT: milliseconds(r.rtt), State: OK,
			BytesFrom: r.bytesFrom.Load(), BytesTo: r.bytesTo.Load(),
		}
		if r.slow != "" {
			i.State, i.Reason = Slow, r.slow
		}
		out[i.PeerID] = i
	}
	return out
}

// milliseconds returns d with one digit behind the point, and at least 0.1 if
// there is any d.
func milliseconds(d time.Duration) float64 {
	return math.Ceil(float64(d)/float64(100*time.Microsecond)) / 10
}

// describe adds what the host knows: of the connection if there is one, else
// the addresses at which the peer was known.
func (s *Swarm) describe(i *PeerInfo, id peer.ID) {
	i.Addrs = []string{}
	if conns := s.host.Network().ConnsToPeer(id); len(conns) > 0 {
		i.Transport = transportOf(conns[0].RemoteMultiaddr())
		i.Direction = "outbound"
		if conns[0].Stat().Direction == network.DirInbound {
			i.Direction = "inbound"
		}
		for _, c := range conns {
			i.Addrs = append(i.Addrs, c.RemoteMultiaddr().String())
		}
		return
	}
	for _, a := range s.host.Peerstore().Addrs(id) {
		if len(i.Addrs) < maxAddrs {
			i.Addrs = append(i.Addrs, a.String())
		}
	}
}

// transportOf names the transport of a.
func transportOf(a ma.Multiaddr) string {
	switch classOf(a) {
	case classTCP4, classTCP6:
		return "tcp"
	case classQUIC4, classQUIC6:
		return "quic-v1"
	default:
		return "other"
	}
}
