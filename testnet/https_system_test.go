//go:build system

package testnet

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/testnet/netns/trial"
)

const elements = 60

// element is a picture of n's own, long enough to be worth a question.
func element(n int) []byte {
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><!-- %d %s --><rect width="8" height="8"/></svg>`,
		n, strings.Repeat("x", 32<<10))
}

// securePage serves a page of many elements, a large file and a repository by
// https as page.test.
type securePage struct {
	roots string // file
	port  string
	slow  atomic.Bool // bodies of elements come late
}

func startSecurePage(t *testing.T) *securePage {
	t.Helper()
	pki := fetchtest.NewPKI(t, nil)
	s := &securePage{roots: filepath.Join(t.TempDir(), "roots.pem")}
	if err := os.WriteFile(s.roots, pki.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", s.page)
	mux.HandleFunc("/e/{n}", s.element)
	mux.HandleFunc("/favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.Handle("/repo.git/", http.StripPrefix("/repo.git/", http.FileServer(http.Dir(bareRepository(t)))))
	things := packages(t)
	for _, path := range []string{"/pip/", "/go/", "/npm/"} {
		mux.Handle(path, things)
	}
	srv := httptest.NewUnstartedServer(mux)
	srv.EnableHTTP2, srv.Config.ErrorLog = true, log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{pki.Below(t, nil).Issue(t, nil, "page.test")}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	_, s.port, _ = net.SplitHostPort(srv.Listener.Addr().String())
	return s
}

func (s *securePage) url(path string) string { return "https://page.test:" + s.port + path }

func (s *securePage) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, `<!doctype html><title>page</title><link rel="icon" href="/favicon.ico"><p id="r">not loaded</p>`)
	for n := range elements {
		fmt.Fprintf(w, `<img src="/e/%d.svg">`, n)
	}
	fmt.Fprint(w, `<script>onload = () => { r.textContent = [...document.images].filter(i => i.naturalWidth == 8).length + " loaded" }</script>`)
}

func (s *securePage) element(w http.ResponseWriter, r *http.Request) {
	var n int
	if _, err := fmt.Sscanf(r.PathValue("n"), "%d.svg", &n); err != nil || n < 0 || n >= elements {
		http.NotFound(w, r)
		return
	}
	body := element(n)
	sum := sha256.Sum256(body)
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("Etag", fmt.Sprintf("%q", base64.RawURLEncoding.EncodeToString(sum[:9])))
	h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
	h.Set("Content-Length", fmt.Sprint(len(body)))
	if s.slow.Load() {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(20 * time.Second):
		}
	}
	w.Write(body)
}

// bareRepository makes one commit and what a plain web server needs to serve it.
func bareRepository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	work, bare := filepath.Join(dir, "work"), filepath.Join(dir, "bare")
	for _, args := range [][]string{
		{"init", "-q", work}, {"-C", work, "-c", "user.name=t", "-c", "user.email=t@page.test", "commit", "-q", "--allow-empty", "-m", "first"},
		{"clone", "-q", "--bare", work, bare}, {"-C", bare, "update-server-info"},
	} {
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	return bare
}

// startSecureNode runs a node that intercepts page.test and finds it here.
func startSecureNode(t *testing.T, i int, bootstrap string, s *securePage) *process {
	t.Helper()
	t.Setenv("SSL_CERT_FILE", s.roots) // for the node alone: curl and git name theirs
	path, err := trial.Binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, name: fmt.Sprintf("node %d", i+1), path: path, data: t.TempDir()}
	p.args = []string{
		"up", "--network", "lab", "--bootstrap", bootstrap, "--data", p.data, "--proxy", "127.0.0.1:0", "--admin", "127.0.0.1:0",
		"--listen", "/ip4/127.0.0.1/tcp/0", "--log-level", "error", "--share", "all",
		"--intercept", "page.test", "--resolve", "page.test=127.0.0.1",
	}
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *process) ca() string { return filepath.Join(p.data, "ca", "ca.pem") }

// mustRun runs a program without what this machine says about certificates.
func mustRun(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(append(os.Environ(), "CURL_CA_BUNDLE=", "SSL_CERT_FILE="), env...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, out, errs.String())
	}
	return string(out)
}

// TestProgramsBehindInterception: curl by both versions of HTTP, git and wget.
func TestProgramsBehindInterception(t *testing.T) {
	s := startSecurePage(t)
	n := startSecureNode(t, 0, "none", s)
	for flag, version := range map[string]string{"--http1.1": "1.1", "--http2": "2"} {
		out := mustRun(t, nil, "curl", "-sS", "--fail", "--noproxy", "", flag, "-x", n.Proxy, "--cacert", n.ca(),
			"-o", "/dev/null", "-w", "%{http_version} %{size_download}", s.url("/e/1.svg"))
		if want := fmt.Sprint(version, " ", len(element(1))); out != want {
			t.Errorf("curl %s: %q, want %q", flag, out, want)
		}
	}
	if r := n.why(s.url("/e/1.svg")); r.Outcome != "hit" {
		t.Errorf("the second curl: %+v", r)
	}
	clone := filepath.Join(t.TempDir(), "clone")
	mustRun(t, []string{"GIT_SSL_CAINFO=" + n.ca()}, "git", "-c", "http.proxy="+n.Proxy, "-c", "http.sslCAInfo="+n.ca(), "clone", "-q", s.url("/repo.git/"), clone)
	if log := mustRun(t, nil, "git", "-C", clone, "log", "--format=%s"); log != "first\n" {
		t.Errorf("git log: %q", log)
	}
	file := filepath.Join(t.TempDir(), "e")
	mustRun(t, []string{"https_proxy=" + n.Proxy}, "wget", "-q", "--ca-certificate="+n.ca(), "-O", file, s.url("/e/2.svg"))
	if got, err := os.ReadFile(file); err != nil || string(got) != string(element(2)) {
		t.Errorf("wget: %d octets, %v", len(got), err)
	}
}

// browser is a Chromium with a home of its own that reaches nothing but this
// machine: no other name resolves.
type browser struct {
	t    *testing.T
	home string
	// within goes before the command; nil is nothing.
	within []string
}

func newBrowser(t *testing.T, ca string) *browser {
	t.Helper()
	b := &browser{t: t, home: t.TempDir()}
	if ca != "" {
		db := filepath.Join(b.home, ".pki", "nssdb")
		if err := os.MkdirAll(db, 0o700); err != nil {
			t.Fatal(err)
		}
		mustRun(t, nil, "certutil", "-N", "--empty-password", "-d", "sql:"+db)
		mustRun(t, nil, "certutil", "-A", "-d", "sql:"+db, "-t", "C,,", "-n", "flashcrowd", "-i", ca)
	}
	return b
}

// console is a message of a page as Chromium logs it.
var console = regexp.MustCompile(`(?m)^.*:CONSOLE.*$`)

// dump returns the document at url once it is loaded, and what the console said.
func (b *browser) dump(url string, args ...string) (dom string, said []string) {
	b.t.Helper()
	command := append(slices.Clone(b.within), "timeout", "-k", "5", "60", "chromium",
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--user-data-dir="+b.home+"/profile",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
		"--disable-features=OptimizationHints,MediaRouter", "--enable-logging=stderr", "--dump-dom",
	)
	command = append(append(command, args...), url)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+b.home, "SSL_CERT_FILE=")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("chromium: %v\n%s", err, errs.String())
	}
	return string(out), console.FindAllString(errs.String(), -1)
}

const onlyHere = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"

// TestChromiumBehindInterception: a page of 60 elements by its proxy.pac, with
// nothing to complain about; the Chromium of the second node gets them from
// the first.
func TestChromiumBehindInterception(t *testing.T) {
	s := startSecurePage(t)
	first := startSecureNode(t, 0, "none", s)
	second := startSecureNode(t, 1, first.Peers[0], s)
	for i, n := range []*process{first, second} {
		dom, said := newBrowser(t, n.ca()).dump(s.url("/"), "--proxy-pac-url="+n.Proxy+"/proxy.pac", onlyHere)
		if !strings.Contains(dom, fmt.Sprint(elements, " loaded")) || len(said) > 0 {
			t.Errorf("%s: %q\n%s", n.name, said, dom[:min(len(dom), 500)])
		}
		fromPeers, listed := 0, 0
		for e := range elements {
			var r fetch.Receipt
			if err := json.Unmarshal(n.ask("why", s.url(fmt.Sprintf("/e/%d.svg", e)), "--json"), &r); err != nil {
				t.Fatal(err)
			}
			listed++
			if from(r, "peer") > 0 {
				fromPeers++
			}
		}
		t.Logf("%s: %d elements through it, %d from peers", n.name, listed, fromPeers)
		if i == 1 && fromPeers < elements*9/10 {
			t.Errorf("the second node took %d of %d elements from the first", fromPeers, elements)
		}
		s.slow.Store(true)
	}
}

// TestPagesCannotReadThroughTheNode: a page of a stranger, which may make any
// name lead here, gets nothing of the gateway, the dashboard and other sites.
func TestPagesCannotReadThroughTheNode(t *testing.T) {
	secret := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "SECRET") }))
	t.Cleanup(secret.Close)
	n := startSecureNode(t, 0, "none", startSecurePage(t))
	admin := strings.TrimSpace(adminURL(t, n))
	rebound := func(u string) string { return strings.Replace(u, "127.0.0.1", "evil.test", 1) }
	targets := []string{
		n.Proxy + "/" + secret.URL + "/", n.Proxy + "/proxy.pac", admin + "/api/v1/status", admin + "/metrics",
		rebound(n.Proxy) + "/" + secret.URL + "/", rebound(admin) + "/api/v1/status", rebound(admin) + "/",
	}
	list, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><pre id="r"></pre><script>
for (const u of %s) fetch(u).then(a => a.text()).then(b => r.textContent += "READ " + u + " " + b + "\n", () => r.textContent += "blocked\n");
</script>`, list)
	}))
	t.Cleanup(evil.Close)
	rules := "--host-resolver-rules=MAP evil.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
	dom, _ := newBrowser(t, "").dump(rebound(evil.URL)+"/", rules, "--no-proxy-server", "--virtual-time-budget=10000")
	if got := strings.Count(dom, "blocked"); got != len(targets)+1 || strings.Contains(dom, "SECRET") { // one stands in the script
		t.Errorf("%d of %d blocked:\n%s", got-1, len(targets), dom)
	}
	// The same origin as the page, by a name that leads here: it reads an
	// answer, which holds nothing.
	for _, target := range []string{rebound(n.Proxy) + "/" + secret.URL + "/", rebound(admin) + "/api/v1/status", rebound(n.Proxy) + "/"} {
		dom, _ := newBrowser(t, "").dump(target, rules, "--no-proxy-server")
		if strings.Contains(dom, "SECRET") || strings.Contains(dom, "peer_id") || strings.Contains(dom, "web cache") {
			t.Errorf("%s: %s", target, dom)
		}
	}
}

func adminURL(t *testing.T, n *process) string {
	t.Helper()
	var e struct{ URL string }
	raw, err := os.ReadFile(filepath.Join(n.data, "admin.json"))
	if err != nil || json.Unmarshal(raw, &e) != nil {
		t.Fatalf("admin.json: %v %q", err, raw)
	}
	return e.URL
}
