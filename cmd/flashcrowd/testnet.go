package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/flashcrowd/flashcrowd/node"
	"github.com/flashcrowd/flashcrowd/testnet"
)

// testnetCmd holds the commands about networks on this machine.
type testnetCmd struct {
	Up     testnetUpCmd     `cmd:"" help:"Run real nodes and a demo web site on this machine."`
	Crowd  testnetCrowdCmd  `cmd:"" help:"Rehearse a flash crowd on simulated lines."`
	Bubble testnetBubbleCmd `cmd:"" hidden:"" help:"Play what --engine stack has put into a folder, in virtual time."`
}

// testnetUpCmd runs a network until it is told to end, or a script on it.
type testnetUpCmd struct {
	Nodes      int       `default:"5" placeholder:"N" help:"How many nodes. Default: ${default}."`
	OriginRate node.Rate `default:"20Mbit" placeholder:"RATE" help:"Uplink of the demo web site, a second; 0 is no limit. Default: ${default}."`
	Script     bool      `help:"Let a client of each node download, one after another and then all at once; print who got what from whom; exit 0 only if every byte was right and most came from other nodes."`
	JSON       bool      `name:"json" help:"With --script: print the report as JSON."`
	Verbose    bool      `help:"Show what the nodes log."`
}

// Help is what stands above the flags.
func (*testnetUpCmd) Help() string {
	return `The nodes are those of "flashcrowd up", each with its own identity and data folder, on loopback and on a network of their own. The demo web site has many little files and two large ones, and states their digests.

Without --script it prints where site, proxies and dashboards are, and runs until ^C.`
}

// maxTestNodes is what one machine runs without being the bottleneck by far.
const maxTestNodes = 64

// Run starts the network, and what is to happen on it.
func (c *testnetUpCmd) Run(s *session) error {
	if c.Nodes < 1 || c.Nodes > maxTestNodes {
		return &node.UsageError{Flag: "nodes", Err: fmt.Errorf("%d is not between 1 and %d", c.Nodes, maxTestNodes)}
	}
	if c.Script && c.Nodes < 2 {
		return &node.UsageError{Flag: "nodes", Err: errors.New("a script needs a crowd: at least 2")}
	}
	config := testnet.Config{Nodes: c.Nodes}
	if c.Verbose {
		config.Logger = slog.New(slog.NewTextHandler(s.talk, nil))
	}
	origin, err := testnet.StartOrigin(c.OriginRate.OctetsPerSecond())
	if err != nil {
		return err
	}
	net, err := testnet.Start(s.ctx, config)
	if err != nil {
		return errors.Join(unlessCanceled(s.ctx, err), origin.Close())
	}
	site := testnet.NewSite(origin)
	if c.Script {
		err = c.script(s, net, site)
	} else {
		show(s, net, site)
		<-s.ctx.Done()
	}
	return errors.Join(unlessCanceled(s.ctx, err), net.Close(), origin.Close())
}

// show prints where everything is.
func show(s *session, net *testnet.Net, site *testnet.Site) {
	fmt.Fprintf(s.out, "site %s/\n", site.Origin.URL)
	for _, n := range net.Nodes {
		fmt.Fprintf(s.out, "%s proxy %s admin %s\n", n.Name, n.ProxyURL(), n.AdminURL())
	}
	fmt.Fprintln(s.out, "ready")
	fmt.Fprintf(s.talk, "try: curl -x %s -o /dev/null %s%s\n", net.Nodes[0].ProxyURL(), site.Origin.URL, site.First)
}

// errCrowd is a script that did not show what it is there to show.
var errCrowd = errors.New("the crowd got wrong bytes, or too few from each other")

func (c *testnetUpCmd) script(s *session, net *testnet.Net, site *testnet.Site) error {
	fmt.Fprintf(s.talk, "%d nodes and a web site with an uplink of %s\n", len(net.Nodes), c.OriginRate)
	report, err := testnet.Run(s.ctx, net, site, func(format string, args ...any) {
		fmt.Fprintf(s.talk, format+"\n", args...)
	})
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(s.out).Encode(report)
	} else {
		fmt.Fprintln(s.talk)
		err = report.WriteTable(s.out)
	}
	if err == nil && !report.OK() {
		return errCrowd
	}
	return err
}
