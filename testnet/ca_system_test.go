//go:build system

package testnet

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flashcrowd/flashcrowd/testnet/netns/trial"
)

// trusting is a copy of this machine's store of certificates, in a mount
// namespace of its own: what is installed there is installed as on any Debian,
// and this machine's own store stays as it is, whatever happens to the test.
type trusting struct {
	t    *testing.T
	pid  string
	home string
}

// storeFolders are those that update-ca-certificates reads and writes.
var storeFolders = []string{"/etc/ssl", "/etc/ca-certificates", "/usr/local/share/ca-certificates"}

func newTrusting(t *testing.T) *trusting {
	t.Helper()
	dir := t.TempDir()
	script := ""
	for i, folder := range storeFolders {
		script += fmt.Sprintf("mkdir -p %[2]s; cp -a %[2]s %[1]s/%[3]d; mount --bind %[1]s/%[3]d %[2]s\n", dir, folder, i)
	}
	// All authorities of the web, and what others hook into it, such as the store
	// of a Java, take long.
	script += fmt.Sprintf("grep '^mozilla' /etc/ca-certificates.conf | head -n 3 >%s/conf; mount --bind %[1]s/conf /etc/ca-certificates.conf\n", dir)
	script += fmt.Sprintf("mkdir -p %s/none /etc/ca-certificates/update.d; mount --bind %[1]s/none /etc/ca-certificates/update.d\n", dir)
	return &trusting{t, mounted(t, script), t.TempDir()}
}

// mounted makes a mount namespace, runs a script of mounts in it, and returns
// the process that keeps it for as long as the test runs.
func mounted(t *testing.T, script string) (pid string) {
	t.Helper()
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-e", "-c", script+"\necho ready\nread end")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("mount namespace: %q, %v", line, err)
	}
	return fmt.Sprint(cmd.Process.Pid)
}

// run runs a program there, without what the environment says about
// certificates and proxies.
func (s *trusting) run(name string, args ...string) (string, error) {
	cmd := exec.Command("nsenter", append([]string{"--mount", "--target", s.pid, "--", name}, args...)...)
	for _, v := range os.Environ() {
		switch key, _, _ := strings.Cut(v, "="); {
		case strings.Contains(key, "CA"), strings.Contains(key, "CERT"), strings.HasSuffix(strings.ToLower(key), "_proxy"), key == "HOME", key == "JAVA_HOME":
		default:
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+s.home)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *trusting) must(name string, args ...string) string {
	s.t.Helper()
	out, err := s.run(name, args...)
	if err != nil {
		s.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return out
}

// store lists the store, with the digest of each file, as seen there.
func (s *trusting) store() []string { return list(s.t, "/proc/"+s.pid+"/root") }

func list(t *testing.T, root string) (lines []string) {
	t.Helper()
	for _, folder := range storeFolders {
		err := filepath.WalkDir(root+folder, func(path string, d fs.DirEntry, err error) error {
			switch {
			case os.IsNotExist(err):
				return nil
			case err != nil || d.IsDir() || strings.HasPrefix(path, root+"/etc/ssl/private"):
				return err
			case d.Type()&fs.ModeSymlink != 0:
				to, err := os.Readlink(path)
				lines = append(lines, strings.TrimPrefix(path, root)+" -> "+to)
				return err
			}
			raw, err := os.ReadFile(path)
			lines = append(lines, fmt.Sprintf("%s %x", strings.TrimPrefix(path, root), sha256.Sum256(raw)))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return lines
}

// TestAuthorityInTheSystemStore (TL6): installed, curl, wget, git and Chromium
// trust the node without being told; uninstalled, none does, and the store is
// what it was.
func TestAuthorityInTheSystemStore(t *testing.T) {
	page := startSecurePage(t)
	n := startSecureNode(t, 0, "none", page)
	path, err := trial.Binary()
	if err != nil {
		t.Fatal(err)
	}
	machine := list(t, "")
	s := newTrusting(t)
	nss := filepath.Join(s.home, ".pki", "nssdb")
	if err := os.MkdirAll(nss, 0o700); err != nil {
		t.Fatal(err)
	}
	s.must("certutil", "-N", "--empty-password", "-d", "sql:"+nss)
	s.must("update-ca-certificates", "--fresh") // what an earlier one left undone is not the point
	before, trusted := s.store(), s.must("certutil", "-L", "-d", "sql:"+nss)
	programs := [][]string{
		{"curl", "-sS", "--fail", "--noproxy", "", "-x", n.Proxy, "-o", "/dev/null", page.url("/e/1.svg")},
		{"wget", "-q", "-e", "https_proxy=" + n.Proxy, "-O", "/dev/null", page.url("/e/2.svg")},
		{"git", "-c", "http.proxy=" + n.Proxy, "ls-remote", page.url("/repo.git/")},
	}
	chromium := func() string {
		dom, _ := (&browser{t: t, home: s.home}).dump(page.url("/"), "--proxy-server="+n.Proxy, onlyHere)
		return dom
	}
	distrusted := func(when string) {
		t.Helper()
		for _, p := range programs {
			if out, err := s.run(p[0], p[1:]...); err == nil {
				t.Errorf("%s: %s trusts it: %s", when, p[0], out)
			}
		}
	}

	distrusted("before")
	s.must(path, "ca", "install", "--data", n.data) // which also lets the node try again
	for _, p := range programs {
		s.must(p[0], p[1:]...)
	}
	if dom := chromium(); !strings.Contains(dom, fmt.Sprint(elements, " loaded")) {
		t.Errorf("chromium: %.500s", dom)
	}
	s.must(path, "ca", "install", "--data", n.data) // again changes nothing
	s.must(path, "ca", "uninstall", "--data", n.data)
	distrusted("after")
	if after := s.store(); !slices.Equal(after, before) {
		t.Errorf("the store has changed: %q, was %q", difference(after, before), difference(before, after))
	}
	if after := s.must("certutil", "-L", "-d", "sql:"+nss); after != trusted {
		t.Errorf("NSS has %s, had %s", after, trusted)
	}
	s.must(path, "ca", "uninstall", "--data", n.data) // what is not there is not there
	if after := list(t, ""); !slices.Equal(after, machine) {
		t.Errorf("the store of this machine has changed: %q", difference(after, machine))
	}
}

// difference returns the lines of a that b does not have.
func difference(a, b []string) (only []string) {
	for _, line := range a {
		if !slices.Contains(b, line) {
			only = append(only, line)
		}
	}
	return only
}
