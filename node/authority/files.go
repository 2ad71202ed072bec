package authority

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Names in the folder.
const (
	secretName = "authority.key" // key and certificate, so that they always fit
	publicName = "ca.pem"        // the certificate alone, for clients
	bundleName = "bundle.pem"    // with those that the system trusts
)

// maxFile is more than a bundle of all authorities of the web takes.
const maxFile = 4 << 20

// PublicFile returns where the certificate lies in dir, for clients.
func PublicFile(dir string) string { return filepath.Join(dir, publicName) }

// BundleFile returns where it lies together with the ones that the system
// trusts, for programs that trust one file alone. It is missing on systems that
// keep theirs in no file.
func BundleFile(dir string) string { return filepath.Join(dir, bundleName) }

// Load returns the authority in dir, as it is. It fails with ErrNone when there
// is none.
func Load(dir string) (*Authority, error) {
	path := filepath.Join(dir, secretName)
	raw, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	a, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("authority: %s is damaged: %w; a new one is made once it is gone", path, err)
	}
	return a, nil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is no file of a sensible size", path)
	}
	return os.ReadFile(path)
}

// parse reads the secret file.
func parse(raw []byte) (*Authority, error) {
	a := &Authority{}
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "PRIVATE KEY":
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, err
			}
			a.key, _ = key.(*ecdsa.PrivateKey)
		case "CERTIFICATE":
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, err
			}
			a.cert = cert
		}
	}
	switch {
	case a.key == nil:
		return nil, errors.New("no ECDSA key in it")
	case a.cert == nil || !a.cert.IsCA:
		return nil, errors.New("no certificate of an authority in it")
	case !a.key.PublicKey.Equal(a.cert.PublicKey):
		return nil, errors.New("key and certificate are not of each other")
	}
	return a, nil
}

// save writes all files, the secret one last: it is what counts.
func (a *Authority) save(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("authority: make folder: %w", err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return fmt.Errorf("authority: write key: %w", err)
	}
	secret := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), a.PEM()...)
	files := []struct {
		name string
		data []byte
	}{{publicName, a.PEM()}, {bundleName, a.bundle()}, {secretName, secret}}
	for _, f := range files {
		if len(f.data) == 0 {
			continue
		}
		if err := writeFile(filepath.Join(dir, f.name), f.data); err != nil {
			return fmt.Errorf("authority: %w", err)
		}
	}
	return nil
}

// systemFiles are where systems keep the authorities that they trust, in one
// file; the environment, which libraries obey too, comes first.
var systemFiles = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
}

// bundle returns the certificate behind those that the system trusts, or nil
// where these are in no file.
func (a *Authority) bundle() []byte {
	for _, path := range append([]string{os.Getenv("SSL_CERT_FILE")}, systemFiles...) {
		raw, err := readFile(path)
		if err != nil || !bytes.Contains(raw, []byte("-----BEGIN CERTIFICATE-----")) {
			continue
		}
		return append(append(bytes.TrimRight(raw, "\n"), '\n'), a.PEM()...)
	}
	return nil
}

// writeFile replaces a file, which its owner alone may read, as a whole.
func writeFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}
