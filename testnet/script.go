package testnet

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Site is the demo web site of an Origin: little files and two large ones.
type Site struct {
	Origin *Origin
	// Little are paths of small files, First and Second of large ones.
	Little        []string
	First, Second string
	sums          map[string][sha256.Size]byte
}

// Sizes of the demo site.
const (
	littleFiles = 20
	littleSize  = 8 << 10
	largeSize   = 12 << 20
)

// NewSite fills o with the demo site.
func NewSite(o *Origin) *Site {
	s := &Site{Origin: o, First: "/release-1.bin", Second: "/release-2.bin", sums: map[string][sha256.Size]byte{}}
	put := func(path, mediaType string, body []byte) {
		o.Put(path, File{Body: body, Header: http.Header{"Content-Type": {mediaType}}})
		s.sums[path] = sha256.Sum256(body)
	}
	index := "<!doctype html><title>flashcrowd demo</title><h1>flashcrowd demo</h1><ul>"
	for i := range littleFiles {
		path := fmt.Sprintf("/little/%02d.bin", i)
		put(path, "application/octet-stream", Random(littleSize, uint64(i+1)))
		s.Little = append(s.Little, path)
		index += fmt.Sprintf("<li><a href=%q>%s</a>", path, path)
	}
	put(s.First, "application/octet-stream", Random(largeSize, 1001))
	put(s.Second, "application/octet-stream", Random(largeSize, 1002))
	index += fmt.Sprintf("<li><a href=%q>%s</a><li><a href=%q>%s</a></ul>", s.First, s.First, s.Second, s.Second)
	put("/", "text/html; charset=utf-8", []byte(index))
	return s
}

// Report is what a scripted crowd saw (design.md section 13).
type Report struct {
	Nodes  []NodeReport `json:"nodes"`
	Origin OriginReport `json:"origin"`
	// Direct is how long one direct download of a large file took, seconds.
	Direct float64 `json:"direct_s"`
}

// NodeReport is one node's share, in octets of bodies that its client got.
type NodeReport struct {
	Node    int     `json:"node"`
	Seconds float64 `json:"seconds"` // all its downloads together
	Cache   int64   `json:"cache"`
	Origin  int64   `json:"origin"`
	Peers   int64   `json:"peers"`
	OK      bool    `json:"ok"` // every octet was right
}

// OriginReport is the origin's burden by the crowd, the direct download not
// counted.
type OriginReport struct {
	Bytes    int64   `json:"bytes"`
	Copies   float64 `json:"copies"` // of the two large files
	Requests int     `json:"requests"`
}

// OK reports whether every octet was right and the crowd, all nodes but the
// first, got the large files mostly from peers.
func (r *Report) OK() bool {
	var peers, origin int64
	for i, n := range r.Nodes {
		if !n.OK {
			return false
		}
		if i > 0 {
			peers, origin = peers+n.Peers, origin+n.Origin
		}
	}
	return peers > 2*origin
}

// script is one run of the crowd.
type script struct {
	net  *Net
	site *Site
	mu   sync.Mutex // guards following
	out  Report
}

// Run lets a client of each node of n get site: the first large file one node
// after another, then the second one, which node 1 fetches first, by all the
// others at once, with the little files beside. say is told what happens.
func Run(ctx context.Context, n *Net, site *Site, say func(format string, args ...any)) (*Report, error) {
	s := &script{net: n, site: site, out: Report{Nodes: make([]NodeReport, len(n.Nodes))}}
	for i := range s.out.Nodes {
		s.out.Nodes[i] = NodeReport{Node: i + 1, OK: true}
	}
	took, err := s.direct(ctx)
	if err != nil {
		return nil, err
	}
	s.out.Direct = took.Seconds()
	say("direct: %s in %.1f s", site.First, took.Seconds())
	before := site.Origin.Pace.Sent()

	for i := range n.Nodes {
		if err := s.get(ctx, i, site.First, say); err != nil {
			return nil, err
		}
	}
	if err := s.get(ctx, 0, site.Second, say); err != nil {
		return nil, err
	}
	g, together := errgroup.WithContext(ctx)
	for i := range n.Nodes {
		g.Go(func() error { return s.visit(together, i, say) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	s.out.Origin.Bytes = site.Origin.Pace.Sent() - before
	s.out.Origin.Copies = float64(s.out.Origin.Bytes) / (2 * largeSize)
	s.out.Origin.Requests = site.Origin.Total() - 1
	return &s.out, nil
}

// visit gets the second large file, unless the node has it, and the little
// ones.
func (s *script) visit(ctx context.Context, i int, say func(string, ...any)) error {
	if i > 0 {
		if err := s.get(ctx, i, s.site.Second, say); err != nil {
			return err
		}
	}
	for _, path := range s.site.Little {
		if err := s.get(ctx, i, path, nil); err != nil {
			return err
		}
	}
	return nil
}

func (s *script) direct(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	ok, err := s.right(ctx, http.DefaultClient, s.site.First)
	if err == nil && !ok {
		err = fmt.Errorf("testnet: the origin itself sent wrong octets")
	}
	return time.Since(begin), err
}

// get downloads path through node i, checks it, and books where it came from.
func (s *script) get(ctx context.Context, i int, path string, say func(string, ...any)) error {
	m := s.net.Nodes[i]
	client := m.Client()
	defer client.CloseIdleConnections()
	begin := time.Now()
	ok, err := s.right(ctx, client, path)
	if err != nil {
		return fmt.Errorf("testnet: %s gets %s: %w", m.Name, path, err)
	}
	took := time.Since(begin).Seconds()
	receipt, err := m.receiptSince(ctx, s.site.Origin.URL+path, begin)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &s.out.Nodes[i]
	n.Seconds += took
	n.OK = n.OK && ok
	var from [3]int64
	for _, src := range receipt.Sources {
		switch src.Kind {
		case "cache":
			n.Cache += src.Bytes
			from[0] += src.Bytes
		case "origin":
			n.Origin += src.Bytes
			from[1] += src.Bytes
		case "peer":
			n.Peers += src.Bytes
			from[2] += src.Bytes
		}
	}
	if say != nil {
		say("%s: %s in %.1f s: %s from the origin, %s from %d peers", m.Name, path, took, octets(from[1]), octets(from[2]), peersOf(receipt.Sources))
	}
	return nil
}

// right downloads path and reports whether every octet is right.
func (s *script) right(ctx context.Context, client *http.Client, path string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.site.Origin.URL+path, nil)
	if err != nil {
		return false, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, resp.Body); err != nil {
		return false, err
	}
	return resp.StatusCode == http.StatusOK && [sha256.Size]byte(h.Sum(nil)) == s.site.sums[path], nil
}
