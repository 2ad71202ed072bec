//go:build system && linux

package testnet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/testnet/netns"
	"github.com/flashcrowd/flashcrowd/testnet/netns/trial"
)

// An office of nodes without a DHT: no bootstrap peer, nothing but mDNS. Once
// one of them has a file, the others have it over the office's own network.
func TestOfficeWithoutDHT(t *testing.T) {
	const nodes = 4
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	body := Random(16<<20, 77)
	office, web, at := startOffice(t, ctx, body, nodes)
	url := "http://" + web.Addr.String() + "/big.bin"
	get := func(h *netns.Host) {
		t.Helper()
		got, err := h.Command(ctx, "curl", "-sS", "-x", "http://127.0.0.1:3128", "--noproxy", "", url).Output()
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%s got %d octets: %v", h.Name, len(got), err)
		}
	}
	get(at[0])
	before, err := web.Traffic(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range at[1:] {
		get(h)
	}
	after, err := web.Traffic(ctx)
	if err != nil {
		t.Fatal(err)
	}
	copies := float64(after.SentBody-before.SentBody) / float64(len(body))
	aside(t, ctx, office, web, url, len(body))
	t.Logf("after the first copy the uplink carried %.3f copies for %d nodes", copies, nodes-1)
	if copies > 0.5 {
		t.Errorf("the uplink carried %.2f copies after the first", copies)
	}
}

// startOffice runs n nodes on one network, and body's web server behind its
// uplink, until the test ends.
func startOffice(t *testing.T, ctx context.Context, body []byte, n int) (office *netns.Net, web *netns.Host, at []*netns.Host) {
	t.Helper()
	office, err := netns.New(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { office.Close() })
	program, err := trial.Binary()
	if err != nil {
		t.Fatal(err)
	}
	web = officeWeb(t, ctx, office, body)
	for i := range n {
		h := officeNode(t, ctx, office, program, i)
		at = append(at, h)
		officeStatus(t, ctx, office, program, h, func(s status) bool { return s.Neighbours >= i })
	}
	for _, h := range at { // as in a room that has been in use for a minute
		officeStatus(t, ctx, office, program, h, func(s status) bool { return s.Peers >= n-1 })
	}
	return office, web, at
}

