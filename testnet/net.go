package testnet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/node"
)

// Config says what network to start. The zero value is one node.
type Config struct {
	// Nodes is how many; zero is one.
	Nodes int
	// Dir holds a data folder for each node; empty is a temporary folder that
	// Close removes.
	Dir string
	// Configure may change the configuration of node i before it starts. It
	// must leave the name of the network alone.
	Configure func(i int, c *node.Config)
	// Logger takes what the nodes log; nil is silent.
	Logger *slog.Logger
}

// Network is the name of the network of every Net.
const Network = "testnet"

// Net is a network of real nodes in this process. The first one is the
// bootstrap peer of all others.
type Net struct {
	Nodes []*Node

	cfg  Config
	dir  string
	temp bool
}

// Node is a node of a Net.
type Node struct {
	*node.Node
	// Name is "node 1" and so on.
	Name string
	cfg  node.Config
	stop context.CancelFunc
	done chan error
}

// Start starts a network and returns when every node serves and knows another.
// The caller closes it.
func Start(ctx context.Context, cfg Config) (_ *Net, err error) {
	cfg.Nodes = max(cfg.Nodes, 1)
	n := &Net{cfg: cfg, dir: cfg.Dir}
	if n.dir == "" {
		if n.dir, err = os.MkdirTemp("", "flashcrowd-testnet-"); err != nil {
			return nil, fmt.Errorf("testnet: make folder: %w", err)
		}
		n.temp = true
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	for i := range cfg.Nodes {
		if err := n.add(ctx, i); err != nil {
			return nil, err
		}
	}
	return n, n.acquainted(ctx)
}

// add starts node i.
func (n *Net) add(ctx context.Context, i int) error {
	c := node.Config{
		Proxy: "127.0.0.1:0", Admin: "127.0.0.1:0", Data: filepath.Join(n.dir, strconv.Itoa(i+1)),
		Network: Network, Bootstrap: []string{node.None}, Listen: []string{"/ip4/127.0.0.1/tcp/0"},
		Logger: n.cfg.Logger,
	}
	if c.Logger != nil {
		c.Logger = c.Logger.With("node", i+1)
	}
	if i > 0 {
		c.Bootstrap = n.Nodes[0].PeerAddrs()
	}
	if n.cfg.Configure != nil {
		n.cfg.Configure(i, &c)
	}
	started, err := start(ctx, c)
	if err != nil {
		return fmt.Errorf("testnet: start node %d: %w", i+1, err)
	}
	started.Name = fmt.Sprintf("node %d", i+1)
	n.Nodes = append(n.Nodes, started)
	return nil
}

func start(ctx context.Context, c node.Config) (*Node, error) {
	opened, err := node.New(ctx, c)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	m := &Node{Node: opened, cfg: c, stop: stop, done: make(chan error, 1)}
	go func() { m.done <- opened.Run(running) }()
	select {
	case <-opened.Ready():
		return m, nil
	case err := <-m.done:
		stop()
		return nil, errors.Join(err, opened.Close())
	}
}

// Stop ends the node and returns when it has ended.
func (m *Node) Stop() error {
	m.stop()
	return errors.Join(<-m.done, m.Close())
}

// Restart stops node i and starts it again on the same data folder.
func (n *Net) Restart(ctx context.Context, i int) error {
	old := n.Nodes[i]
	if err := old.Stop(); err != nil {
		return fmt.Errorf("testnet: stop %s: %w", old.Name, err)
	}
	again, err := start(ctx, old.cfg)
	if err != nil {
		return fmt.Errorf("testnet: restart %s: %w", old.Name, err)
	}
	again.Name = old.Name
	n.Nodes[i] = again
	return nil
}

// acquainted returns when each node has another in its routing table.
func (n *Net) acquainted(ctx context.Context) error {
	if len(n.Nodes) < 2 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, m := range n.Nodes {
		if err := waitFor(ctx, func() bool { return m.Status().Mode == "off" || m.Status().RoutingTable > 0 }); err != nil {
			return fmt.Errorf("testnet: %s knows nobody: %w", m.Name, err)
		}
	}
	return nil
}

// Close stops all nodes and removes what Start made.
func (n *Net) Close() error {
	var g errgroup.Group
	for _, m := range n.Nodes {
		g.Go(m.Stop)
	}
	err := g.Wait()
	if n.temp {
		err = errors.Join(err, os.RemoveAll(n.dir))
	}
	return err
}

// Client returns an HTTP client that uses the node as its proxy.
func (m *Node) Client() *http.Client {
	proxy, err := url.Parse(m.ProxyURL())
	if err != nil {
		panic("testnet: internal error: proxy url: " + err.Error())
	}
	return &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableCompression: true}}
}

// receiptSince returns the receipt of a response for url that was asked for
// after begin. It is written a moment after the client has its last octet.
func (m *Node) receiptSince(ctx context.Context, url string, begin time.Time) (fetch.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var r fetch.Receipt
	err := waitFor(ctx, func() bool {
		var found bool
		r, found = m.Receipt(url)
		return found && !r.Time.Before(begin)
	})
	if err != nil {
		return r, fmt.Errorf("testnet: %s has no receipt for %s: %w", m.Name, url, err)
	}
	return r, nil
}
