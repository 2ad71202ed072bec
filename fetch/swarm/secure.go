package swarm

import (
	"context"
	"net"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// secure is libp2p's TLS over connections whose reads are batched and whose
// writes are gathered: that is the one place where libp2p lets its hosts touch a
// TCP connection.
type secure struct{ *libp2ptls.Transport }

var _ sec.SecureTransport = (*secure)(nil)

func newSecure(id protocol.ID, key crypto.PrivKey, muxers []upgrader.StreamMuxer) (*secure, error) {
	t, err := libp2ptls.New(id, key, muxers)
	if err != nil {
		return nil, err
	}
	return &secure{t}, nil
}

// SecureInbound implements sec.SecureTransport.
func (s *secure) SecureInbound(ctx context.Context, insecure net.Conn, p peer.ID) (sec.SecureConn, error) {
	g := &gathered{Conn: fetch.BatchReads(insecure)}
	c, err := s.Transport.SecureInbound(ctx, g, p)
	return g.under(c), err
}

// SecureOutbound implements sec.SecureTransport.
func (s *secure) SecureOutbound(ctx context.Context, insecure net.Conn, p peer.ID) (sec.SecureConn, error) {
	g := &gathered{Conn: fetch.BatchReads(insecure)}
	c, err := s.Transport.SecureOutbound(ctx, g, p)
	return g.under(c), err
}
