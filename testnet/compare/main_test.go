//go:build system

package compare

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/flashcrowd/flashcrowd/testnet/netns/trial"
)

// The servers have a core of their own; origin and clients share the other.
const (
	serverCore = "0"
	clientCore = "1"
)

// inside is set in the environment of the process that has moved into its own
// network namespace.
const inside = "FLASHCROWD_COMPARE_INSIDE"

func TestMain(m *testing.M) {
	if os.Getenv(inside) == "" {
		os.Exit(moved())
	}
	for _, words := range [][]string{
		{"ip", "link", "set", "lo", "up"},
		{"sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno"},
	} {
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v: %v\n%s", words, err, out)
			os.Exit(1)
		}
	}
	code := m.Run()
	trial.RemoveBinary()
	os.Exit(code)
}

// moved runs this test process once more in a network namespace of its own, on
// the clients' core, and returns its exit code.
func moved() int {
	cmd := exec.Command("unshare", append([]string{"--net", "taskset", "-c", clientCore, os.Args[0]}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
