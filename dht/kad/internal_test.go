package kad

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/libp2p/go-libp2p"
	kb "github.com/libp2p/go-libp2p-kbucket"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
)

func testKey(i int) dht.Key {
	return dht.ID(sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))).Key()
}

func testPeer(i int) peer.ID {
	h, err := multihash.Sum(binary.BigEndian.AppendUint64(nil, uint64(i)), multihash.SHA2_256, -1)
	if err != nil {
		panic(err)
	}
	return peer.ID(h)
}

func newKeeper() *keeper {
	k := new(keeper)
	k.init(MaxKeys)
	return k
}

func TestKeeperTakesTheLastWord(t *testing.T) {
	const start, renew, stop, nothing = "start", "renew", "stop", "nothing"
	key := testKey(1)
	id := string(key.CID().Hash())
	keep := func(k *keeper) { k.add([]dht.Key{key}) }
	leave := func(k *keeper) { k.remove([]dht.Key{key}) }
	join := func(k *keeper) { k.join(id) }
	joined := func(k *keeper) { k.settle(id, true) }
	failed := func(k *keeper) { k.settle(id, false) }
	take := func(k *keeper) { k.take(100) }
	for _, c := range []struct {
		want  string
		steps []func(*keeper)
	}{
		{start, []func(*keeper){keep}},
		{start, []func(*keeper){keep, keep}},
		{nothing, []func(*keeper){keep, take, keep}},
		{nothing, []func(*keeper){keep, leave}},
		{stop, []func(*keeper){keep, take, leave}},
		{nothing, []func(*keeper){keep, take, leave, take}},
		{start, []func(*keeper){keep, take, leave, keep}},
		{nothing, []func(*keeper){join}},
		{renew, []func(*keeper){join, joined}},
		{start, []func(*keeper){join, failed}},
		{renew, []func(*keeper){join, join, joined, failed}},
		{nothing, []func(*keeper){join, leave, joined}},
		{nothing, []func(*keeper){join, leave, failed}},
		{stop, []func(*keeper){join, joined, take, leave}},
		{renew, []func(*keeper){keep, take, leave, join, joined}},
		{nothing, []func(*keeper){keep, take, leave, join}},
		{start, []func(*keeper){keep, join, joined}},
		{nothing, []func(*keeper){leave, joined, failed}},
	} {
		k := newKeeper()
		for _, step := range c.steps {
			step(k)
		}
		got := nothing
		switch did, _ := k.take(100); {
		case len(did.start) > 0:
			got = start
		case len(did.renew) > 0:
			got = renew
		case len(did.stop) > 0:
			got = stop
		}
		if n := k.wanted(); got != c.want || n != 0 && n != 1 || (n == 1) != k.wants(id) {
			t.Errorf("%d steps: carries out %s, want %s; %d keys wanted", len(c.steps), got, c.want, n)
		}
	}
}

func TestKeeperIsBounded(t *testing.T) {
	k := newKeeper()
	keys := make([]dht.Key, 0, MaxKeys+10)
	for i := range MaxKeys + 10 {
		keys = append(keys, testKey(i))
	}
	if ignored := k.add(keys); ignored != 10 || k.wanted() != MaxKeys {
		t.Errorf("keeps %d keys and ignored %d", k.wanted(), ignored)
	}
	over := string(keys[MaxKeys].CID().Hash())
	k.join(over)
	if least := string(keys[MaxKeys-1].CID().Hash()); !k.wants(over) || k.wants(least) || k.wanted() != MaxKeys {
		t.Errorf("joined: %v; the least useful of %d keys is there: %v", k.wants(over), k.wanted(), k.wants(least))
	}
	k.remove(keys[MaxKeys : MaxKeys+1])
	k.remove(keys)
	if len(k.keys) != 0 || len(k.dirty) != 0 || k.wanted() != 0 {
		t.Errorf("keys left behind: %d, %d, %d", len(k.keys), len(k.dirty), k.wanted())
	}
}

func TestRecentIsBoundedAndAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recent
		for i := range recentKeys + 1 {
			r.put(fmt.Sprint(i), []peer.ID{testPeer(i)})
			<-time.After(time.Millisecond)
		}
		if len(r.keys) != recentKeys || r.get("0") != nil || r.get("1") == nil {
			t.Errorf("remembers %d keys; the first: %v, the second: %v", len(r.keys), r.get("0"), r.get("1"))
		}
		<-time.After(recentTTL)
		if r.get(fmt.Sprint(recentKeys)) != nil {
			t.Error("remembers for longer than recentTTL")
		}
	})
}

func TestClosest(t *testing.T) {
	target := kb.ConvertKey("key")
	var ids []peer.ID
	for i := range 9 {
		ids = append(ids, testPeer(i))
	}
	ids = kb.SortClosestPeers(ids, target) // by distance: 0 is the nearest
	named := func(of ...int) (infos []*peer.AddrInfo) {
		for _, i := range of {
			infos = append(infos, &peer.AddrInfo{ID: ids[i]})
		}
		return append(infos, nil)
	}
	c := &closest{self: ids[0], target: target, k: 2}
	c.answer(ids[6], named(4, 5))
	if got := c.sure(); len(got) != 0 {
		t.Errorf("sure of %d peers while two nearer ones are unheard", len(got))
	}
	c.answer(ids[4], named(0, 3))
	if got := c.sure(); len(got) != 1 || got[0] != ids[4] {
		t.Errorf("sure of %v, want the fifth", got)
	}
	c.answer(ids[3], named(6, 7, 8, 4, 1, 2)) // more than 2k: 1 and 2 are ignored
	if got := c.sure(); len(got) != 2 || got[0] != ids[3] || got[1] != ids[4] {
		t.Errorf("sure of %v, want the fourth and the fifth", got)
	}
}

func TestBootstrapDefaults(t *testing.T) {
	h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.NoTransports)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	self := peer.AddrInfo{ID: h.ID()}
	for _, c := range []struct {
		network string
		given   []peer.AddrInfo
		want    int
	}{
		{Public, nil, len(PublicBootstrap())},
		{Public, []peer.AddrInfo{}, 0},
		{Public, []peer.AddrInfo{self, {ID: testPeer(1)}}, 1},
		{"test", nil, 0},
	} {
		cfg, err := Config{Host: h, Network: c.network, Bootstrap: c.given}.withDefaults()
		if len(cfg.Bootstrap) != c.want || err != nil {
			t.Errorf("network %s, given %v: %d bootstrap peers, %v, want %d", c.network, c.given, len(cfg.Bootstrap), err, c.want)
		}
	}
	if len(PublicBootstrap()) == 0 {
		t.Error("no default bootstrap peers")
	}
}
