package authority

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func open(t *testing.T, dir string, globs ...string) (*Authority, bool) {
	t.Helper()
	a, renewed, err := Open(dir, globs)
	if err != nil {
		t.Fatal(err)
	}
	return a, renewed
}

// accepts reports whether a client that trusts a takes its leaf for host.
func accepts(t *testing.T, a *Authority, host string) bool {
	t.Helper()
	cert, err := a.Leaf(host)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.PEM())
	_, err = cert.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots})
	return err == nil
}

// TestConstraintsFollowTheList is TL7 for Go; testnet has it for OpenSSL and
// Chromium.
func TestConstraintsFollowTheList(t *testing.T) {
	for _, tc := range []struct {
		globs     []string
		good, bad []string
	}{
		{[]string{"www.example.org"}, []string{"www.example.org"}, []string{"example.org", "example.com", "localhost", "127.0.0.1", "::1"}},
		{[]string{"*.example.org"}, []string{"a.example.org", "a.b.example.org"}, []string{"example.com", "badexample.org", "printer.local", "192.0.2.1"}},
		{[]string{"cdn-*.example.org"}, []string{"cdn-1.example.org"}, []string{"example.com"}},
		{[]string{"a*"}, []string{"a.example.org", "b.org"}, []string{"localhost", "x.local", "10.0.0.1"}},
		{[]string{"*"}, []string{"a.example.org"}, []string{"localhost", "a.localhost", "x.local", "10.0.0.1", "2001:db8::1"}},
		{[]string{"localhost"}, []string{"localhost"}, []string{"x.local", "example.org"}},
		{[]string{"192.0.2.1"}, []string{"192.0.2.1"}, []string{"192.0.2.2", "example.org", "localhost"}},
		{[]string{"192.0.2.1", "2001:db8::1", "a.test"}, []string{"192.0.2.1", "2001:db8::1", "a.test"}, []string{"b.test", "::1"}},
	} {
		a, _ := open(t, t.TempDir(), tc.globs...)
		for _, host := range tc.good {
			if !accepts(t, a, host) {
				t.Errorf("%q: %s is not accepted", tc.globs, host)
			}
		}
		for _, host := range tc.bad {
			if accepts(t, a, host) {
				t.Errorf("%q: %s is accepted", tc.globs, host)
			}
		}
	}
}

