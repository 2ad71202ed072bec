package swarm

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/p2p/host/observedaddrs"
	ma "github.com/multiformats/go-multiaddr"
)

var (
	overTCP  = ma.StringCast("/ip4/198.51.101.7/tcp/1")
	overQUIC = ma.StringCast("/ip4/198.51.101.7/udp/1/quic-v1")
)

// quicFirst reports whether the next dial tries QUIC first.
func quicFirst(m *mixer) bool {
	return classOf(m.rank([]ma.Multiaddr{overTCP, overQUIC})[0].Addr) == classQUIC4
}

// A node has connections of both kinds: TCP first, then QUIC, until as many are
// there as have to agree on what a router makes of its port.
func TestMixesTransports(t *testing.T) {
	m := new(mixer)
	for i := range 2 * observedaddrs.ActivationThresh {
		if got, want := quicFirst(m), i%2 == 1; got != want {
			t.Errorf("dial %d at once with others tries QUIC first: %v", i, got)
		}
	}
	if quicFirst(m) {
		t.Error("QUIC is tried first although enough dials of it are under way")
	}
	for range observedaddrs.ActivationThresh {
		m.count(overTCP, 1)
		m.count(overQUIC, 1)
	}
	if quicFirst(m) {
		t.Error("QUIC is tried first although there are enough connections")
	}
	m.count(overQUIC, -1)
	if !quicFirst(m) {
		t.Error("TCP is tried first although a connection over QUIC was lost")
	}
}

// The first connection, and neighbours, and peers of one transport, are as
// without a mixer.
func TestMixerLeavesTheRest(t *testing.T) {
	m := new(mixer)
	m.count(overTCP, 1)
	for _, addrs := range [][]ma.Multiaddr{
		{overTCP}, {overQUIC},
		{ma.StringCast("/ip4/192.168.0.1/udp/1/quic-v1"), ma.StringCast("/ip4/192.168.0.1/tcp/1")},
	} {
		if m.wantsQUIC(addrs, time.Now()) {
			t.Errorf("QUIC first for %v", addrs)
		}
	}
	if quicFirst(new(mixer)) {
		t.Error("the first connection is over QUIC")
	}
}

// Where UDP is filtered QUIC costs the dials that follow nothing.
func TestMixerGivesUp(t *testing.T) {
	m, now := new(mixer), time.Now()
	addrs := []ma.Multiaddr{overTCP, overQUIC}
	m.count(overTCP, 1)
	tried := 0
	for range 24 * 60 {
		now = now.Add(time.Minute)
		if m.wantsQUIC(addrs, now) {
			tried++
		}
	}
	if tried < 10 || tried > 40 {
		t.Errorf("QUIC was tried first %d times in a day of dials in vain", tried)
	}
	m.count(overQUIC, 1)
	m.count(overQUIC, -1)
	if !m.wantsQUIC(addrs, now) {
		t.Error("QUIC is not tried again once it has worked")
	}
}
