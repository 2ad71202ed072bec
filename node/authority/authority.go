package authority

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"
)

const (
	// lifetime of an authority: long enough that nobody installs it each
	// year, and an end that a forgotten one has.
	lifetime = 3 * 365 * 24 * time.Hour
	// renewal is how long before its end an authority is replaced.
	renewal = 30 * 24 * time.Hour
	// skew is how far the clock of a client may be behind.
	skew = time.Hour
)

// ErrNone: the folder holds no authority.
var ErrNone = errors.New("authority: there is none yet")

// Authority vouches for hosts. Its methods may be called at once from many
// goroutines.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	mu     sync.Mutex // guards following
	leaf   *ecdsa.PrivateKey
	leaves map[string]*leaf
}

// Open returns the authority in dir, for hosts that one of globs matches. It
// makes a new one, with a new key, where there is none, or where the one that
// is there does not fit globs or ends soon; renewed says so, and clients have
// to be told of the new one. Stray or damaged files are never overwritten.
func Open(dir string, globs []string) (a *Authority, renewed bool, err error) {
	want := scopeOf(globs)
	a, err = Load(dir)
	switch {
	case err == nil && want.fits(a.cert) && time.Until(a.cert.NotAfter) > renewal:
		return a, false, nil
	case err != nil && !errors.Is(err, ErrNone):
		return nil, false, err
	}
	if err := retire(dir); err != nil {
		return nil, false, err
	}
	if a, err = create(want, time.Now()); err != nil {
		return nil, false, err
	}
	return a, true, a.save(dir)
}

// create makes an authority for s.
func create(s scope, now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("authority: make key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("authority: make key: %w", err)
	}
	id := sha256.Sum256(public)
	template := &x509.Certificate{
		SerialNumber: serial(),
		Subject: pkix.Name{
			Organization: []string{"flashcrowd on this machine"},
			CommonName:   "flashcrowd CA " + hex.EncodeToString(id[:4]),
		},
		NotBefore: now.Add(-skew), NotAfter: now.Add(lifetime),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		SubjectKeyId: id[:20],
	}
	s.constrain(template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("authority: sign itself: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("authority: read itself: %w", err)
	}
	return &Authority{cert: cert, key: key}, nil
}

// serial has 127 random bits: the first of 128 would make it negative.
func serial() *big.Int {
	octets := make([]byte, 16)
	rand.Read(octets)
	octets[0] &= 0x7f
	return new(big.Int).SetBytes(octets)
}

// Certificate returns the certificate that clients have to trust. It is not to
// be changed.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// PEM returns the certificate as clients want it.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Names returns what the authority may vouch for, in words.
func (a *Authority) Names() []string {
	var names []string
	for _, d := range a.cert.PermittedDNSDomains {
		if d != noDomain {
			names = append(names, d+" and names below it")
		}
	}
	if len(a.cert.PermittedDNSDomains) == 0 {
		names = append(names, "every name but localhost and .local, as the list asks")
	}
	for _, n := range a.cert.PermittedIPRanges {
		names = append(names, n.IP.String())
	}
	return names
}

// Fingerprint returns the SHA-256 of the certificate as browsers show it.
func (a *Authority) Fingerprint() string {
	sum := sha256.Sum256(a.cert.Raw)
	var b bytes.Buffer
	for i, octet := range sum {
		if i > 0 {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%02X", octet)
	}
	return b.String()
}
