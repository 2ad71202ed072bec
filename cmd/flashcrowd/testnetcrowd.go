package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/flashcrowd/flashcrowd/node"
	"github.com/flashcrowd/flashcrowd/testnet/crowd"
	"github.com/flashcrowd/flashcrowd/testnet/crowd/model"
	crowdreport "github.com/flashcrowd/flashcrowd/testnet/crowd/report"
	"github.com/flashcrowd/flashcrowd/testnet/crowd/stack"
)

// testnetCrowdCmd rehearses a flash crowd. What a flag does not say is the
// scenario's.
type testnetCrowdCmd struct {
	Scenario string            `placeholder:"NAME|FILE" help:"Begin with a scenario: ${scenarios}, or a YAML file."`
	Engine   string            `default:"model" enum:"model,stack" help:"How it is played: model is event-driven and exact by seed; stack is the real libp2p, DHT and swarm on simulated lines in virtual time, for up to ${stacknodes} nodes, and repeats within a tenth. Default: ${default}."`
	Nodes    int               `placeholder:"N" help:"How many, liars included. Default: 50."`
	Size     node.Size         `xor:"what" placeholder:"SIZE" help:"Everybody wants one file of this size. Default: 64MiB."`
	Site     int               `xor:"what" placeholder:"FILES" help:"Everybody wants a site of so many files."`
	OriginUp node.Rate         `placeholder:"RATE" help:"Uplink of the origin. Default: 100Mbit."`
	PeerUp   node.Rate         `placeholder:"RATE" help:"Uplink of each node. Default: 20Mbit."`
	PeerDown node.Rate         `placeholder:"RATE" help:"Downlink of each node. Default: 100Mbit."`
	RTT      time.Duration     `name:"rtt" placeholder:"T" help:"Round trip between two, on average. Default: 40ms."`
	Arrival  crowd.Arrival     `placeholder:"HOW" help:"all, every:2s, poisson:RATE (a second) or slashdot:DURATION. Default: all."`
	Liars    *float64          `placeholder:"P" help:"Share of nodes that lie."`
	LiarKind crowd.LiarKind    `placeholder:"KIND" help:"flip, length, stall, trickle, claim or sybil. Default: flip."`
	NAT      *float64          `name:"nat" placeholder:"P" help:"Share of nodes that cannot be dialled."`
	Churn    *float64          `placeholder:"P" help:"Share of nodes that leave at a random moment."`
	Seed     *uint64           `placeholder:"K" help:"The same seed gives the same rehearsal."`
	Assert   []crowd.Assertion `placeholder:"CONDITION" sep:"," help:"Exit 1 unless it holds, as origin_copies<1.5. Names are those of --json. Repeatable."`
	Out      string            `type:"path" placeholder:"DIR" help:"Write the result, the scenario and a report with plots (report.html) into this folder."`
	JSON     bool              `name:"json" help:"Print the result as JSON."`
}

// Help is what stands above the flags.
func (*testnetCrowdCmd) Help() string {
	return `A crowd of nodes on simulated lines and a virtual clock wants the same file, with the planner and the checks of a real node, and beside it the same crowd without flashcrowd. Nothing leaves this machine.

Try: flashcrowd testnet crowd --scenario slashdot`
}

// errAssert is a rehearsal that did not turn out as it had to.
var errAssert = errors.New("not all that was asserted holds")

// Run plays the scenario and prints what came of it.
func (c *testnetCrowdCmd) Run(s *session) error {
	scenario, err := c.scenario()
	if err != nil {
		return err
	}
	result, err := c.play(s.ctx, scenario)
	if err != nil {
		return unlessCanceled(s.ctx, err)
	}
	if c.Out != "" {
		file, err := crowdreport.Write(c.Out, scenario, result)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.talk, "report: %s\n", file)
	}
	if c.JSON {
		err = json.NewEncoder(s.out).Encode(result)
	} else {
		err = result.WriteTable(s.out)
	}
	if err == nil && len(result.AssertFailed) > 0 {
		return errAssert
	}
	return err
}

func (c *testnetCrowdCmd) play(ctx context.Context, s crowd.Scenario) (crowd.Result, error) {
	if c.Engine != "stack" {
		return model.Play(ctx, s)
	}
	self, err := os.Executable()
	if err != nil {
		return crowd.Result{}, fmt.Errorf("find this program: %w", err)
	}
	return stack.Play(ctx, s, func(ctx context.Context, dir string) *exec.Cmd {
		return exec.CommandContext(ctx, self, "testnet", "bubble", dir)
	})
}

// testnetBubbleCmd is a process of its own for virtual time, which testing's
// bubble gives.
type testnetBubbleCmd struct {
	Dir string `arg:"" type:"existingdir" help:"The folder, into which the outcome goes, too."`
}

// Run does not return.
func (c *testnetBubbleCmd) Run() error {
	stack.Main(c.Dir)
	return nil
}

// scenario is the named one with what the flags say instead.
func (c *testnetCrowdCmd) scenario() (crowd.Scenario, error) {
	s := crowd.Scenario{}
	if c.Scenario != "" {
		var err error
		if s, err = crowd.Load(c.Scenario); err != nil {
			return s, &node.UsageError{Flag: "scenario", Err: err}
		}
	}
	set(&s.Nodes, c.Nodes)
	set(&s.Origin.Up, c.OriginUp)
	set(&s.Peers.Up, c.PeerUp)
	set(&s.Peers.Down, c.PeerDown)
	set(&s.Peers.RTT, c.RTT)
	set(&s.Arrival, c.Arrival)
	set(&s.Peers.Liars.Kind, c.LiarKind)
	given(&s.Peers.Liars.Share, c.Liars)
	given(&s.Peers.NAT, c.NAT)
	given(&s.Peers.Churn, c.Churn)
	given(&s.Seed, c.Seed)
	switch {
	case c.Size != 0:
		s.Object, s.Site = &crowd.Object{Size: c.Size}, nil
	case c.Site != 0 && s.Site != nil:
		s.Site.Files = c.Site
	case c.Site != 0:
		s.Object, s.Site = nil, &crowd.Site{Files: c.Site}
	}
	s.Assert = append(s.Assert, c.Assert...)
	s = s.WithDefaults()
	if err := s.Validate(); err != nil {
		return s, &node.UsageError{Flag: "scenario", Err: err}
	}
	return s, nil
}

// set takes what a flag says, if it says anything.
func set[T comparable](to *T, flag T) {
	var unset T
	if flag != unset {
		*to = flag
	}
}

func given[T any](to *T, flag *T) {
	if flag != nil {
		*to = *flag
	}
}
