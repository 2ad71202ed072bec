//go:build system

package testnet

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// packages is a wheel, a Go module and an npm package named thing, each as its
// registry serves it, below /pip/, /go/ and /npm/.
func packages(t *testing.T) http.Handler {
	t.Helper()
	wheel := zipped(t, map[string]string{
		"thing.py":                     "said = 'thing'\n",
		"thing-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
		"thing-1.0.dist-info/WHEEL":    "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		"thing-1.0.dist-info/RECORD":   "thing.py,,\nthing-1.0.dist-info/METADATA,,\nthing-1.0.dist-info/WHEEL,,\nthing-1.0.dist-info/RECORD,,\n",
	})
	const mod = "module page.test/thing\n"
	module := zipped(t, map[string]string{"page.test/thing@v1.0.0/go.mod": mod, "page.test/thing@v1.0.0/thing.go": "package thing\n"})
	npm := tarred(t, "package/package.json", `{"name":"thing","version":"1.0.0"}`)
	sum := sha512.Sum512(npm)
	mux := http.NewServeMux()
	for path, body := range map[string]string{
		"/pip/thing/{$}":                     `<!doctype html><title>thing</title><a href="../thing-1.0-py3-none-any.whl">thing-1.0-py3-none-any.whl</a>`,
		"/pip/thing-1.0-py3-none-any.whl":    string(wheel),
		"/go/page.test/thing/@v/v1.0.0.info": `{"Version":"v1.0.0","Time":"2026-01-01T00:00:00Z"}`,
		"/go/page.test/thing/@v/v1.0.0.mod":  mod,
		"/go/page.test/thing/@v/v1.0.0.zip":  string(module),
		"/npm/thing-1.0.0.tgz":               string(npm),
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/") {
				w.Header().Set("Content-Type", "text/html")
			}
			w.Write([]byte(body))
		})
	}
	mux.HandleFunc("/npm/thing", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"name":"thing","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{"name":"thing","version":"1.0.0","dist":{"tarball":"https://%s/npm/thing-1.0.0.tgz","integrity":"sha512-%s"}}}}`,
			r.Host, base64.StdEncoding.EncodeToString(sum[:]))
	})
	return mux
}

func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, body := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(body))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarred(t *testing.T, name, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	g := gzip.NewWriter(&b)
	w := tar.NewWriter(g)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body))}); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(body))
	if w.Close() != nil || g.Close() != nil {
		t.Fatal("write an archive")
	}
	return b.Bytes()
}

// line is what a line of `ca show` has to make work, as commands for a shell.
type line struct{ program, then string }

// javaGet prints the status of a URL.
const javaGet = `class Get {
	public static void main(String[] a) throws Exception {
		System.out.println(((java.net.HttpURLConnection) new java.net.URL(a[0]).openConnection()).getResponseCode());
	}
}
`

// TestLinesOfCAShow: the line that `ca show` prints for a program, run by a
// shell as it stands, makes that program take a file of an intercepted host.
// npm and Java are large, so only -full needs them; Firefox and Chromium read
// the store that the line for the latter fills.
func TestLinesOfCAShow(t *testing.T) {
	page := startSecurePage(t)
	n := startSecureNode(t, 0, "none", page)
	s := newTrusting(t) // Java's store lies in the one of the system
	work := filepath.Join(t.TempDir(), "work")
	for name, text := range map[string]string{"Get.java": javaGet, "package.json": "{}"} {
		if err := os.MkdirAll(work, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := []line{
		{"curl", ""},
		{"git", "git ls-remote " + page.url("/repo.git/")},
		{"pip", "pip download -q --retries 0 --timeout 5 --no-deps --no-cache-dir --disable-pip-version-check -i " + page.url("/pip/") + " thing"},
		{"Go", "GOTOOLCHAIN=local GOFLAGS=-modcacherw GONOSUMDB=page.test GOPROXY=" + page.url("/go") + " go mod download page.test/thing@v1.0.0"},
		{"Chromium and Chrome on Linux", "certutil -L -d sql:$HOME/.pki/nssdb"},
	}
	if *full {
		lines = append(lines,
			line{"npm", "npm pack --fetch-retries 0 --registry " + page.url("/npm/") + " thing"},
			line{"Java", "java Get.java " + page.url("/e/3.svg")})
	}
	for _, l := range lines {
		shown := shownLine(t, n, l.program, page)
		if l.then == "" {
			l.then = "true"
		} else if out, err := s.run("sh", "-c", "cd "+work+" && "+l.then); err == nil && !strings.HasPrefix(l.then, "certutil") {
			t.Errorf("%s needs no line: %s", l.program, out)
		}
		if out, err := s.run("sh", "-e", "-c", "cd "+work+"\n"+shown+"\n"+l.then); err != nil {
			t.Errorf("%s, after %s: %v\n%s", l.program, shown, err, out)
		}
	}
}

// shownLine is the line of a program, for the page's host where it names one.
func shownLine(t *testing.T, n *process, program string, page *securePage) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + program + `.*:\n  (.*)$`).FindSubmatch(n.ask("ca", "show"))
	if m == nil {
		t.Fatalf("ca show has no line for %s", program)
	}
	u, err := url.Parse(page.url("/e/1.svg"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(m[1]), "https://HOST/", u.String(), 1)
}
