package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// drain is how long requests in progress may take after the end was asked for.
const drain = 3 * time.Second

// Run joins the network and serves until ctx is done, and then returns nil
// once everything has come to rest. It is called once.
func (n *Node) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, f := range n.faces {
		g.Go(func() error { return f.serve() })
		g.Go(func() error { return f.shutdown(ctx) })
	}
	g.Go(func() error { return n.store.Scrub(ctx) })
	if n.swarm != nil {
		n.swarm.Serve()
		g.Go(func() error { return n.keepAnnounced(ctx) })
		g.Go(func() error { return n.router.Run(ctx) })
		if n.lan != nil {
			g.Go(func() error { return n.lan.Run(ctx) })
		}
	}
	close(n.ready)
	n.log.Info("ready", "proxy", n.ProxyURL(), "admin", n.AdminURL(), "network", n.cfg.Network)
	return g.Wait()
}

func (f *face) serve() error {
	if err := f.server.Serve(f.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("node: serve %s: %w", f.kind, err)
	}
	return nil
}

// shutdown waits for the end, lets requests in progress end, and then ends
// them.
func (f *face) shutdown(ctx context.Context) error {
	<-ctx.Done()
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if f.server.Shutdown(rest) != nil {
		return f.server.Close()
	}
	return nil
}

// keepAnnounced renews the memberships of an earlier run, as far as they are
// still allowed.
func (n *Node) keepAnnounced(ctx context.Context) error {
	for item := range n.store.List() {
		if ctx.Err() != nil {
			return nil
		}
		n.members.Keep(n.fetch.Renews(item.Meta, item.Digest)...)
	}
	return nil
}
