package authority

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/smallstep/truststore"
)

// oldPrefix begins the names of certificates that were replaced. They are kept
// so that they can be taken out of the stores which still trust them; their
// keys are gone.
const oldPrefix = "replaced-"

// retire keeps the certificate that is about to be replaced.
func retire(dir string) error {
	old, err := Load(dir)
	if errors.Is(err, ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, oldPrefix+old.cert.SerialNumber.String()+".pem"), old.PEM())
}

// replaced returns the certificates in dir that were replaced, by file.
func replaced(dir string) (map[string]*x509.Certificate, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	certs := make(map[string]*x509.Certificate)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), oldPrefix) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		raw, err := readFile(path)
		if err != nil {
			return nil, fmt.Errorf("authority: %w", err)
		}
		if block, _ := pem.Decode(raw); block != nil {
			if c, err := x509.ParseCertificate(block.Bytes); err == nil {
				certs[path] = c
			}
		}
	}
	return certs, nil
}

// stores are those that Install and Uninstall change beside the system's: of
// Firefox and Chromium where certutil is at hand, and of Java where JAVA_HOME
// says which.
func stores() []truststore.Option {
	options := []truststore.Option{truststore.WithFirefox()}
	if os.Getenv("JAVA_HOME") != "" {
		options = append(options, truststore.WithJava())
	}
	return options
}

// Install makes the system, and the browsers of this user, trust the authority
// in dir and none that it replaced. It needs the rights of an administrator,
// and asks for them by sudo where there is one.
func Install(dir string) (*Authority, error) {
	a, err := Load(dir)
	if err != nil {
		return nil, err
	}
	if err := uninstallOld(dir); err != nil {
		return nil, err
	}
	if err := truststore.Install(a.cert, stores()...); err != nil {
		return nil, fmt.Errorf("authority: install: %w", explain(err))
	}
	return a, nil
}

// Uninstall takes the authority in dir, and all that it replaced, out of the
// stores. The files stay: a node may go on using them.
func Uninstall(dir string) (*Authority, error) {
	a, err := Load(dir)
	if err != nil {
		return nil, err
	}
	if err := uninstallOld(dir); err != nil {
		return nil, err
	}
	if err := takeOut(a.cert); err != nil {
		return nil, fmt.Errorf("authority: uninstall: %w", explain(err))
	}
	return a, nil
}

// takeOut uninstalls one certificate.
func takeOut(cert *x509.Certificate) error {
	defer afresh()()
	return truststore.Uninstall(cert, stores()...)
}

func uninstallOld(dir string) error {
	old, err := replaced(dir)
	if err != nil {
		return err
	}
	for path, cert := range old {
		if err := takeOut(cert); err != nil {
			return fmt.Errorf("authority: uninstall one that was replaced: %w", explain(err))
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("authority: %w", err)
		}
	}
	return nil
}

// explain adds what the command that failed had to say.
func explain(err error) error {
	var command *truststore.CmdError
	if errors.As(err, &command) {
		if out := strings.TrimSpace(string(command.Out())); out != "" {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	return err
}
