package testnet

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"testing"

	"github.com/flashcrowd/flashcrowd/node"
)

// TestLyingSitePinsNothing: evil.test says of bank.test's script what its octets
// are, by SRI, by Metalink and by a redirect, and peers with real streams are in
// the script's crowd with octets to match, under the false digest and under the
// true one. A node that has seen all that gives bank.test's octets, and a page
// of evil.test gets no others.
func TestLyingSitePinsNothing(t *testing.T) {
	o := testOrigin(t)
	at, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	pins := map[string][]netip.Addr{}
	on := func(host, path string) string {
		pins[host] = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
		return "http://" + host + ":" + at.Port() + path
	}
	script, false1 := Random(4<<20, 140), Random(4<<20, 141)
	sum := sha256.Sum256(false1)
	b64 := base64.StdEncoding.EncodeToString(sum[:])
	bank := on("bank.test", "/app.js")
	for _, stated := range []bool{true, false} {
		t.Run(fmt.Sprintf("stated %v", stated), func(t *testing.T) {
			o.Put("/app.js", File{Body: script, NoDigest: !stated, Header: http.Header{"Content-Type": {"text/javascript"}}})
			o.Put("/page", File{Body: fmt.Appendf(nil, `<script src="%s" integrity="sha256-%s"></script>`, bank, b64), Header: http.Header{"Content-Type": {"text/html"}}})
			o.Put("/app.js.meta4", File{Body: fmt.Appendf(nil, `<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="app.js"><hash type="sha-256">%x</hash><url>%s</url></file></metalink>`, sum, bank),
				Header: http.Header{"Content-Type": {"application/metalink4+xml"}}})
			o.Put("/moved", File{Location: bank, Header: http.Header{"Digest": {"SHA-256=" + b64}}})
			n := testNet(t, Config{Nodes: 2, Configure: func(_ int, c *node.Config) { c.Resolve = pins }})
			for _, peer := range []struct {
				body []byte
				lie  Lie
			}{{false1, Honest}, {script, FalseList}, {script, Flip}} {
				l, err := StartLiar(t.Context(), n.Nodes[0].PeerAddrs(), bank, peer.body, peer.lie)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = l.Close() })
			}
			o.Pace.SetRate(uplink)
			for _, path := range []string{"/page", "/app.js.meta4", "/moved"} {
				resp, err := n.Nodes[1].Client().Get(on("evil.test", path))
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, bank, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Referer", on("evil.test", "/page"))
			req.Header.Set("Sec-Fetch-Site", "cross-site")
			req.Header.Set("Sec-Fetch-Mode", "no-cors")
			resp, err := n.Nodes[1].Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			checkBody(t, "a page of evil.test", resp.Body, script)
			resp.Body.Close()
			fetchBody(t, n.Nodes[1], bank, script)
			o.Pace.SetRate(0)
		})
	}
}
