package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// intercepted is the connection of a client that believes to speak with
// hostport. What was read before comes first.
type intercepted struct {
	net.Conn
	early          []byte
	host, hostport string
	used           atomic.Bool // a request came

	once   sync.Once
	closed chan struct{}
}

func newIntercepted(near net.Conn, early []byte, hostport string) *intercepted {
	return &intercepted{
		Conn: near, early: append([]byte(nil), early...), host: hostOf(hostport), hostport: hostport,
		closed: make(chan struct{}),
	}
}

// Read returns what was read before and then what comes.
func (in *intercepted) Read(p []byte) (int, error) {
	if len(in.early) > 0 {
		n := copy(p, in.early)
		in.early = in.early[n:]
		return n, nil
	}
	return in.Conn.Read(p)
}

// peek returns the first octet without taking it.
func (in *intercepted) peek() (byte, error) {
	if len(in.early) == 0 {
		first := make([]byte, 1)
		if _, err := in.Conn.Read(first); err != nil {
			return 0, err
		}
		in.early = first
	}
	return in.early[0], nil
}

// Close may be called again.
func (in *intercepted) Close() error {
	err := in.Conn.Close()
	in.once.Do(func() { close(in.closed) })
	return err
}

type interceptedKey struct{}

// secured returns the connection as the server of requests wants it: HTTP/2,
// which has no lines to read strictly, needs to see the TLS.
func secured(secure *tls.Conn, patience time.Duration) net.Conn {
	if secure.ConnectionState().NegotiatedProtocol == "h2" {
		return secure
	}
	return newStrict(secure, patience)
}

// interceptedOf finds what a connection of the server was made of.
func interceptedOf(c net.Conn) *intercepted {
	if strict, ok := c.(*strictConn); ok {
		c = strict.Conn
	}
	if secure, ok := c.(*tls.Conn); ok {
		in, _ := secure.NetConn().(*intercepted)
		return in
	}
	return nil
}

func interceptedIn(ctx context.Context) *intercepted {
	in, _ := ctx.Value(interceptedKey{}).(*intercepted)
	return in
}
