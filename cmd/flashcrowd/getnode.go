package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/flashcrowd/flashcrowd/node"
	"github.com/flashcrowd/flashcrowd/node/admin"
)

// relay is a node to download through. Whoever reaches it closes it.
type relay struct {
	api   *client
	proxy *url.URL
	own   *ownNode // nil when the node is somebody else's
	// token opens the proxy where that asks its clients who they are; empty
	// when it is not known.
	token string
}

// ownNode is a node that this process runs for as long as it downloads.
type ownNode struct {
	node   *node.Node
	cancel context.CancelFunc
	ended  chan error
}

// settleWait is how long a node may take to start or to end in another process
// before we give up on the data folder it holds.
const settleWait = 15 * time.Second

// reach finds the running node, or starts one on the same data folder.
func (c *getCmd) reach(s *session) (*relay, error) {
	asked := askFlags{Data: c.Data, Admin: c.Admin}
	config, err := c.ownConfig(s.talk)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(settleWait); ; {
		r, err := join(s.ctx, &asked, c.Network)
		if !errors.Is(err, errNoNode) || asked.named() {
			return r, err
		}
		r, err = start(s.ctx, config)
		var used *node.DataInUseError
		if !errors.As(err, &used) || time.Now().After(deadline) {
			return r, err
		}
		// A node on the folder is just starting or ending.
		if err := pause(s.ctx, settleWait/100); err != nil {
			return nil, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join returns the running node that asked names. It fails when that node is
// of another network than the one that was asked for.
func join(ctx context.Context, asked *askFlags, network string) (*relay, error) {
	api, err := asked.find()
	if err != nil {
		return nil, err
	}
	var st admin.Status
	if err := api.ask(ctx, "/api/v1/status", nil, &st); err != nil {
		return nil, err
	}
	if network != "" && network != st.Network {
		return nil, &hintError{
			fmt.Errorf("the running node is on network %s and not on %s", st.Network, network),
			"leave --network out, or give --data DIR of another folder",
		}
	}
	r, err := relayOf(ctx, api)
	if err == nil && !asked.named() { // else it would go to whoever is named
		r.token, _ = asked.token() // without, a node that wants it says so
	}
	return r, err
}

func relayOf(ctx context.Context, api *client) (*relay, error) {
	var faces admin.Faces
	if err := api.ask(ctx, "/api/v1/faces", nil, &faces); err != nil {
		return nil, err
	}
	proxy, err := url.Parse(faces.Proxy)
	if err != nil || proxy.Host == "" {
		return nil, fmt.Errorf("the node at %s does not say where its proxy is", api.base)
	}
	return &relay{api: api, proxy: proxy}, nil
}

// ownConfig is the configuration of a node that only this process uses: it
// listens where there is room, and says only what is wrong.
func (c *getCmd) ownConfig(talk io.Writer) (node.Config, error) {
	config, err := configOf(&faceFlags{Proxy: "0", Admin: "0"}, &c.nodeFlags, &logFlags{LogLevel: "warn"})
	if err != nil {
		return config, err
	}
	if len(config.Listen) == 0 {
		config.Listen = []string{"/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1", "/ip6/::/tcp/0", "/ip6/::/udp/0/quic-v1"}
	}
	config.Logger = config.NewLogger(talk)
	return config, nil
}

// start runs a node of our own. It outlives ctx, until close.
func start(ctx context.Context, config node.Config) (*relay, error) {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	n, err := node.New(running, config)
	if err != nil {
		cancel()
		return nil, err
	}
	own := &ownNode{n, cancel, make(chan error, 1)}
	ready := make(chan struct{})
	go func() { own.ended <- runNode(running, n, func() { close(ready) }) }()
	r, err := own.relay(ctx, ready, config.Data)
	if err != nil {
		return nil, errors.Join(err, own.close())
	}
	r.own = own
	return r, nil
}

// relay waits until own serves.
func (own *ownNode) relay(ctx context.Context, ready <-chan struct{}, data string) (*relay, error) {
	select {
	case <-ready:
	case err := <-own.ended:
		own.ended <- nil
		return nil, fmt.Errorf("run a node: %w", err)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	api, err := (&askFlags{Data: data}).find()
	if err != nil {
		return nil, err
	}
	return relayOf(ctx, api)
}

func (own *ownNode) close() error {
	own.cancel()
	return errors.Join(<-own.ended, own.node.Close())
}

// close ends the node if it is our own.
func (r *relay) close() error {
	if r.own == nil {
		return nil
	}
	return r.own.close()
}
