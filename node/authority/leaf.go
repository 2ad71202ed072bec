package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

const (
	// leafLifetime is how long a leaf is good: what a stolen one is worth.
	leafLifetime = 7 * 24 * time.Hour
	// maxLeaves is how many hosts have one in memory.
	maxLeaves = 1024
)

// leaf is a certificate for one host and when another takes its place.
type leaf struct {
	cert *tls.Certificate
	fade time.Time
}

// Leaf returns a certificate for host, a name or an address, to be shown to
// clients. The caller has verified the certificate of the host itself, within
// the last minutes. The result is shared and not to be changed.
func (a *Authority) Leaf(host string) (*tls.Certificate, error) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if l := a.leaves[host]; l != nil && now.Before(l.fade) {
		return l.cert, nil
	}
	if a.leaf == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("authority: make key: %w", err)
		}
		a.leaf, a.leaves = key, make(map[string]*leaf)
	}
	cert, err := a.mint(host, now)
	if err != nil {
		return nil, err
	}
	if len(a.leaves) >= maxLeaves {
		clear(a.leaves)
	}
	a.leaves[host] = &leaf{cert, now.Add(leafLifetime / 2)}
	return cert, nil
}

// mint signs a certificate for host with the key of all leaves of this run.
func (a *Authority) mint(host string, now time.Time) (*tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: serial(), NotBefore: now.Add(-skew), NotAfter: now.Add(leafLifetime - skew),
		Subject:  pkix.Name{Organization: []string{"flashcrowd on this machine"}},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if template.NotAfter.After(a.cert.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		template.IPAddresses = []net.IP{addr.Unmap().AsSlice()}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &a.leaf.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("authority: sign leaf: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("authority: read leaf: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.leaf, Leaf: parsed}, nil
}
