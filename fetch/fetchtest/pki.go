package fetchtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// PKI is an authority that signs certificates for tests.
type PKI struct {
	Cert *x509.Certificate
	Key  crypto.Signer
	// chain is what a server sends after its own certificate.
	chain [][]byte
}

// Template changes a certificate before it is signed. It may be nil.
type Template func(*x509.Certificate)

// NewPKI returns an authority that nobody vouches for but itself.
func NewPKI(t testing.TB, change Template) *PKI {
	t.Helper()
	key := newKey(t)
	template := authorityTemplate("flashcrowd test root", change)
	return &PKI{Cert: sign(t, template, template, key.Public(), key), Key: key}
}

// Below returns an authority that p vouches for.
func (p *PKI) Below(t testing.TB, change Template) *PKI {
	t.Helper()
	key := newKey(t)
	cert := sign(t, authorityTemplate("flashcrowd test intermediate", change), p.Cert, key.Public(), p.Key)
	return &PKI{Cert: cert, Key: key, chain: append([][]byte{cert.Raw}, p.chain...)}
}

// Issue returns a certificate of a server for names and addresses, good for an
// hour, with its chain.
func (p *PKI) Issue(t testing.TB, change Template, names ...string) tls.Certificate {
	t.Helper()
	return p.IssueFor(t, newKey(t), change, names...)
}

// IssueFor is Issue for a key of the caller's.
func (p *PKI) IssueFor(t testing.TB, key crypto.Signer, change Template, names ...string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "flashcrowd test server"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		SerialNumber: newSerial(t), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	if change != nil {
		change(template)
	}
	cert := sign(t, template, p.Cert, key.Public(), p.Key)
	return tls.Certificate{Certificate: append([][]byte{cert.Raw}, p.chain...), PrivateKey: key, Leaf: cert}
}

// Pool trusts p alone.
func (p *PKI) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.Cert)
	return pool
}

// PEM returns the certificate of p.
func (p *PKI) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Cert.Raw})
}

func authorityTemplate(name string, change Template) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		SerialNumber: serial, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if change != nil {
		change(template)
	}
	return template
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newSerial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func sign(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
