package node

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"

	"github.com/cockroachdb/pebble/v2"
	"github.com/libp2p/go-libp2p/core/peer"
)

// bootstrap returns the peers to join by: nil for the network's default list,
// empty for none.
func (c Config) bootstrap() ([]peer.AddrInfo, error) {
	if len(c.Bootstrap) == 0 {
		return nil, nil
	}
	infos := []peer.AddrInfo{}
	if c.NoBootstrap() {
		return infos, nil
	}
	for _, s := range c.Bootstrap {
		info, err := peer.AddrInfoFromString(s)
		if err != nil {
			return nil, fmt.Errorf("node: bootstrap address: %w", err)
		}
		infos = append(infos, *info)
	}
	return infos, nil
}

// version returns what the node says it is.
func (c Config) version() string {
	if c.Version != "" {
		return c.Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// indexOptions are small: the index holds a few hundred octets an object and
// the records of the DHT.
func indexOptions(log *slog.Logger) *pebble.Options {
	return &pebble.Options{
		CacheSize: 16 << 20, MemTableSize: 16 << 20, MaxOpenFiles: 128, Logger: indexLog{log},
	}
}

// indexLog passes on what pebble has to say, at the level of debugging: what
// matters comes back as an error.
type indexLog struct{ log *slog.Logger }

func (l indexLog) Infof(format string, args ...any) {
	l.log.Debug("index", "say", fmt.Sprintf(format, args...))
}

func (l indexLog) Errorf(format string, args ...any) {
	l.log.Warn("index", "say", fmt.Sprintf(format, args...))
}

// Fatalf must not return: pebble calls it when going on would lose data.
func (l indexLog) Fatalf(format string, args ...any) {
	panic("node: index: " + fmt.Sprintf(format, args...))
}

// dialTunnel opens the connection of a CONNECT request.
func (n *Node) dialTunnel(ctx context.Context, _, hostport string) (net.Conn, error) {
	return n.origin.DialTunnel(ctx, hostport)
}
