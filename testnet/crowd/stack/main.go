package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"

	"go.yaml.in/yaml/v3"

	"github.com/flashcrowd/flashcrowd/testnet/crowd"
)

// outcome is what a process with a bubble leaves for the one that started it.
type outcome struct {
	Error         string
	Result        crowd.Result
	Trace, Direct crowd.Trace
}

// The files of a rehearsal in the folder that both processes know.
const (
	scenarioFile = "scenario.yaml"
	outcomeFile  = "outcome.json"
)

// Play rehearses s in a process of its own: command makes one that calls Main
// with the folder that it is given. Errors are those of s, of the process and
// of ctx, whose end kills it.
func Play(ctx context.Context, s crowd.Scenario, command func(ctx context.Context, dir string) *exec.Cmd) (r crowd.Result, err error) {
	dir, err := os.MkdirTemp("", "flashcrowd-rehearsal-")
	if err != nil {
		return r, fmt.Errorf("stack: make folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	text, err := yaml.Marshal(s)
	if err != nil {
		return r, fmt.Errorf("stack: write scenario: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, scenarioFile), text, 0o600); err != nil {
		return r, fmt.Errorf("stack: write scenario: %w", err)
	}
	cmd := command(ctx, dir)
	// One processor is faster than two that pass goroutines to and fro, and
	// figures repeat better.
	cmd.Env = append(cmd.Environ(), "GOMAXPROCS=1")
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	raw, readErr := os.ReadFile(filepath.Join(dir, outcomeFile))
	if err != nil || readErr != nil {
		return r, fmt.Errorf("stack: the rehearsal ended early: %w\n%s", errors.Join(err, readErr), said)
	}
	var o outcome
	if err := json.Unmarshal(raw, &o); err != nil {
		return r, fmt.Errorf("stack: read outcome: %w", err)
	}
	if o.Error != "" {
		return r, errors.New(o.Error)
	}
	o.Result.Trace, o.Result.Direct.Trace = o.Trace, o.Direct
	return o.Result, nil
}

// Main rehearses what Play put into dir, in a bubble of virtual time, and ends
// the process.
func Main(dir string) {
	match := func(string, string) (bool, error) { return true, nil }
	testing.Main(match, []testing.InternalTest{{Name: "rehearsal", F: func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			if err := bubble(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
		})
	}}}, nil, nil)
}

func bubble(ctx context.Context, dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, scenarioFile))
	if err != nil {
		return fmt.Errorf("stack: read scenario: %w", err)
	}
	s, err := crowd.Parse(text)
	if err != nil {
		return err
	}
	var o outcome
	if o.Result, err = rehearse(ctx, s); err != nil {
		o.Error = err.Error()
	}
	o.Trace, o.Direct = o.Result.Trace, o.Result.Direct.Trace
	raw, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("stack: write outcome: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, outcomeFile), raw, 0o600)
}
