package stack

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/transport"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// tcp is libp2p's transport over TCP on a simulated host: connections are
// upgraded as real ones are.
type tcp struct {
	host     *host
	upgrader transport.Upgrader
	rcmgr    network.ResourceManager
}

var _ transport.Transport = (*tcp)(nil)

// transportOf returns what libp2p.Transport takes.
func transportOf(h *host) func(transport.Upgrader, network.ResourceManager) (transport.Transport, error) {
	return func(u transport.Upgrader, r network.ResourceManager) (transport.Transport, error) {
		return &tcp{h, u, r}, nil
	}
}

// dialTimeout is that of libp2p's own transport.
const dialTimeout = 5 * time.Second

// CanDial implements transport.Transport.
func (*tcp) CanDial(a ma.Multiaddr) bool {
	return len(a) == 2 && a[0].Protocol().Code == ma.P_IP4 && a[1].Protocol().Code == ma.P_TCP
}

// Protocols implements transport.Transport.
func (*tcp) Protocols() []int { return []int{ma.P_TCP} }

// Proxy implements transport.Transport.
func (*tcp) Proxy() bool { return false }

// Dial implements transport.Transport.
func (t *tcp) Dial(ctx context.Context, to ma.Multiaddr, p peer.ID) (transport.CapableConn, error) {
	scope, err := t.rcmgr.OpenConnection(network.DirOutbound, true, to)
	if err != nil {
		return nil, fmt.Errorf("stack: dial: %w", err)
	}
	c, err := t.dial(ctx, to, p, scope)
	if err != nil {
		scope.Done()
		return nil, fmt.Errorf("stack: dial: %w", err)
	}
	return c, nil
}

func (t *tcp) dial(ctx context.Context, to ma.Multiaddr, p peer.ID, scope network.ConnManagementScope) (transport.CapableConn, error) {
	if err := scope.SetPeer(p); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	at, err := addrPort(to)
	if err != nil {
		return nil, err
	}
	raw, err := t.host.dial(ctx, at)
	if err != nil {
		return nil, err
	}
	c, err := manet.WrapNetConn(raw)
	if err != nil {
		raw.Close()
		return nil, err
	}
	return t.upgrader.Upgrade(ctx, t, c, network.DirOutbound, p, scope)
}

// Listen implements transport.Transport.
func (t *tcp) Listen(at ma.Multiaddr) (transport.Listener, error) {
	a, err := addrPort(at)
	if err != nil {
		return nil, fmt.Errorf("stack: listen: %w", err)
	}
	raw, err := t.host.listen(a.Port())
	if err != nil {
		return nil, fmt.Errorf("stack: listen: %w", err)
	}
	l, err := manet.WrapNetListener(raw)
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("stack: listen: %w", err)
	}
	return t.upgrader.UpgradeGatedMaListener(t, t.upgrader.GateMaListener(l)), nil
}

func addrPort(a ma.Multiaddr) (netip.AddrPort, error) {
	_, text, err := manet.DialArgs(a)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.ParseAddrPort(text)
}
