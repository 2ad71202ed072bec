package lan

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"golang.org/x/time/rate"
)

// Errors of this package. That a network has no multicast is not among them.
var (
	// ErrConfig is returned by New for a Config that cannot work.
	ErrConfig = errors.New("lan: bad config")
	// ErrClosed is returned by Run after Close.
	ErrClosed = errors.New("lan: closed")
)

const (
	// maxNeighbours are known at a time; a lecture hall has as many.
	maxNeighbours = 512
	// maxAsked of them are asked for one key, in the order of Router.pick.
	maxAsked = 128
	// atOnce is how many are asked at a time.
	atOnce = 32
	// maxKeys is the number of crowds that a router belongs to.
	maxKeys = 200_000
)

// Config says whom to look for. Host and Network are required.
type Config struct {
	// Host is the libp2p host to work on. The Router does not close it.
	Host host.Host
	// Network is the name of the swarm: nodes of others are not neighbours.
	Network string
	// Logger is told of neighbours. If nil, nobody is.
	Logger *slog.Logger
}

var networkName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,64}$`)

// Router finds members among the neighbours.
type Router struct {
	cfg  Config
	ctx  context.Context // done when Close is called
	stop context.CancelFunc
	// fresh, of length 1, says that there may be somebody to connect to.
	fresh chan struct{}

	mu         sync.Mutex // guards the fields below
	closed     bool
	work       sync.WaitGroup // Run, searches and answers; Add only with mu held
	keys       map[string]struct{}
	neighbours map[peer.ID]neighbour
	askers     map[peer.ID]*rate.Limiter
}

var _ dht.Router = (*Router)(nil)

// New returns a Router that answers neighbours and knows none of them until
// Run is called or Met is. It must be closed, before its host.
func New(cfg Config) (*Router, error) {
	switch {
	case cfg.Host == nil:
		return nil, fmt.Errorf("%w: no host", ErrConfig)
	case !networkName.MatchString(cfg.Network):
		return nil, fmt.Errorf("%w: network name %q", ErrConfig, cfg.Network)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Router{
		cfg: cfg, fresh: make(chan struct{}, 1), keys: make(map[string]struct{}),
		neighbours: make(map[peer.ID]neighbour), askers: make(map[peer.ID]*rate.Limiter),
	}
	r.ctx, r.stop = context.WithCancel(context.Background())
	cfg.Host.SetStreamHandler(r.protocol(), r.answer)
	return r, nil
}

func (r *Router) protocol() protocol.ID {
	return protocol.ID("/flashcrowd/" + r.cfg.Network + "/lan/1")
}

// Find implements [dht.Router].
func (r *Router) Find(ctx context.Context, k dht.Key) <-chan dht.Member { return r.search(ctx, k) }

// Join implements [dht.Router]: whoever asks from now on is told.
func (r *Router) Join(ctx context.Context, k dht.Key) <-chan dht.Member {
	r.Keep(k)
	return r.search(ctx, k)
}

// Keep implements [dht.Router].
func (r *Router) Keep(keys ...dht.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range keys {
		if k.CID().Defined() && len(r.keys) < maxKeys {
			r.keys[string(k.CID().Hash())] = struct{}{}
		}
	}
}

// Leave implements [dht.Router]: it holds from the next question on.
func (r *Router) Leave(keys ...dht.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range keys {
		delete(r.keys, string(k.CID().Hash()))
	}
}

func (r *Router) belongs(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.keys[key]
	return ok
}

// begin reports whether work may start; whoever is told so ends it with
// r.work.Done.
func (r *Router) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.work.Add(1)
	}
	return !r.closed
}

// searchLimit is how long all neighbours together may take.
const searchLimit = 10 * time.Second

func (r *Router) search(ctx context.Context, k dht.Key) <-chan dht.Member {
	out := make(chan dht.Member)
	if !k.CID().Defined() || !r.begin() {
		close(out)
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, searchLimit)
	unhook := context.AfterFunc(r.ctx, cancel)
	go func() {
		defer r.work.Done()
		defer unhook()
		defer cancel()
		defer close(out)
		r.askAll(ctx, k, out)
	}()
	return out
}

// askAll asks the neighbours, and hands on who says that it is a member.
func (r *Router) askAll(ctx context.Context, k dht.Key, out chan<- dht.Member) {
	var asking sync.WaitGroup
	defer asking.Wait()
	slots := make(chan struct{}, atOnce)
	for _, p := range r.pick(string(k.CID().Hash())) {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		asking.Go(func() {
			defer func() { <-slots }()
			yes, err := r.ask(ctx, p, k)
			if r.heard(ctx, p, err); err != nil || !yes {
				return
			}
			select {
			case out <- r.member(p):
			case <-ctx.Done():
			}
		})
	}
}

// Close ends Run, all searches and all answers. Further calls return nil.
func (r *Router) Close() error {
	r.mu.Lock()
	again := r.closed
	r.closed = true
	r.mu.Unlock()
	if again {
		return nil
	}
	r.cfg.Host.RemoveStreamHandler(r.protocol())
	r.stop()
	r.work.Wait()
	return nil
}
