package kad

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/flashcrowd/flashcrowd/dht"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/namespace"
	dssync "github.com/ipfs/go-datastore/sync"
	kaddht "github.com/libp2p/go-libp2p-kad-dht"
	pb "github.com/libp2p/go-libp2p-kad-dht/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Router is one node's place in a DHT.
type Router struct {
	cfg       Config
	host      host.Host
	self      peer.ID
	store     ds.Batching // what this network keeps
	dht       *kaddht.IpfsDHT
	messenger *pb.ProtocolMessenger
	metrics   *metrics
	keep      keeper
	recent    recent
	guard     *guard
	link      link
	proven    proven
	woken     chan struct{} // holds a token after Wake

	remembered []peer.AddrInfo // of an earlier run; belongs to Run

	ctx  context.Context // done when Close is called
	stop context.CancelFunc

	mu      sync.Mutex // guards the fields below
	closed  bool
	running bool
	work    sync.WaitGroup // Run and all searches; Add only with mu held
}

var _ dht.Router = (*Router)(nil)

// New returns a Router that answers the peers of cfg.Network and knows none of
// them until Run is called or the host meets one. It must be closed.
func New(cfg Config) (*Router, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Router{cfg: cfg, host: cfg.Host, self: cfg.Host.ID(), store: cfg.store(), woken: make(chan struct{}, 1)}
	r.keep.init(cfg.Budget.Keys)
	r.metrics = newMetrics(r.keep.wanted)
	if err := r.metrics.register(cfg.Metrics); err != nil {
		return nil, err
	}
	r.guard = newGuard(cfg.validity())
	if err := r.guard.load(context.Background(), r.store); err != nil {
		r.metrics.unregister(cfg.Metrics)
		return nil, err
	}
	if r.dht, err = kaddht.New(cfg.Host, cfg.options(r.store, r.guard)...); err != nil {
		r.metrics.unregister(cfg.Metrics)
		return nil, fmt.Errorf("kad: start: %w", err)
	}
	if r.messenger, err = pb.NewProtocolMessenger(r.dht.MessageSender()); err != nil {
		r.metrics.unregister(cfg.Metrics)
		return nil, errors.Join(fmt.Errorf("kad: start: %w", err), r.dht.Close())
	}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r, nil
}

// store returns the part of the datastore that belongs to the network, so that
// the records of one are never served to another.
func (c Config) store() ds.Batching {
	if c.Datastore == nil {
		return dssync.MutexWrap(ds.NewMapDatastore())
	}
	return namespace.Wrap(c.Datastore, ds.NewKey("/kad/"+c.Network))
}

// Find implements [dht.Router]. Peers that were found to hold the records of k
// within the last minute are asked instead of walking.
func (r *Router) Find(ctx context.Context, k dht.Key) <-chan dht.Member {
	const find = false
	return r.search(ctx, k, find)
}

// Join implements [dht.Router]. That this node is a member is written to the
// holders while ctx lasts; if it ends early, or they cannot be reached, the
// announcement goes out in the background as that of Keep does. A node that
// knows many members to be good may leave it to them, see Proved.
func (r *Router) Join(ctx context.Context, k dht.Key) <-chan dht.Member {
	const join = true
	return r.search(ctx, k, join)
}

// Keep implements [dht.Router]. Keys are announced while Run runs.
func (r *Router) Keep(keys ...dht.Key) {
	if n := r.keep.add(keys); n > 0 {
		r.cfg.Logger.Warn("too many keys to announce", "ignored", n, "limit", r.cfg.Budget.Keys)
	}
}

// Leave implements [dht.Router]. kad-dht has no message to take a record back,
// not even from this node's own store: it names this node until it expires.
func (r *Router) Leave(keys ...dht.Key) { r.keep.remove(keys) }

func (r *Router) search(ctx context.Context, k dht.Key, join bool) <-chan dht.Member {
	s := r.newSearch(k, join)
	if !k.CID().Defined() || !r.begin() {
		close(s.out)
		return s.out
	}
	if join {
		r.keep.join(s.id())
	}
	if join && !announces(r.proven.count(s.id(), r.cfg.validity())) {
		s.join = false // a Find: others stand for the crowd
		r.keep.silence(s.id())
	}
	ctx, cancel := context.WithTimeout(ctx, searchLimit)
	unhook := context.AfterFunc(r.ctx, cancel)
	go func() {
		defer r.work.Done()
		defer unhook()
		s.run(ctx, cancel)
	}()
	return s.out
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

// RoutingTableSize returns the number of peers in the routing table.
func (r *Router) RoutingTableSize() int { return r.dht.RoutingTable().Size() }

// Mode returns "server" while this node answers the peers of the network and
// "client" while it only asks.
func (r *Router) Mode() string {
	if slices.Contains(r.host.Mux().Protocols(), r.cfg.protocol()) {
		return "server"
	}
	return "client"
}

// Close ends Run and all searches and leaves the network. It neither closes
// the host nor the datastore. Further calls return nil.
func (r *Router) Close() error {
	r.mu.Lock()
	again := r.closed
	r.closed = true
	r.mu.Unlock()
	if again {
		return nil
	}
	r.stop()
	r.resetStreams()
	r.work.Wait()
	r.metrics.unregister(r.cfg.Metrics)
	err := r.dht.Close()
	r.host.RemoveStreamHandler(r.cfg.protocol()) // kad-dht leaves it
	if err != nil {
		return fmt.Errorf("kad: close: %w", err)
	}
	return nil
}

// resetStreams ends writes to peers that do not read, which kad-dht starts
// without a deadline.
func (r *Router) resetStreams() {
	for _, c := range r.host.Network().Conns() {
		for _, s := range c.GetStreams() {
			if s.Protocol() == r.cfg.protocol() {
				_ = s.Reset()
			}
		}
	}
}

// addLocal makes this node's own store name it as a member of k, for those who
// ask here because this node is among the closest to k.
func (r *Router) addLocal(k dht.Key) {
	const announce = false
	_ = r.dht.Provide(r.ctx, k.CID(), announce) // fails only when closed
}
