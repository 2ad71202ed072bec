package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/flashcrowd/flashcrowd/fetch/swarm"
	"github.com/flashcrowd/flashcrowd/node"
)

// upCmd runs a node until it is told to end.
type upCmd struct {
	configFlag
	faceFlags
	nodeFlags
	logFlags
}

// Help is what stands above the flags.
func (*upCmd) Help() string {
	return `Prints where the node is reached, a line each, and then "ready":

    proxy http://127.0.0.1:3128
    admin http://127.0.0.1:3129
    mirror http://127.0.0.1:8081 https://deb.debian.org
    peer /ip4/192.0.2.7/tcp/3130/p2p/12D3KooW...
    ready

It ends with ^C or SIGTERM, after everything is closed; a second one ends it at once. A repeatable flag is a comma list in the environment.`
}

// Run runs the node until s.ctx is done, and closes it.
func (c *upCmd) Run(s *session) error {
	config, err := configOf(&c.faceFlags, &c.nodeFlags, &c.logFlags)
	if err != nil {
		return err
	}
	if config.Network != node.DefaultNetwork && config.Network != "" {
		swarm.TrustObservers(1)
	}
	config.Logger = config.NewLogger(s.talk)
	n, err := node.New(s.ctx, config)
	if err != nil {
		if s.ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	err = runNode(s.ctx, n, func() {
		for _, line := range n.Lines() {
			fmt.Fprintln(s.out, line)
		}
		fmt.Fprintln(s.out, "ready")
	})
	return errors.Join(err, n.Close())
}

// runNode runs n until ctx is done or n fails, and calls ready once it serves.
// That ctx ended it is no error. The caller closes n.
func runNode(ctx context.Context, n *node.Node, ready func()) error {
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	select {
	case <-n.Ready():
		ready()
	case err := <-ended:
		return unlessCanceled(ctx, err)
	}
	return unlessCanceled(ctx, <-ended)
}

func unlessCanceled(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
