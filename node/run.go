package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
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

// quietEvery is how often a node looks whether it gives anything: hours of
// giving begin and end, and quotas are used up.
const quietEvery = time.Second

// keepAnnounced renews the memberships of an earlier run, as far as they are
// still allowed, and all of them whenever this node begins to give again. When
// it ceases to, it leaves them.
func (n *Node) keepAnnounced(ctx context.Context) error {
	tick := time.NewTicker(quietEvery)
	defer tick.Stop()
	named := sync.OnceFunc(func() { close(n.kept) })
	for announced := false; ; {
		if quiet := n.quiet(); quiet == announced {
			n.announceStored(ctx, !quiet)
			announced = !quiet
		}
		named()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// announceStored makes this node a member for what is stored and may be
// shared, or for none of it.
func (n *Node) announceStored(ctx context.Context, members bool) {
	for item := range n.store.List() {
		if ctx.Err() != nil {
			return
		}
		if keys := n.fetch.Renews(item.Meta, item.Digest); members {
			n.members.Keep(keys...)
		} else {
			n.members.Leave(keys...)
		}
	}
}
