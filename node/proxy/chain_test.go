package proxy

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// chains are certificates that a client who asks directly would refuse (TL1).
func chains(t *testing.T, root *fetchtest.PKI) map[string]tls.Certificate {
	t.Helper()
	const host = "a.test"
	past := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	alone := root.Below(t, nil).Issue(t, nil, host)
	alone.Certificate = alone.Certificate[:1]
	elsewhere := root.Below(t, func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"b.test"}
	})
	self := fetchtest.NewPKI(t, func(c *x509.Certificate) { c.DNSNames = []string{host} })
	return map[string]tls.Certificate{
		"expired":              root.Issue(t, past, host),
		"not yet valid":        root.Issue(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, host),
		"wrong host":           root.Issue(t, nil, "b.test"),
		"no name":              root.Issue(t, nil),
		"untrusted":            fetchtest.NewPKI(t, nil).Issue(t, nil, host),
		"self-signed":          {Certificate: [][]byte{self.Cert.Raw}, PrivateKey: self.Key},
		"incomplete":           alone,
		"expired intermediate": root.Below(t, past).Issue(t, nil, host),
		"no authority":         notAuthority(t, root).Issue(t, nil, host),
		"constrained":          elsewhere.Issue(t, nil, host),
		"not for servers": root.Issue(t, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}, host),
		"RSA of 1024 bits": root.IssueFor(t, short, nil, host),
		"revoked":          revoked(t, root, host),
	}
}

// notAuthority signs though it may not.
func notAuthority(t *testing.T, root *fetchtest.PKI) *fetchtest.PKI {
	return root.Below(t, func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature })
}

// revoked has a staple that says so.
func revoked(t *testing.T, root *fetchtest.PKI, host string) tls.Certificate {
	t.Helper()
	cert := root.Issue(t, nil, host)
	staple, err := ocsp.CreateResponse(root.Cert, root.Cert, ocsp.Response{
		Status: ocsp.Revoked, SerialNumber: cert.Leaf.SerialNumber, ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour),
		RevokedAt: time.Now(), RevocationReason: ocsp.KeyCompromise,
	}, root.Key)
	if err != nil {
		t.Fatal(err)
	}
	cert.OCSPStaple = staple
	return cert
}

// TestLyingCertificatesGetNoLeaf is TL1: no leaf is minted, the client gets a
// failure, and it has a name.
func TestLyingCertificatesGetNoLeaf(t *testing.T) {
	s := newStand(t)
	for name, cert := range chains(t, s.web) {
		t.Run(name, func(t *testing.T) {
			port := s.site(t, cert, say("stolen"))
			raw := fmt.Sprintf("CONNECT a.test:%s HTTP/1.1\r\nHost: a.test\r\n\r\n", port)
			resp, body := ask(t, s.addr, raw)
			wantStatus(t, resp, body, 502, "tls_certificate_error")
			// The same by the other ways to name it: gateway and forward proxy.
			for _, target := range []string{"https://a.test:" + port + "/", "/https://a.test:" + port + "/"} {
				resp, body := ask(t, s.addr, "GET "+target+" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
				wantStatus(t, resp, body, 502, "tls_certificate_error")
			}
			if got := s.leaves(); len(got) != 0 {
				t.Errorf("minted for %q", got)
			}
		})
	}
}

// TestCertificateThatTurnsBadIsNamed: it was right when the tunnel was opened.
func TestCertificateThatTurnsBadIsNamed(t *testing.T) {
	s := newStand(t)
	good, bad := s.web.Issue(t, nil, "a.test"), fetchtest.NewPKI(t, nil).Issue(t, nil, "a.test")
	var calls atomic.Int64
	srv := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if calls.Add(1) > 1 {
			return &bad, nil
		}
		return &good, nil
	}, NextProtos: []string{"http/1.1"}}
	addr := closing(t, srv)
	c := s.browser(t, true, s.own())
	if resp, _ := fetchText(t, c, "https://a.test:"+addr+"/"); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	resp, body := fetchText(t, c, "https://a.test:"+addr+"/")
	wantStatus(t, resp, body, 502, "tls_certificate_error")
}

// closing serves one response a connection.
func closing(t *testing.T, cfg *tls.Config) (port string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: say("hello")}
	srv.SetKeepAlivesEnabled(false)
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// TestManyNamesCostLittle: a certificate for ten thousand names is verified,
// and its leaf is for the one host.
func TestManyNamesCostLittle(t *testing.T) {
	s := newStand(t)
	names := []string{"a.test"}
	for i := range 10_000 {
		names = append(names, fmt.Sprintf("name-%d.test", i))
	}
	port := s.site(t, s.web.Issue(t, nil, names...), say("hello"))
	resp, _ := fetchText(t, s.browser(t, true, s.own()), "https://a.test:"+port+"/")
	leaf := resp.TLS.PeerCertificates[0]
	if len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != "a.test" {
		t.Errorf("a leaf for %d names", len(leaf.DNSNames))
	}
	if _, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok {
		t.Errorf("key %T", leaf.PublicKey)
	}
}