// aside runs a node that looks for no neighbours: it knows none, and has the
// whole file over the uplink.
func aside(t *testing.T, ctx context.Context, office *netns.Net, web *netns.Host, url string, size int) {
	t.Helper()
	program, err := trial.Binary()
	if err != nil {
		t.Fatal(err)
	}
	h := officeNode(t, ctx, office, program, maxOffice, "--lan", "off")
	before, err := web.Traffic(ctx)
	if err != nil {
		t.Fatal(err)
	}
	officeStatus(t, ctx, office, program, h, func(s status) bool { return s.Neighbours == 0 })
	if err := h.Command(ctx, "curl", "-sS", "-o", "/dev/null", "-x", "http://127.0.0.1:3128", "--noproxy", "", url).Run(); err != nil {
		t.Fatal(err)
	}
	after, err := web.Traffic(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if sent := after.SentBody - before.SentBody; sent < int64(size) {
		t.Errorf("with --lan off %d of %d octets came over the uplink", sent, size)
	}
}

// maxOffice is more nodes than an office has.
const maxOffice = 99

// officeNodes is for a run by hand: 30 nodes and 64 MiB want more processors than
// most machines have.
var officeNodes = flag.Int("office", 4, "nodes of TestOfficeAtOnce; with 30 it is 64 MiB")

// TestOfficeAtOnce: nobody has the file and all want it at the same moment,
// without a DHT. The uplink carries little more than one copy.
func TestOfficeAtOnce(t *testing.T) {
	size, most := 16<<20, 1.2
	if *officeNodes >= 30 {
		size, most = 64<<20, 1.1
	}
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	body := Random(size, 78)
	_, web, at := startOffice(t, ctx, body, *officeNodes)
	before, err := web.Traffic(ctx)
	if err != nil {
		t.Fatal(err)
	}
	took := allWant(t, ctx, at, "http://"+web.Addr.String()+"/big.bin", sha256.Sum256(body))
	after, err := web.Traffic(ctx)
	if err != nil {
		t.Fatal(err)
	}
	copies := float64(after.SentBody-before.SentBody) / float64(size)
	t.Logf("%d nodes at once: the uplink carried %.2f copies in %.1f s", *officeNodes, copies, took.Seconds())
	var waited []float64
	for _, h := range at {
		out, err := h.Command(ctx, "curl", "-sS", "http://127.0.0.1:3129/metrics").Output()
		if err != nil {
			t.Fatal(err)
		}
		seconds, err := strconv.ParseFloat(metricIn(string(out), "flashcrowd_first_member_seconds_sum"), 64)
		if err != nil {
			t.Errorf("%s met nobody: %v", h.Name, err)
		}
		waited = append(waited, seconds)
	}
	slices.Sort(waited)
	t.Logf("from the header fields to the first member: median %.3f s, at most %.3f s", waited[len(waited)/2], waited[len(waited)-1])
	if copies > most {
		t.Errorf("the uplink carried %.2f copies, more than %.2f", copies, most)
	}
}

// allWant downloads url on all hosts, through their nodes, from one moment on.
func allWant(t *testing.T, ctx context.Context, at []*netns.Host, url string, want [sha256.Size]byte) time.Duration {
	t.Helper()
	var waiting []io.Closer
	var all sync.WaitGroup
	there := t.TempDir()
	for _, h := range at {
		sum := sha256.New()
		c := h.Command(ctx, "sh", "-c", "touch "+filepath.Join(there, h.Name)+"; read go; exec curl -sS -x http://127.0.0.1:3128 --noproxy '' "+url)
		c.Stdout, c.Stderr = sum, os.Stderr
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, in)
		all.Go(func() {
			if err := c.Wait(); err != nil || !bytes.Equal(sum.Sum(nil), want[:]) {
				t.Errorf("%s did not get the file: %v", h.Name, err)
			}
		})
	}
	if err := waitFor(ctx, func() bool { ready, err := os.ReadDir(there); return err == nil && len(ready) == len(at) }); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, in := range waiting {
		_ = in.Close() // read ends
	}
	all.Wait()
	return time.Since(began)
}

// officeWeb starts nginx behind 20 Mbit, with the digest of body stated.
func officeWeb(t *testing.T, ctx context.Context, office *netns.Net, body []byte) *netns.Host {
	t.Helper()
	h, err := office.Host(ctx, "web", netns.Line{Up: 20 * netns.Mbit})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(office.Dir, "web")
	sum := sha256.Sum256(body)
	conf := fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log stderr; user root; events {}
http { access_log off; server { listen 80; root %[1]s;
	add_header Repr-Digest "sha-256=:%[2]s:"; add_header Cache-Control "public, max-age=3600"; } }`,
		dir, base64.StdEncoding.EncodeToString(sum[:]))
	for _, err := range []error{
		os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "big.bin"), body, 0o644),
		os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Start(nil, os.Stderr, "nginx", "-c", filepath.Join(dir, "conf")); err != nil {
		t.Fatal(err)
	}
	return h
}

// officeNode starts a node that knows nobody.
func officeNode(t *testing.T, ctx context.Context, office *netns.Net, binary string, i int, flags ...string) *netns.Host {
	t.Helper()
	h, err := office.Host(ctx, "node"+strconv.Itoa(i), netns.Line{})
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(office.Dir, h.Name)
	args := append([]string{"up", "--network", "office", "--bootstrap", "none", "--data", data}, flags...)
	if _, err := h.Start(nil, nil, binary, args...); err != nil {
		t.Fatal(err)
	}
	return h
}

// status is what a node says of itself, as far as an office is concerned.
type status struct {
	Neighbours int `json:"neighbours"`
	Peers      int `json:"peers"`
}

// officeStatus waits until ok says so of the status of the node on h.
func officeStatus(t *testing.T, ctx context.Context, office *netns.Net, binary string, h *netns.Host, ok func(status) bool) {
	t.Helper()
	var last status
	is := func() bool {
		out, err := h.Command(ctx, binary, "status", "--json", "--data", filepath.Join(office.Dir, h.Name)).Output()
		return err == nil && json.Unmarshal(out, &last) == nil && ok(last)
	}
	if err := waitFor(ctx, is); err != nil {
		t.Fatalf("%s knows %+v: %v", h.Name, last, err)
	}
}
