package kad

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	kaddht "github.com/libp2p/go-libp2p-kad-dht"
	pb "github.com/libp2p/go-libp2p-kad-dht/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
)

// How many records of other nodes this one holds. kad-dht itself holds and
// hands out whatever it is sent, which for a hot key is thousands, and for an
// attacker as many as the disk takes. Who is refused is not lost: the crowd of
// a full key is large, and members tell each other of members.
type limits struct {
	// perKey is more members than a download ever talks to, in an answer of
	// some 40 KB.
	perKey int
	// perGroup of one key may come from one address group, so that one machine
	// with many identities does not fill it.
	perGroup int
	// perPeer is what one node may have here in all. In a network of a few
	// nodes every one of them holds every record.
	perPeer int
	// inAll bounds disk, and what the guard itself takes: some 250 octets a
	// record at worst.
	inAll int
}

var caps = limits{perKey: 200, perGroup: 16, perPeer: 50_000, inAll: 200_000}

// refused is the key under which the record of a refused announcement goes.
// It is no multihash, so nobody can ask for it, and shelter drops it.
var refused = []byte("refused")

// guard keeps the records that a node holds for others under the caps above.
// Records that are there stay until they run out, and may be renewed: newer
// ones in their place would be an invitation to identities made for one key.
type guard struct {
	validity time.Duration
	group    func(network.Conn) string // address group, "" for one without a cap

	mu    sync.Mutex // guards the fields below
	keys  map[string][]record
	peers map[peer.ID]int // records in keys, by member
	n     int             // records in keys
	swept time.Time

	turnedAway uint64
}

// record is one member of one key.
type record struct {
	member peer.ID
	group  string
	at     time.Time
}

func newGuard(validity time.Duration) *guard {
	return &guard{
		validity: validity, group: groupOf,
		keys: make(map[string][]record), peers: make(map[peer.ID]int),
	}
}

// option lets g see every request before kad-dht handles it. An announcement
// that is refused is filed under no key: to fail it would reset the stream and
// with it what the peer asks next.
func (g *guard) option() kaddht.Option {
	return kaddht.OnRequestHook(func(_ context.Context, s network.Stream, req *pb.Message) {
		switch {
		case bytes.Equal(req.GetKey(), refused):
			req.Key = nil // which kad-dht fails
			return
		case req.GetType() != pb.Message_ADD_PROVIDER:
			return
		}
		member := s.Conn().RemotePeer()
		trim(req, member)
		if !g.admit(string(req.GetKey()), member, g.group(s.Conn())) {
			req.Key = refused
		}
	})
}

// trim leaves the sender's own record in an announcement, with as many
// addresses as a member is given: kad-dht would keep all of them.
func trim(req *pb.Message, sender peer.ID) {
	own := slices.IndexFunc(req.ProviderPeers, func(p *pb.Message_Peer) bool { return string(p.GetId()) == string(sender) })
	if own < 0 {
		req.ProviderPeers = nil
		return
	}
	record := req.ProviderPeers[own]
	record.Addrs = record.Addrs[:min(len(record.Addrs), maxAddrs)]
	req.ProviderPeers = []*pb.Message_Peer{record}
}

// admit reports whether member's record for key may be stored, and counts it.
func (g *guard) admit(key string, member peer.ID, group string) bool {
	if _, err := multihash.Cast([]byte(key)); err != nil {
		return false // kad-dht takes any 80 octets; nobody looks for those
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.sweepLocked(now)
	live := g.dropExpiredLocked(key, now)
	if i := slices.IndexFunc(live, func(r record) bool { return r.member == member }); i >= 0 {
		live[i].at, live[i].group = now, group
		return true
	}
	inGroup := 0
	for _, r := range live {
		if group != "" && r.group == group {
			inGroup++
		}
	}
	if len(live) >= caps.perKey || inGroup >= caps.perGroup || g.peers[member] >= caps.perPeer || g.n >= caps.inAll {
		g.turnedAway++
		return false
	}
	g.putLocked(key, record{member, group, now})
	return true
}

func (g *guard) putLocked(key string, r record) {
	g.keys[key] = append(g.keys[key], r)
	g.peers[r.member]++
	g.n++
}

// dropExpiredLocked returns the live records of key, and keeps no others.
func (g *guard) dropExpiredLocked(key string, now time.Time) []record {
	live := slices.DeleteFunc(g.keys[key], func(r record) bool {
		if now.Sub(r.at) <= g.validity {
			return false
		}
		g.n--
		if g.peers[r.member]--; g.peers[r.member] == 0 {
			delete(g.peers, r.member)
		}
		return true
	})
	if len(live) == 0 {
		delete(g.keys, key)
		return nil
	}
	g.keys[key] = live
	return live
}

// sweepLocked drops what has expired, at most once in a tenth of a record's
// life.
func (g *guard) sweepLocked(now time.Time) {
	if now.Sub(g.swept) < g.validity/10 {
		return
	}
	g.swept = now
	for key := range g.keys {
		g.dropExpiredLocked(key, now)
	}
}

// held returns how many records g counts, and how many it refused so far.
func (g *guard) held() (n int, refused uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n, g.turnedAway
}
