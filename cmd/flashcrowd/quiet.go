package main

import (
	"log/slog"
	"os"

	golog "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p/gologshim"
)

// quietLibraries keeps libp2p and kad-dht from writing beside the node's own
// log: what matters of it the node says itself. Whoever wants to see it sets
// GOLOG_LOG_LEVEL. It is called once, before anything of them runs.
func quietLibraries() {
	if os.Getenv("GOLOG_LOG_LEVEL") != "" {
		return
	}
	gologshim.SetDefaultHandler(slog.DiscardHandler)
	golog.SetAllLoggers(golog.LevelFatal)
	os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true")
}
