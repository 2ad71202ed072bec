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
	"os"
	"path/filepath"
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
	web, at := startOffice(t, ctx, body, nodes)
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
	copies := float64(after.Sent-before.Sent) / float64(len(body))
	t.Logf("after the first copy the uplink carried %.3f copies for %d nodes", copies, nodes-1)
	if copies > 0.5 {
		t.Errorf("the uplink carried %.2f copies after the first", copies)
	}
}

// startOffice runs n nodes on one network, and body's web server behind its
// uplink, until the test ends.
func startOffice(t *testing.T, ctx context.Context, body []byte, n int) (web *netns.Host, at []*netns.Host) {
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
		at = append(at, officeNode(t, ctx, office, program, i))
	}
	return web, at
}

// officeNodes is for a run by hand: 30 nodes and 64 MiB want more processors than
// most machines have.
var officeNodes = flag.Int("office", 4, "nodes of TestOfficeAtOnce; with 30 it is 64 MiB")

// TestOfficeAtOnce: nobody has the file and all want it at the same moment,
// without a DHT. The uplink carries little more than one copy.
func TestOfficeAtOnce(t *testing.T) {
	size, most := 16<<20, 1.4
	if *officeNodes >= 30 {
		size, most = 64<<20, 1.1
	}
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	body := Random(size, 78)
	web, at := startOffice(t, ctx, body, *officeNodes)
	before, err := web.Traffic(ctx)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var all sync.WaitGroup
	for _, h := range at {
		all.Go(func() {
			sum := sha256.New()
			c := h.Command(ctx, "curl", "-sS", "-x", "http://127.0.0.1:3128", "--noproxy", "", "http://"+web.Addr.String()+"/big.bin")
			c.Stdout = sum
			if want := sha256.Sum256(body); c.Run() != nil || !bytes.Equal(sum.Sum(nil), want[:]) {
				t.Errorf("%s did not get the file", h.Name)
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	after, err := web.Traffic(ctx)
	if err != nil {
		t.Fatal(err)
	}
	copies := float64(after.Sent-before.Sent) / float64(size)
	t.Logf("%d nodes at once: the uplink carried %.2f copies in %.1f s", *officeNodes, copies, took.Seconds())
	if copies > most {
		t.Errorf("the uplink carried %.2f copies, more than %.2f", copies, most)
	}
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

// officeNode starts a node that knows nobody, and waits until it has met as
// many others as were there before it.
func officeNode(t *testing.T, ctx context.Context, office *netns.Net, binary string, i int) *netns.Host {
	t.Helper()
	h, err := office.Host(ctx, "node"+strconv.Itoa(i), netns.Line{})
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(office.Dir, h.Name)
	if _, err := h.Start(nil, nil, binary, "up", "--network", "office", "--bootstrap", "none", "--data", data); err != nil {
		t.Fatal(err)
	}
	met := func() bool {
		out, err := h.Command(ctx, binary, "status", "--json", "--data", data).Output()
		var s struct {
			Neighbours int `json:"neighbours"`
		}
		return err == nil && json.Unmarshal(out, &s) == nil && s.Neighbours >= i
	}
	if err := waitFor(ctx, met); err != nil {
		t.Fatalf("%s did not meet %d others: %v", h.Name, i, err)
	}
	return h
}
