package testnet

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/node"
	"github.com/flashcrowd/flashcrowd/node/admin"
)

// change posts to the admin face of m, and returns the answer.
func change(t *testing.T, m *Node, path string, body io.Reader) []byte {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(m.cfg.Data, "token"))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.AdminURL()+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("POST %s: %s, %v: %s", path, resp.Status, err, raw)
	}
	return raw
}

// settled waits until m has stored n objects.
func settled(t *testing.T, m *Node, n int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := waitFor(ctx, func() bool { return m.Status().Cache.Objects >= n }); err != nil {
		t.Fatalf("%s has %d objects, want %d", m.Name, m.Status().Cache.Objects, n)
	}
}

// homeAndAway starts two nodes that do not know of each other.
func homeAndAway(t *testing.T) (home, away *Node) {
	n := testNet(t, Config{Nodes: 2, Dir: t.TempDir(), Configure: func(_ int, c *node.Config) { c.Swarm = node.Off }})
	return n.Nodes[0], n.Nodes[1]
}

// TestArchiveCarriesACache carries what one node has downloaded to another, in a
// file. There the origin is asked by HEAD, and sends no octet of the body; what
// is private has not come along.
func TestArchiveCarriesACache(t *testing.T) {
	const size = 20 << 20
	o, body, secret := testOrigin(t), Random(size, 1), Random(1<<20, 2)
	o.Put("/big.iso", File{Body: body, Header: http.Header{"Content-Type": {"application/x-iso"}}})
	o.Put("/mine", File{Body: secret, Header: http.Header{"Set-Cookie": {"id=1"}}})
	home, away := homeAndAway(t)
	fetchBody(t, home, o.URL+"/big.iso", body)
	fetchBody(t, home, o.URL+"/mine", secret)
	settled(t, home, 2)
	archive := change(t, home, "/api/v1/export", nil)
	if bytes.Contains(archive, secret[:100]) || bytes.Contains(archive, []byte("/mine")) || len(archive) > size+64<<10 {
		t.Errorf("an archive of %d octets, with what is private in it", len(archive))
	}
	var got admin.Imported
	if err := json.Unmarshal(change(t, away, "/api/v1/import", bytes.NewReader(archive)), &got); err != nil || got.Objects != 1 || got.Stopped != "" {
		t.Fatalf("imported %+v, %v", got, err)
	}
	sent, asked := o.Pace.Sent(), o.Requests("/big.iso")
	r, resp := fetchBody(t, away, o.URL+"/big.iso", body)
	if sent := o.Pace.Sent() - sent; sent > 4<<10 || o.Requests("/big.iso") != asked+1 {
		t.Errorf("the origin sent %d octets for %d requests", sent, o.Requests("/big.iso")-asked)
	}
	if from(r, "cache") != size || r.Evidence == nil || resp.Header.Get("Content-Type") != "application/x-iso" {
		t.Errorf("receipt %+v, type %q", r, resp.Header.Get("Content-Type"))
	}
	settled(t, away, 1)
	if _, resp := fetchBody(t, away, o.URL+"/big.iso", body); !strings.Contains(resp.Header.Get("Cache-Status"), "hit") {
		t.Errorf("not a hit then: %q", resp.Header.Get("Cache-Status"))
	}
}

// TestLyingArchiveThroughNodes: an archive whose bodies were exchanged with
// others of the same length is worth nothing: the client gets the origin's.
func TestLyingArchiveThroughNodes(t *testing.T) {
	const size = 2 << 20
	o, body, evil := testOrigin(t), Random(size, 1), Random(size, 3)
	o.Put("/a.deb", File{Body: evil}) // what the maker of the archive downloads
	home, away := homeAndAway(t)
	fetchBody(t, home, o.URL+"/a.deb", evil)
	settled(t, home, 1)
	archive := change(t, home, "/api/v1/export?"+url.Values{"url": {o.URL + "/a.deb"}}.Encode(), nil)
	change(t, away, "/api/v1/import", bytes.NewReader(archive))
	o.Put("/a.deb", File{Body: body})
	if r, _ := fetchBody(t, away, o.URL+"/a.deb", body); from(r, "origin") != size {
		t.Errorf("receipt %+v", r)
	}
	at := bytes.Index(archive, evil[:100])
	copy(archive[at:], body)
	var got admin.Imported
	if err := json.Unmarshal(change(t, away, "/api/v1/import", bytes.NewReader(archive)), &got); err != nil || got.Objects != 0 || got.Known != 1 && len(got.Damaged) != 1 {
		t.Errorf("imported %+v, %v", got, err)
	}
}
