package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/flashcrowd/flashcrowd/node"
	"github.com/flashcrowd/flashcrowd/testnet/crowd"
	"github.com/flashcrowd/flashcrowd/testnet/crowd/stack"
)

// Exit codes (design.md section 13).
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// commandLine is every command. One file holds one of them.
type commandLine struct {
	Up       upCmd       `cmd:"" help:"Run a node."`
	Get      getCmd      `cmd:"" help:"Download URLs through a node."`
	Status   statusCmd   `cmd:"" help:"Say what the running node is and does."`
	Peers    peersCmd    `cmd:"" help:"List the other nodes that the running node knows."`
	Why      whyCmd      `cmd:"" help:"Say where the bytes of a URL came from and why they were believed."`
	Pause    pauseCmd    `cmd:"" help:"Make the running node a plain proxy: nothing is asked of other nodes or served to them."`
	Resume   resumeCmd   `cmd:"" help:"Undo pause."`
	Cache    cacheCmd    `cmd:"" help:"What the running node has stored."`
	SwarmKey swarmKeyCmd `cmd:"" help:"Make the key of a private swarm."`
	CA       caCmd       `cmd:"" name:"ca" help:"The authority for the hosts of --intercept."`
	Testnet  testnetCmd  `cmd:"" help:"Networks of nodes on this machine."`
	Version  versionCmd  `cmd:"" help:"Print version, Go and main dependencies."`
}

const description = `A peer-to-peer web cache without trackers.

What many people download at once comes from each other's caches, checked against what the web site itself says; the rest comes from the web site as before.`

// session is what a command has besides its flags. Cancelling ctx means that
// the user wants to end.
type session struct {
	ctx       context.Context
	out, talk io.Writer
}

func main() {
	quietLibraries()
	ctx, stop := untilSignal(os.Stderr)
	code := run(&session{ctx, os.Stdout, os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// run carries out one command line and returns the exit code. For --help it
// prints and ends the process.
func run(s *session, args []string) int {
	var commands commandLine
	parser, err := newParser(&commands, s)
	if err != nil {
		panic("flashcrowd: internal error: grammar: " + err.Error())
	}
	parsed, err := parser.Parse(args)
	if err == nil {
		err = parsed.Run(s)
	}
	return report(s.talk, err)
}

func newParser(commands *commandLine, s *session) (*kong.Kong, error) {
	return kong.New(commands,
		kong.Name("flashcrowd"), kong.Description(description), kong.Writers(s.out, s.talk),
		kong.DefaultEnvars("FLASHCROWD"), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{
			"proxy": node.DefaultProxy, "admin": node.DefaultAdmin, "network": node.DefaultNetwork,
			"listen": strings.Join(node.DefaultListen()[:2], ", "), "cache": node.DefaultCacheSize.String(), "stacknodes": strconv.Itoa(stack.MaxNodes), "scenarios": strings.Join(crowd.Names(), ", "), "ports": node.DefaultConnectPorts().String(),
		},
		kong.ExplicitGroups(groups),
	)
}

// untilSignal returns a context that the first SIGINT or SIGTERM cancels; the
// second ends the process at once. The caller calls stop when no signal
// matters any more.
func untilSignal(talk io.Writer) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals, done := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
			cancel()
		case <-done:
			return
		}
		select {
		case <-signals:
			fmt.Fprintln(talk, "ended before everything was closed")
			os.Exit(exitFailed)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}

// hintError is an error with what to do about it.
type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }

// report says what went wrong, one line and a hint, and returns the exit code.
func report(talk io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	for line := range strings.SplitSeq(err.Error(), "\n") { // errors.Join writes a line each
		fmt.Fprintln(talk, printable(line))
	}
	var parse *kong.ParseError
	var usage *node.UsageError
	var hint *hintError
	if errors.As(err, &hint) {
		fmt.Fprintln(talk, "hint: "+printable(hint.hint))
	}
	switch {
	case errors.As(err, &parse):
		command := "flashcrowd"
		if n := parse.Context.Selected(); n != nil {
			command = n.FullPath()
		}
		fmt.Fprintf(talk, "hint: %s --help tells what there is\n", command)
		return exitUsage
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailed
}
