//go:build linux

package trial

import (
	"context"
	"time"
)

// Way is how a crowd gets the file.
type Way string

// The ways that there are.
const (
	Direct     Way = "direct"
	Aria2      Way = "aria2"
	Libtorrent Way = "libtorrent"
	Flashcrowd Way = "flashcrowd"
)

// method is what a Way does.
type method interface {
	// prepare starts what runs on the peers before the crowd comes.
	prepare(ctx context.Context, w *world) error
	// visit gets the file as peer i, at once with others.
	visit(ctx context.Context, w *world, i int) (visit, error)
	// cpu is what the programs that outlast a visit have used on the peers.
	cpu() (time.Duration, error)
}

// direct is Direct.
type direct struct{}

func (direct) prepare(context.Context, *world) error { return nil }
func (direct) cpu() (time.Duration, error)           { return 0, nil }
func (direct) visit(ctx context.Context, w *world, i int) (visit, error) {
	return curl(ctx, w, w.peers[i], w.origin.url(filePath))
}
