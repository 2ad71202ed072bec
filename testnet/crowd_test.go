package testnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/node/admin"
)

// uplink is what every origin here gets once the first node has the file.
const uplink = 20_000_000 / 8 // octets a second: 20 Mbit/s

func testNet(t *testing.T, cfg Config) *Net {
	t.Helper()
	n, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func testOrigin(t *testing.T) *Origin {
	t.Helper()
	o, err := StartOrigin(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// fetchBody downloads url through m, holds every octet against want as it
// comes, and returns the receipt.
func fetchBody(t *testing.T, m *Node, url string, want []byte) (fetch.Receipt, *http.Response) {
	t.Helper()
	begin := time.Now()
	client := m.Client()
	defer client.CloseIdleConnections()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatalf("%s: %v", m.Name, err)
	}
	defer resp.Body.Close()
	checkBody(t, m.Name, resp.Body, want)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := m.receiptSince(ctx, url, begin)
	if err != nil {
		t.Fatal(err)
	}
	return r, resp
}

func checkBody(t *testing.T, who string, body io.Reader, want []byte) {
	t.Helper()
	buf := make([]byte, 64<<10)
	for off := 0; ; {
		n, err := body.Read(buf)
		if off+n > len(want) || !bytes.Equal(buf[:n], want[off:off+n]) {
			t.Fatalf("%s: wrong octets at %d", who, off)
		}
		off += n
		if err == io.EOF {
			if off != len(want) {
				t.Fatalf("%s: body ended at %d of %d", who, off, len(want))
			}
			return
		}
		if err != nil {
			t.Fatalf("%s: at %d: %v", who, off, err)
		}
	}
}

func from(r fetch.Receipt, kind string) (n int64) {
	for _, s := range r.Sources {
		if s.Kind == kind {
			n += s.Bytes
		}
	}
	return n
}

func TestSecondNodeTakesTheFileFromTheFirst(t *testing.T) {
	o := testOrigin(t)
	body := Random(64<<20, 1)
	o.Put("/big.bin", File{Body: body})
	n := testNet(t, Config{Nodes: 3})
	url := o.URL + "/big.bin"

	fetchBody(t, n.Nodes[0], url, body)
	o.Pace.SetRate(uplink)
	before := o.Pace.Sent()
	r, resp := fetchBody(t, n.Nodes[1], url, body)
	sent := o.Pace.Sent() - before

	if got := from(r, "peer"); got < int64(len(body))*9/10 {
		t.Errorf("peers delivered %d of %d octets", got, len(body))
	}
	if sent > int64(len(body))/10 {
		t.Errorf("the origin sent %d of %d octets", sent, len(body))
	}
	if r.Evidence == nil || r.Evidence.Kind() != "repr-digest" {
		t.Errorf("evidence %v", r.Evidence)
	}
	if got := resp.Header.Get("Flashcrowd-Evidence"); got != "repr-digest; level=E7; alg=sha-256" {
		t.Errorf("Flashcrowd-Evidence %q", got)
	}
	for _, s := range r.Sources {
		if s.Kind == "peer" && s.Peer != n.Nodes[0].PeerID() {
			t.Errorf("octets of %s, want only of %s", s.Peer, n.Nodes[0].PeerID())
		}
	}
	t.Logf("origin sent %d octets (%.1f %%) in %.2f s", sent, 100*float64(sent)/float64(len(body)), r.Total)
}

func TestLyingPeersAreBannedOverARestart(t *testing.T) {
	for _, lie := range []Lie{Flip, FlipLast, FalseList, Older} {
		t.Run(string(lie), func(t *testing.T) {
			t.Parallel()
			o := testOrigin(t)
			o.Pace.SetRate(4 << 20)
			body := Random(8<<20, 2)
			o.Put("/big.bin", File{Body: body})
			n := testNet(t, Config{Nodes: 1})
			url := o.URL + "/big.bin"
			liar, err := StartLiar(t.Context(), n.Nodes[0].PeerAddrs(), url, body, lie)
			if err != nil {
				t.Fatal(err)
			}
			defer liar.Close()

			r, _ := fetchBody(t, n.Nodes[0], url, body)
			if got := from(r, "peer"); got != 0 {
				t.Errorf("%d octets of the liar were delivered", got)
			}
			if got := n.Nodes[0].Status().Verify.BannedPeers; got != 1 {
				t.Errorf("%d banned peers, want 1", got)
			}
			if err := n.Restart(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			if got := n.Nodes[0].Status().Verify.BannedPeers; got != 1 {
				t.Errorf("%d banned peers after a restart, want 1", got)
			}
		})
	}
}

func TestTwoNodesThatStartTogetherFindEachOther(t *testing.T) {
	o := testOrigin(t)
	o.Pace.SetRate(4 << 20)
	body := Random(24<<20, 3)
	o.Put("/big.bin", File{Body: body})
	n := testNet(t, Config{Nodes: 3})
	a, b := n.Nodes[1], n.Nodes[2]

	var g errgroup.Group
	for _, m := range []*Node{a, b} {
		g.Go(func() error { return download(t.Context(), m, o.URL+"/big.bin", body) })
	}
	finished := make(chan error, 1)
	go func() { finished <- g.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !knows(a, b) && !knows(b, a) {
		select {
		case err := <-finished:
			t.Fatalf("both have finished (%v) and they have not met", err)
		case <-tick.C:
		}
	}
	if err := <-finished; err != nil {
		t.Error(err)
	}
}

// knows reports whether a has exchanged something with b.
func knows(a, b *Node) bool {
	return slices.ContainsFunc(a.Peers(), func(p admin.Peer) bool { return p.PeerID == b.PeerID() })
}

// download gets url through m and compares it.
func download(ctx context.Context, m *Node, url string, want []byte) error {
	client := m.Client()
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New(m.Name + ": wrong octets")
	}
	return nil
}
