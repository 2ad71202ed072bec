package kad_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/dht/dhttest"
	"github.com/flashcrowd/flashcrowd/dht/kad"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// mover is a node whose addresses are what a test says.
type mover struct {
	*kad.Router
	host    host.Host
	addrs   atomic.Pointer[[]ma.Multiaddr]
	changed event.Emitter
}

func (m *mover) move(t *testing.T, addrs ...string) {
	t.Helper()
	var all []ma.Multiaddr
	for _, a := range addrs {
		all = append(all, ma.StringCast(a))
	}
	m.addrs.Store(&all)
	if err := m.changed.Emit(event.EvtLocalAddressesUpdated{}); err != nil {
		t.Fatal(err)
	}
}

// startMover starts a node on the public protocol that belongs to the crowds of
// keys, until the test ends.
func startMover(t *testing.T, w *wires, boot []peer.AddrInfo, keys []dht.Key) *mover {
	t.Helper()
	m := new(mover)
	m.host = w.host(t, libp2p.AddrsFactory(func(own []ma.Multiaddr) []ma.Multiaddr {
		if at := m.addrs.Load(); at != nil {
			return *at
		}
		return own
	}))
	var err error
	if m.changed, err = m.host.EventBus().Emitter(new(event.EvtLocalAddressesUpdated)); err != nil {
		t.Fatal(err)
	}
	if m.Router, err = kad.New(kad.Config{Host: m.host, Network: kad.Public, Bootstrap: boot}); err != nil {
		t.Fatal(err)
	}
	m.Keep(keys...)
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.Run(context.Background()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		running.Wait()
		_ = m.changed.Close()
	})
	return m
}

// On the public network a node serves as long as it is measured that it can be
// dialled, and is a client before and after.
func TestServesWhileReachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(wires)
		m := startMover(t, w, counters(t, w, 3, new(atomic.Int64)), nil)
		measured, err := m.host.EventBus().Emitter(new(event.EvtLocalReachabilityChanged))
		if err != nil {
			t.Fatal(err)
		}
		defer measured.Close()
		for _, c := range []struct {
			reach network.Reachability
			want  string
		}{
			{network.ReachabilityUnknown, "client"}, {network.ReachabilityPublic, "server"}, {network.ReachabilityPrivate, "client"},
		} {
			if err := measured.Emit(event.EvtLocalReachabilityChanged{Reachability: c.reach}); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
			if got := m.Mode(); got != c.want {
				t.Errorf("with reachability %v it is a %s, want a %s", c.reach, got, c.want)
			}
		}
	})
}

func manyKeys(t *testing.T, n int) (keys []dht.Key) {
	for i := range n {
		keys = append(keys, dhttest.Key(t, i))
	}
	return keys
}

// A node that has moved is found where it is now, long before its records are
// due for renewal.
func TestMovedNodeIsFoundThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const there = "/ip4/99.9.9.9/tcp/1"
		w, written := new(wires), new(atomic.Int64)
		boot := counters(t, w, 3, written)
		keys := manyKeys(t, 50)
		m := startMover(t, w, boot, keys)
		other := startMover(t, w, boot, nil)
		<-time.After(5 * time.Minute)
		before := written.Load()
		m.move(t, there)
		<-time.After(2 * time.Minute)
		// Whoever is connected hears of the address without a record; most
		// holders of a large network are not.
		if n := written.Load() - before; n != int64(len(keys)*len(boot)) {
			t.Errorf("%d records written, want %d", n, len(keys)*len(boot))
		}
		for _, k := range keys {
			found := false
			for _, member := range all(other.Find(t.Context(), k)) {
				found = found || member.ID == m.host.ID().String() && slices.Contains(member.Addrs, there)
			}
			if !found {
				t.Errorf("%v is not found at the new address", k)
			}
		}
	})
}

// Addresses that come and go beside one that stays cost nobody a record, and
// those that change entirely all the time a round of records each ten minutes.
func TestRestlessAddressesCostLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const keys, servers, first = 50, 3, "/ip4/99.9.9.9/tcp/1"
		w, written := new(wires), new(atomic.Int64)
		m := startMover(t, w, counters(t, w, servers, written), manyKeys(t, keys))
		<-time.After(5 * time.Minute)
		m.move(t, first)
		<-time.After(15 * time.Minute)
		before := written.Load()
		for i := range 60 {
			m.move(t, first, fmt.Sprintf("/ip4/99.9.9.9/tcp/%d", 2+i))
			<-time.After(time.Minute)
		}
		if n := written.Load() - before; n > 0 {
			t.Errorf("%d records written although the old address holds", n)
		}
		before = written.Load()
		for i := range 60 {
			m.move(t, fmt.Sprintf("/ip4/98.9.9.9/tcp/%d", 1+i))
			<-time.After(time.Minute)
		}
		if n := written.Load() - before; n > 7*keys*servers || n == 0 {
			t.Errorf("%d records written in an hour of moving, %d are one round", n, keys*servers)
		}
	})
}

// After a sleep in which its records have run out elsewhere a node writes them
// again; after a nap it does not.
func TestSleeperIsFoundAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const keys, servers = 50, 3
		w, written := new(wires), new(atomic.Int64)
		m := startMover(t, w, counters(t, w, servers, written), manyKeys(t, keys))
		<-time.After(5 * time.Minute)
		for _, c := range []struct {
			slept time.Duration
			want  int64
		}{{time.Hour, 0}, {40 * time.Hour, keys * servers}} {
			before := written.Load()
			m.Looked(false, c.slept)
			<-time.After(2 * time.Minute)
			if n := written.Load() - before; n != c.want {
				t.Errorf("%d records written after %v, want %d", n, c.slept, c.want)
			}
		}
	})
}
