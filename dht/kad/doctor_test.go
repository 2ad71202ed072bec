package kad_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht/kad"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// checked runs one check of a router.
func checked(t *testing.T, r *kad.Router, name string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, c := range r.Checks() {
		if c.Name == name {
			return c.Run(ctx)
		}
	}
	t.Fatalf("there is no check %q", name)
	return nil
}

func TestChecksOfAHealthyNode(t *testing.T) {
	nodes := newNet(t, 4, 4)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	until(t, "caller", func() bool { return checked(t, nodes[0].Router, "dialable") == nil })
	for i, n := range []node{nodes[0], nodes[3]} {
		for _, c := range n.Checks() {
			if err := c.Run(ctx); err != nil && !errors.Is(err, kad.ErrNotMeasured) {
				t.Errorf("node %d, check %s: %v", i, c.Name, err)
			}
		}
	}
}

// Each check fails for its own reason, with its own error.
func TestChecksNameWhatIsWrong(t *testing.T) {
	_, id, addr := reserve(t)
	gone := peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{ma.StringCast(addr)}}
	nameless := peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{ma.StringCast("/dns4/nobody.invalid/tcp/1")}}
	lone := start(t, kad.Config{Host: newHost(t, ""), Network: "test", Bootstrap: []peer.AddrInfo{gone}})
	unnamed := start(t, kad.Config{Host: newHost(t, ""), Network: "test", Bootstrap: []peer.AddrInfo{nameless}})
	nobody := start(t, kad.Config{Host: newHost(t, ""), Network: "test"})

	walled := start(t, kad.Config{Host: newHost(t, "", libp2p.ForceReachabilityPrivate()), Network: "test"})
	until(t, "measured reachability", func() bool { return walled.Reachability() == network.ReachabilityPrivate })

	deaf := newHost(t, "") // speaks the protocol's name and never answers
	deaf.SetStreamHandler("/flashcrowd/test/kad/1.0.0", func(s network.Stream) { s.Reset() })
	fooled := start(t, kad.Config{Host: newHost(t, ""), Network: "test", Bootstrap: []peer.AddrInfo{{ID: deaf.ID(), Addrs: deaf.Addrs()}}})

	for _, c := range []struct {
		node  node
		check string
		want  error
	}{
		{unnamed, "resolve", kad.ErrResolve},
		{lone, "resolve", nil},
		{lone, "bootstrap", kad.ErrBootstrap},
		{nobody, "bootstrap", kad.ErrBootstrap},
		{fooled, "bootstrap", kad.ErrBootstrap},
		{nobody, "dialable", kad.ErrNotMeasured},
		{walled, "dialable", kad.ErrNotDialable},
		{nobody, "provide", kad.ErrProvide},
		{nobody, "find", kad.ErrFind},
	} {
		if err := checked(t, c.node.Router, c.check); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("check %s: %v, want %v", c.check, err, c.want)
		}
	}
}
