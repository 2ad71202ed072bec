package node

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/flashcrowd/flashcrowd/fetch/swarm"
)

// swarmKey reads the key of a private swarm; nil is an open one.
func (c Config) swarmKey() (swarm.Key, error) {
	if c.SwarmKey == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.SwarmKey)
	if err != nil {
		return nil, &UsageError{"swarm-key", err}
	}
	key, err := swarm.ParseKey(text)
	if err != nil {
		return nil, &UsageError{"swarm-key", fmt.Errorf("read %s: %w", c.SwarmKey, err)}
	}
	return key, nil
}

// upload returns the bounds of what is given to others.
func (c Config) upload() swarm.Upload {
	return swarm.Upload{
		Rate: c.UploadLimit.OctetsPerSecond(), Quota: int64(c.UploadQuota), Windows: c.UploadWindows, Metered: c.Metered,
	}
}

// outward reports whether the node listens where others than this machine
// could reach it.
func (c Config) outward() bool {
	return slices.ContainsFunc(c.Listen, func(text string) bool {
		a, err := multiaddr.NewMultiaddr(text)
		return err == nil && !manet.IsIPLoopback(a)
	})
}

// reach says how the node is reached behind a router. Whoever bounds what is
// given relays nothing.
func (n *Node) reach() swarm.Reach {
	u := n.cfg.upload()
	return swarm.Reach{
		On: n.cfg.NAT == On && n.cfg.outward(), Ports: true, Relays: n.relayPeers,
		Relay: u.Rate == 0 && u.Quota == 0 && u.Windows == nil && !u.Metered,
	}
}

// relayPeers yields nodes that could relay, as far as the router knows any.
func (n *Node) relayPeers(ctx context.Context, most int) <-chan peer.AddrInfo {
	out := make(chan peer.AddrInfo)
	go func() {
		defer close(out)
		r := n.relays.Load()
		if r == nil {
			return
		}
		for _, ai := range r.Relays(most) {
			select {
			case out <- ai:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}