// TestFilesAreForTheOwnerAlone is TL5.
func TestFilesAreForTheOwnerAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	a, renewed := open(t, dir, "a.test")
	if !renewed || a.key.Curve != elliptic.P256() {
		t.Fatal("no new authority on P-256")
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v %v", info.Mode(), err)
	}
	for _, name := range []string{secretName, publicName} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	for _, name := range []string{publicName, bundleName} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil && bytes.Contains(raw, []byte("PRIVATE")) || name == publicName && !bytes.Equal(raw, a.PEM()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAuthorityStaysUntilTheListAsksForAnother(t *testing.T) {
	dir := t.TempDir()
	first, _ := open(t, dir, "*.example.org", "a.test")
	for _, step := range []struct {
		globs   []string
		renewed bool
	}{
		{[]string{"a.test", "*.example.org"}, false},
		{[]string{"www.example.org"}, false},
		{[]string{"example.net"}, true},
		{[]string{"*"}, true},
		{[]string{"*", "a.test"}, false},
		{[]string{"a.test"}, true}, // not wider than it need be
		{[]string{"192.0.2.1"}, true},
		{[]string{"192.0.2.1"}, false},
	} {
		a, renewed := open(t, dir, step.globs...)
		if renewed != step.renewed {
			t.Errorf("%q: renewed %v", step.globs, renewed)
		}
		if renewed && a.key.Equal(first.key) {
			t.Error("the key was kept")
		}
		first = a
	}
	if a, err := Load(dir); err != nil || !a.key.Equal(first.key) {
		t.Errorf("load: %v", err)
	}
}

func TestEndingAuthorityIsRenewed(t *testing.T) {
	dir := t.TempDir()
	old, err := create(scopeOf([]string{"a.test"}), time.Now().Add(renewal-lifetime-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := old.save(dir); err != nil {
		t.Fatal(err)
	}
	if _, renewed := open(t, dir, "a.test"); !renewed {
		t.Error("an authority that ends within the month was kept")
	}
}

func TestTwoInstallationsShareNothing(t *testing.T) {
	a, _ := open(t, t.TempDir(), "a.test")
	b, _ := open(t, t.TempDir(), "a.test")
	la, err1 := a.Leaf("a.test")
	lb, err2 := b.Leaf("a.test")
	if errors.Join(err1, err2) != nil {
		t.Fatal(err1, err2)
	}
	if a.key.Equal(b.key) || la.PrivateKey.(*ecdsa.PrivateKey).Equal(lb.PrivateKey) {
		t.Error("the same key twice")
	}
	if a.Certificate().Subject.CommonName == b.Certificate().Subject.CommonName {
		t.Error("the same name twice, which confuses trust stores")
	}
}

func TestDamagedFilesAreKept(t *testing.T) {
	good, _ := open(t, t.TempDir(), "a.test")
	other, _ := open(t, t.TempDir(), "a.test")
	dir := t.TempDir()
	other.cert = good.cert
	if err := other.save(dir); err != nil {
		t.Fatal(err)
	}
	mixed, err := os.ReadFile(filepath.Join(dir, secretName))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{nil, []byte("x"), good.PEM(), mixed, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")} {
		path := filepath.Join(dir, secretName)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(dir, []string{"a.test"}); err == nil || errors.Is(err, ErrNone) {
			t.Errorf("%.20q: %v", text, err)
		}
		if raw, err := os.ReadFile(path); err != nil || !bytes.Equal(raw, text) {
			t.Errorf("%.20q was overwritten", text)
		}
	}
}

func TestLeaf(t *testing.T) {
	a, _ := open(t, t.TempDir(), "*")
	l, err := a.Leaf("WWW.Example.org.")
	if err != nil {
		t.Fatal(err)
	}
	c := l.Leaf
	if life := c.NotAfter.Sub(c.NotBefore); life > 7*24*time.Hour {
		t.Errorf("a leaf lives %v", life)
	}
	if len(c.DNSNames) != 1 || c.DNSNames[0] != "www.example.org" || c.IsCA || c.KeyUsage&x509.KeyUsageCertSign != 0 {
		t.Errorf("names %q, authority %v", c.DNSNames, c.IsCA)
	}
	if again, _ := a.Leaf("www.example.org"); again != l {
		t.Error("minted again")
	}
	var first *tls.Certificate
	for i := range maxLeaves + 10 {
		cert, err := a.Leaf(fmt.Sprintf("h%d.example.org", i))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = cert
		}
	}
	if len(a.leaves) > maxLeaves {
		t.Errorf("%d leaves are kept", len(a.leaves))
	}
}

func TestExemptRemembers(t *testing.T) {
	dir := t.TempDir()
	e := OpenExempt(dir)
	if e.Has("a.test") {
		t.Error("has what was not added")
	}
	if err := e.Add("a.test", "pinned"); err != nil {
		t.Fatal(err)
	}
	again := OpenExempt(dir)
	if !e.Has("a.test") || !again.Has("a.test") || again.Has("b.test") {
		t.Error("forgot over a restart")
	}
	if list := again.List(); len(list) != 1 || list[0].Why != "pinned" {
		t.Errorf("list: %v", list)
	}
	if err := again.Clear(); err != nil || again.Clear() != nil {
		t.Fatal(err)
	}
	if e.Has("a.test") || again.Has("a.test") {
		t.Error("the file is gone, the memory is not")
	}
	for i := range maxExempt + 5 {
		e.hosts[fmt.Sprint(i)] = Exemption{Host: fmt.Sprint(i), Until: time.Now().Add(time.Duration(i) * time.Second)}
	}
	if err := e.Add("new", "why"); err != nil || len(e.hosts) != maxExempt || !e.Has("new") {
		t.Errorf("%d hosts, %v", len(e.hosts), err)
	}
	e.hosts["new"] = Exemption{Host: "new", Until: time.Now().Add(-time.Second)}
	if e.Has("new") {
		t.Error("remembered for ever")
	}
	if err := os.WriteFile(e.path, []byte("{"), 0o600); err != nil || len(OpenExempt(dir).List()) != 0 {
		t.Error("a damaged file")
	}
}

func TestExemptWithoutAFolderRemembersThisRun(t *testing.T) {
	e := OpenExempt(filepath.Join(t.TempDir(), "none"))
	if err := e.Add("a.test", "pinned"); err == nil || !e.Has("a.test") {
		t.Error("forgot at once what it could not write")
	}
}
