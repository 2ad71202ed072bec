package origin

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// minRSA is the least length in bits of RSA keys in a chain, that of browsers
// and of OpenSSL: who asks directly would be refused a shorter one.
const minRSA = 2048

// ChainError is a certificate that verifies and must still not be believed.
type ChainError struct{ Why string }

func (e *ChainError) Error() string { return "certificate: " + e.Why }

// checkChain refuses what browsers refuse and crypto/x509 does not: short keys,
// and a certificate that its own stapled answer says is revoked.
func checkChain(cs tls.ConnectionState) error {
	if len(cs.VerifiedChains) == 0 {
		return &ChainError{"not verified"}
	}
	if !anyStrong(cs.VerifiedChains) {
		return &ChainError{fmt.Sprintf("an RSA key of less than %d bits", minRSA)}
	}
	chain := cs.VerifiedChains[0]
	if len(cs.OCSPResponse) == 0 || len(chain) < 2 {
		return nil
	}
	// A staple that cannot be read says nothing, as no staple does.
	answer, err := ocsp.ParseResponseForCert(cs.OCSPResponse, chain[0], chain[1])
	if err == nil && answer.Status == ocsp.Revoked {
		return &ChainError{"revoked at " + answer.RevokedAt.UTC().Format(time.RFC3339)}
	}
	return nil
}

// anyStrong reports whether some chain has no short key below its root, which
// is trusted by itself.
func anyStrong(chains [][]*x509.Certificate) bool {
	for _, chain := range chains {
		strong := true
		for _, c := range chain[:max(1, len(chain)-1)] {
			key, ok := c.PublicKey.(*rsa.PublicKey)
			strong = strong && (!ok || key.N.BitLen() >= minRSA)
		}
		if strong {
			return true
		}
	}
	return false
}

// Vet opens a TLS connection to hostport, as the local user's requests do, and
// reports whether the server asked for a certificate of its client. The chain
// was verified when err is nil; otherwise err is a *fetch.Failure, or ctx's
// own. The connection is kept for a moment, for the next request to hostport.
func (c *Client) Vet(ctx context.Context, hostport string) (clientCert bool, err error) {
	d := c.local.dialer
	var asked atomic.Bool
	conn, err := d.handshake(ctx, "tcp", hostport, func(cfg *tls.Config) {
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked.Store(true)
			return &tls.Certificate{}, nil // none, as without this function
		}
	})
	if err != nil {
		if ctx.Err() != nil {
			return asked.Load(), fmt.Errorf("vet: %w", ctx.Err())
		}
		// A server that wants a certificate may end the handshake for it.
		return asked.Load(), err
	}
	if asked.Load() {
		return true, conn.Close()
	}
	d.spares.put(hostport, conn)
	return false, nil
}

// spareFor is how long a vetted connection waits for its first request: a
// client sends it as soon as its own handshake is done.
const spareFor = 10 * time.Second

// maxSpares bounds the connections that wait.
const maxSpares = 64

// spares are connections that were vetted and carry no request yet.
type spares struct {
	mu  sync.Mutex // guards following
	all map[string]*spare
}

type spare struct {
	conn net.Conn
	end  *time.Timer
}

// put keeps conn, or closes it when one waits already.
func (s *spares) put(hostport string, conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = make(map[string]*spare)
	}
	if s.all[hostport] != nil || len(s.all) >= maxSpares {
		conn.Close()
		return
	}
	kept := &spare{conn: conn}
	kept.end = time.AfterFunc(spareFor, func() { s.drop(hostport, kept) })
	s.all[hostport] = kept
}

func (s *spares) drop(hostport string, old *spare) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[hostport] == old {
		delete(s.all, hostport)
		old.conn.Close()
	}
}

// take returns a connection to hostport that waits, or nil.
func (s *spares) take(hostport string) net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.all[hostport]
	if kept == nil {
		return nil
	}
	delete(s.all, hostport)
	kept.end.Stop()
	return kept.conn
}

func (s *spares) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, kept := range s.all {
		kept.end.Stop()
		kept.conn.Close()
	}
	clear(s.all)
}

// dialTLS returns a connection on which the certificate of hostport was
// verified.
func (d *dialer) dialTLS(ctx context.Context, network, hostport string) (net.Conn, error) {
	if conn := d.spares.take(hostport); conn != nil {
		return conn, nil
	}
	return d.handshake(ctx, network, hostport, nil)
}

// handshake dials hostport and verifies its certificate; change may alter the
// configuration of this one connection. Errors are *fetch.Failure.
func (d *dialer) handshake(ctx context.Context, network, hostport string, change func(*tls.Config)) (net.Conn, error) {
	conn, err := d.dialBulk(ctx, network, hostport)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		conn.Close()
		return nil, &fetch.Failure{Cause: fetch.BadRequest, Err: fmt.Errorf("split host and port: %w", err)}
	}
	cfg := d.tls.Clone()
	cfg.ServerName = host
	if change != nil {
		change(cfg)
	}
	ctx, cancel := context.WithTimeout(ctx, d.cfg.TLSTimeout)
	defer cancel()
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, &fetch.Failure{Cause: tlsCause(err), Err: fmt.Errorf("tls handshake: %w", err)}
	}
	return secure, nil
}
