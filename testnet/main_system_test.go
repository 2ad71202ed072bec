//go:build system

package testnet

import (
	"os"
	"testing"

	"github.com/flashcrowd/flashcrowd/testnet/netns/trial"
)

func TestMain(m *testing.M) {
	code := m.Run()
	trial.RemoveBinary()
	os.Exit(code)
}
