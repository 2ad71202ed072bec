package kad

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	pb "github.com/libp2p/go-libp2p-kad-dht/pb"
	"github.com/libp2p/go-libp2p-kad-dht/records"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-base32"
	ma "github.com/multiformats/go-multiaddr"
)

func hash(i int) string { return string(testKey(i).CID().Hash()) }

// Thousands of liars want to be members of one key, each from an address group
// of its own, and one of them of a hundred thousand keys. What is kept
// stays under the caps, and members that were there first can renew.
func TestLyingMembersFloodTheRecords(t *testing.T) {
	const liars, flood = 3000, 100_000
	g := newGuard(time.Hour)
	first := testPeer(0)
	if !g.admit(hash(0), first, "group of the first") {
		t.Fatal("the first member was refused")
	}
	for i := range liars {
		g.admit(hash(0), testPeer(i), fmt.Sprint("group ", i))
	}
	if got := len(g.keys[hash(0)]); got != caps.perKey {
		t.Errorf("one key has %d records, want %d", got, caps.perKey)
	}
	if !g.admit(hash(0), first, "another group") {
		t.Error("the first member cannot renew its record")
	}
	for i := range flood {
		g.admit(hash(1+i), first, "group of the first")
	}
	if got := g.peers[first]; got != caps.perPeer {
		t.Errorf("one member has %d records, want %d", got, caps.perPeer)
	}
	if n, refused := g.held(); n > caps.inAll || refused < liars {
		t.Errorf("holds %d records and refused %d", n, refused)
	}
}

// Many identities of one machine leave room for others.
func TestLyingAddressGroupTakesItsShareOnly(t *testing.T) {
	g := newGuard(time.Hour)
	for i := range 1000 {
		g.admit(hash(0), testPeer(i), "192.0.2.0/24")
	}
	if got := len(g.keys[hash(0)]); got != caps.perGroup {
		t.Errorf("one address group has %d records, want %d", got, caps.perGroup)
	}
	if !g.admit(hash(0), testPeer(2000), "198.51.100.0/24") {
		t.Error("another group was refused")
	}
	for i := range 100 {
		if !g.admit(hash(1), testPeer(i), "") {
			t.Fatal("an address without a group was refused")
		}
	}
}

func TestGuardForgetsWhatExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(time.Hour)
		for i := range caps.perKey {
			g.admit(hash(0), testPeer(i), "")
		}
		<-time.After(time.Hour)
		if g.admit(hash(0), testPeer(1000), "") {
			t.Error("a full key took a record")
		}
		<-time.After(time.Second)
		if !g.admit(hash(0), testPeer(1000), "") {
			t.Error("a key whose records have expired took none")
		}
		<-time.After(2 * time.Hour)
		g.admit(hash(1), testPeer(1), "")
		if n, _ := g.held(); n != 1 || len(g.keys) != 1 || len(g.peers) != 1 {
			t.Errorf("holds %d records of %d keys and %d members, want 1 of each", n, len(g.keys), len(g.peers))
		}
	})
}

func TestGuardTrimsAnnouncements(t *testing.T) {
	self, other := testPeer(1), testPeer(2)
	var addrs [][]byte
	for i := range 2000 {
		addrs = append(addrs, ma.StringCast(fmt.Sprintf("/ip4/99.1.2.3/tcp/%d", i+1)).Bytes())
	}
	req := &pb.Message{ProviderPeers: []*pb.Message_Peer{{Id: []byte(other), Addrs: addrs}, {Id: []byte(self), Addrs: addrs}}}
	trim(req, self)
	if len(req.ProviderPeers) != 1 || string(req.ProviderPeers[0].Id) != string(self) || len(req.ProviderPeers[0].Addrs) != maxAddrs {
		t.Errorf("%d records are left", len(req.ProviderPeers))
	}
	trim(req, other)
	if len(req.ProviderPeers) != 0 {
		t.Error("a record of somebody else is left")
	}
}

func TestGuardRefusesWhatIsNoKey(t *testing.T) {
	g := newGuard(time.Hour)
	for _, key := range []string{"", "key", string(refused), string(make([]byte, 80))} {
		if g.admit(key, testPeer(1), "") {
			t.Errorf("took a record for %q", key)
		}
	}
}

// What an earlier run stored counts, and what has expired does not.
func TestGuardLoads(t *testing.T) {
	store := shelter{ds.NewMapDatastore()}
	put := func(key string, member peer.ID, at time.Time) {
		name := records.ProvidersKeyPrefix + base32.RawStdEncoding.EncodeToString([]byte(key)) + "/" + base32.RawStdEncoding.EncodeToString([]byte(member))
		b, err := store.Batch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Put(t.Context(), ds.NewKey(name), binary.AppendVarint(nil, at.UnixNano())); err != nil {
			t.Fatal(err)
		}
		if err := b.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	put(hash(0), testPeer(1), time.Now())
	put(hash(0), testPeer(2), time.Now().Add(time.Hour))
	put(hash(0), testPeer(3), time.Now().Add(-2*time.Hour))
	put(string(refused), testPeer(1), time.Now())
	g := newGuard(time.Hour)
	if err := g.load(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	if n, _ := g.held(); n != 2 || g.peers[testPeer(1)] != 1 || g.peers[testPeer(2)] != 1 {
		t.Errorf("loaded %d records: %v", n, g.peers)
	}
	if all, err := entriesOf(t.Context(), store); err != nil || all != 3 {
		t.Errorf("the store holds %d records, %v, want 3 and none that was refused", all, err)
	}
}

func entriesOf(ctx context.Context, store ds.Datastore) (int, error) {
	found, err := store.Query(ctx, query.Query{})
	if err != nil {
		return 0, err
	}
	entries, err := found.Rest()
	return len(entries), err
}

func TestAddressGroups(t *testing.T) {
	for addr, want := range map[string]string{
		"/ip4/99.1.2.3/tcp/80":                 "99.1.2.0/24",
		"/ip4/99.1.2.200/udp/80/quic-v1":       "99.1.2.0/24",
		"/ip6/2a00:1:2:3::4/tcp/80":            "2a00:1:2::/48",
		"/ip6/::ffff:99.1.2.3/tcp/80":          "99.1.2.0/24",
		"/ip4/127.0.0.1/tcp/80":                "",
		"/ip4/10.1.2.3/tcp/80":                 "",
		"/ip6/fe80::1/tcp/80":                  "",
		"/dns4/example.com/tcp/80":             "",
		"/ip4/99.1.2.3/tcp/80/p2p-circuit":     "99.1.2.0/24",
		"/ip6zone/eth0/ip6/fe80::1/udp/1/quic": "",
	} {
		if got := addrGroup(ma.StringCast(addr)); got != want {
			t.Errorf("%s is of group %q, want %q", addr, got, want)
		}
	}
}
