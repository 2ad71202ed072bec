package conformance

import (
	"context"
	"flag"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/flashcrowd/flashcrowd/node"
	"github.com/flashcrowd/flashcrowd/testnet"
)

var write = flag.Bool("write", false, "write docs/http.md")

const docs = "../../docs/http.md"

// TestConformance runs every case in every mode through one node.
func TestConformance(t *testing.T) {
	w, targets := testWorld(t)
	for _, target := range targets {
		t.Run(string(target.Mode), func(t *testing.T) {
			for _, c := range Cases() {
				if !c.In(target.Mode) {
					continue
				}
				t.Run(c.Section+"/"+strings.ReplaceAll(c.Name, "/", "|"), func(t *testing.T) {
					t.Parallel()
					for _, wrong := range w.Run(t.Context(), target, c) {
						t.Errorf("RFC %s: %s", c.RFC, wrong)
					}
				})
			}
		})
	}
}

// testWorld starts an origin and a node before it.
func testWorld(t *testing.T) (*World, []Target) {
	t.Helper()
	w, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	origin, err := url.Parse(w.Origin())
	if err != nil {
		t.Fatal(err)
	}
	n, err := testnet.Start(context.Background(), testnet.Config{Configure: func(_ int, c *node.Config) {
		c.Swarm = node.Off
		c.Mirrors = []node.Mirror{{Listen: "127.0.0.1:0", Origin: origin}}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	var mirror string
	for _, line := range n.Nodes[0].Lines() {
		if words := strings.Fields(line); words[0] == "mirror" {
			mirror = strings.TrimPrefix(words[1], "http://")
		}
	}
	proxy := strings.TrimPrefix(n.Nodes[0].ProxyURL(), "http://")
	targets := []Target{{Mode: Forward, Addr: proxy}, {Mode: Gateway, Addr: proxy}, {Mode: Mirror, Addr: mirror}}
	name := nameOf(t, w, targets[0])
	for i := range targets {
		targets[i].Name = name
	}
	return w, targets
}

// nameOf learns the name of the cache in Via from a response.
func nameOf(t *testing.T, w *World, target Target) string {
	t.Helper()
	e, err := begin(t.Context(), target, get(), expander{base: w.Origin() + "/nothing", host: w.server.host()}, line{}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer e.conn.Close()
	if err := e.rest(); err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(e.resp.Header.Get("Via"))
	if len(words) != 2 {
		t.Fatalf("Via %q has no name", e.resp.Header.Get("Via"))
	}
	return words[1]
}

// TestCases holds what lists of cases rely on.
func TestCases(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Cases() {
		key := c.Section + "/" + c.Name
		if seen[key] {
			t.Errorf("%s stands twice", key)
		}
		seen[key] = true
		if c.RFC == "" || c.Name == "" || len(c.Steps) == 0 {
			t.Errorf("%s: incomplete", key)
		}
	}
}

// TestDocs holds docs/http.md to the table.
func TestDocs(t *testing.T) {
	want := Markdown(Cases())
	if *write {
		if err := os.WriteFile(docs, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the table says: go test ./testnet/conformance -run TestDocs -write", docs)
	}
}

// TestWords: whoever reads of a difference can see what the RFC says.
func TestWords(t *testing.T) {
	for _, section := range Sections(Cases()) {
		if words[section].says == "" {
			t.Errorf("RFC %s: what does it say?", section)
		}
	}
}
