//go:build system

package testnet

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// stolen is the authority of a node in the hands of somebody who has its key.
func stolen(t *testing.T, n *process) *fetchtest.PKI {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(n.data, "ca", "authority.key"))
	if err != nil {
		t.Fatal(err)
	}
	p := &fetchtest.PKI{}
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			if p.Cert, err = x509.ParseCertificate(block.Bytes); err != nil {
				t.Fatal(err)
			}
			continue
		}
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		p.Key = key.(crypto.Signer)
	}
	return p
}

// TestStolenAuthorityIsConstrained (TL7): with the key of a node's authority
// nobody can be any other host than those that the user listed, for Go, for
// curl with OpenSSL, or for Chromium, all of which trust it.
func TestStolenAuthorityIsConstrained(t *testing.T) {
	n := startSecureNode(t, 0, "none", startSecurePage(t))
	pki := stolen(t, n)
	for host, want := range map[string]bool{"page.test": true, "other.test": false, "localhost": false, "127.0.0.1": false} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "SECRET") }))
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		leaf := pki.Issue(t, nil, host)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{leaf}}
		s.StartTLS()
		_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
		url := "https://" + net.JoinHostPort(host, port) + "/"

		if _, err := leaf.Leaf.Verify(x509.VerifyOptions{Roots: pki.Pool(), DNSName: host}); (err == nil) != want {
			t.Errorf("Go, %s: %v", host, err)
		}
		curl := exec.Command("curl", "-sS", "--noproxy", "*", "--cacert", n.ca(), "--resolve", host+":"+port+":127.0.0.1", url)
		if out, err := curl.CombinedOutput(); (err == nil) != want || strings.Contains(string(out), "SECRET") != want {
			t.Errorf("curl, %s: %v %s", host, err, out)
		}
		dom, _ := newBrowser(t, n.ca()).dump(url, "--no-proxy-server", "--host-resolver-rules=MAP * 127.0.0.1")
		if strings.Contains(dom, "SECRET") != want {
			t.Errorf("Chromium, %s: %.300s", host, dom)
		}
		s.Close()
	}
}
