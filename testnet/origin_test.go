package testnet

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/node"
)

func TestUnreachableBootstrapIsAPlainProxy(t *testing.T) {
	o := testOrigin(t)
	body := Random(4<<20, 60)
	o.Put("/big.bin", File{Body: body})
	n := testNet(t, Config{Configure: func(_ int, c *node.Config) {
		c.Bootstrap = []string{"/ip4/127.0.0.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"}
	}})
	begin := time.Now()
	r, _ := fetchBody(t, n.Nodes[0], o.URL+"/big.bin", body)
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("took %v: somebody waited for the network", took)
	}
	if got := from(r, "origin"); got != int64(len(body)) {
		t.Errorf("%d octets from the origin, want all %d", got, len(body))
	}
}

// TestChangedFile changes a file that one node has: with no-cache neither it
// nor another node gets the old one or a mixture.
func TestChangedFile(t *testing.T) {
	o := testOrigin(t)
	always := http.Header{"Cache-Control": {"max-age=0, must-revalidate"}}
	before, after := Random(4<<20, 61), Random(4<<20, 62)
	n := testNet(t, Config{Nodes: 2})
	url := o.URL + "/big.bin"

	o.Put("/big.bin", File{Body: before, Header: always})
	fetchBody(t, n.Nodes[0], url, before)
	o.Put("/big.bin", File{Body: after, Header: always})
	fetchBody(t, n.Nodes[1], url, after)
	fetchBody(t, n.Nodes[0], url, after)
}

// TestFileThatChangesMidway swaps the file while a node downloads it and a
// peer has the old version: the client gets the old one whole.
func TestFileThatChangesMidway(t *testing.T) {
	o := testOrigin(t)
	before, after := Random(16<<20, 63), Random(16<<20, 64)
	n := testNet(t, Config{Nodes: 2})
	url := o.URL + "/big.bin"
	o.Put("/big.bin", File{Body: before})
	fetchBody(t, n.Nodes[0], url, before)

	o.Pace.SetRate(1 << 20)
	client := n.Nodes[1].Client()
	defer client.CloseIdleConnections()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	o.Put("/big.bin", File{Body: after})
	checkBody(t, "node 2", resp.Body, before)
}

// TestOriginsThatSayLittle downloads from origins that leave out what the
// swarm lives by: a plain download, right bytes, nothing claimed.
func TestOriginsThatSayLittle(t *testing.T) {
	body := Random(3<<20, 65)
	n := testNet(t, Config{Nodes: 2})
	for name, serve := range map[string]http.HandlerFunc{
		"without length": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.(http.Flusher).Flush()
			_, _ = w.Write(body)
		},
		"without ranges": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3145728")
			w.Header().Set("Etag", `"v1"`)
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = w.Write(body)
		},
		"with a weak tag": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3145728")
			w.Header().Set("Etag", `W/"v1"`)
			w.Header().Set("Accept-Ranges", "bytes")
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = w.Write(body)
		},
		"without HEAD": func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = w.Write(body)
		},
	} {
		t.Run(name, func(t *testing.T) {
			web := httptest.NewServer(serve)
			defer web.Close()
			for _, m := range n.Nodes {
				r, resp := fetchBody(t, m, web.URL+"/x.bin", body)
				if from(r, "peer") != 0 || resp.Header.Get("Flashcrowd-Evidence") != "" {
					t.Errorf("%s claims evidence: %+v", m.Name, r)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if err := waitFor(ctx, func() bool {
					r, _ := fetchBody(t, m, web.URL+"/x.bin", body)
					return r.Outcome == "hit"
				}); err != nil {
					t.Errorf("%s: it is not cached", m.Name)
				}
			}
		})
	}
}

// TestSlowReaderHarmsNobody reads one response not at all while another client
// of the same node gets the same file.
func TestSlowReaderHarmsNobody(t *testing.T) {
	o := testOrigin(t)
	o.Pace.SetRate(8 << 20)
	body := Random(16<<20, 66)
	o.Put("/big.bin", File{Body: body})
	n := testNet(t, Config{})
	url := o.URL + "/big.bin"
	client := n.Nodes[0].Client()
	defer client.CloseIdleConnections()
	slow, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Body.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := download(ctx, n.Nodes[0], url, body); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(slow.Body)
	if err != nil || string(got) != string(body) {
		t.Errorf("the slow reader got %d octets, %v", len(got), err)
	}
	if o.Requests("/big.bin") != 1 {
		t.Errorf("%d requests to the origin, want 1", o.Requests("/big.bin"))
	}
}
