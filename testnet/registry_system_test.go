//go:build system

package testnet

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/node"
)

// writeImage makes an OCI image layout with one layer and returns the digest of
// its manifest.
func writeImage(t *testing.T, dir string, layer []byte) string {
	t.Helper()
	blob := func(b []byte) string {
		sum := sha256.Sum256(b)
		name := hex.EncodeToString(sum[:])
		if err := os.WriteFile(filepath.Join(dir, "blobs", "sha256", name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		return "sha256:" + name
	}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o700); err != nil {
		t.Fatal(err)
	}
	l := blob(layer)
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["%s"]}}`, l)
	c := blob(config)
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"%s","size":%d}]}`, c, len(config), l, len(layer))
	m := blob(manifest)
	index := fmt.Appendf(nil, `{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":%d}]}`, m, len(manifest))
	for name, b := range map[string][]byte{"index.json": index, "oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func skopeo(t *testing.T, proxy string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "skopeo", append([]string{"--insecure-policy"}, args...)...)
	cmd.Env = append(os.Environ(), "HTTP_PROXY="+proxy, "http_proxy="+proxy, "NO_PROXY=", "no_proxy=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("skopeo %v: %v\n%s", args, err, out)
	}
}

// startRegistry runs a docker-registry and returns the base of its direct
// address and of one behind a paced uplink.
func startRegistry(t *testing.T, pace *Pace) (direct, paced string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	direct = l.Addr().String()
	l.Close()
	config := filepath.Join(t.TempDir(), "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: %s\n", t.TempDir(), direct)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("docker-registry", "serve", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if err := waitFor(t.Context(), func() bool {
		resp, err := http.Get("http://" + direct + "/v2/")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	}); err != nil {
		t.Fatal(err)
	}
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: direct}), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(pace.Listener(front)) }()
	t.Cleanup(func() { server.Close(); <-done })
	return direct, front.Addr().String()
}

// TestImageIsTakenFromAnotherNode: a real registry, pulled by digest with
// skopeo through two nodes. The second takes the layer from the first, because
// the URL names its content.
func TestImageIsTakenFromAnotherNode(t *testing.T) {
	pace := NewPace(0)
	direct, paced := startRegistry(t, pace)
	layer := Random(8<<20, 71)
	image := t.TempDir()
	digest := writeImage(t, image, layer)
	skopeo(t, "", "copy", "--preserve-digests", "--dest-tls-verify=false", "oci:"+image, "docker://"+direct+"/lib/a:1")

	_, port, _ := net.SplitHostPort(paced)
	n := testNet(t, Config{Nodes: 2, Configure: func(_ int, c *node.Config) {
		c.Resolve = map[string][]netip.Addr{"registry.lab": {netip.MustParseAddr("127.0.0.1")}}
	}})
	sum := sha256.Sum256(layer)
	blob := "http://registry.lab:" + port + "/v2/lib/a/blobs/sha256:" + hex.EncodeToString(sum[:])
	for i, m := range n.Nodes {
		begin := time.Now()
		out := t.TempDir()
		skopeo(t, m.ProxyURL(), "copy", "--preserve-digests", "--src-tls-verify=false", "docker://registry.lab:"+port+"/lib/a@"+digest, "oci:"+out+":a")
		got, err := os.ReadFile(filepath.Join(out, "blobs", "sha256", hex.EncodeToString(sum[:])))
		if err != nil || sha256.Sum256(got) != sum {
			t.Fatalf("node %d: the layer is not there: %v", i+1, err)
		}
		pace.SetRate(uplink)
		r, err := m.receiptSince(t.Context(), blob, begin)
		if err != nil || r.Evidence == nil || r.Evidence.Level().String() != "E8" {
			t.Fatalf("node %d: receipt %+v", i+1, r)
		}
		if peers := from(r, "peer"); i == 1 && peers < int64(len(layer))/2 {
			t.Errorf("node 2 took %d of %d octets from the first: %+v", peers, len(layer), r)
		}
	}
}
