package swarm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/prometheus/client_golang/prometheus"
)

// Config says what a Swarm works with. Only Host is required.
type Config struct {
	// Host of this node. It must outlive the Swarm.
	Host host.Host
	// Shelf is what other nodes may ask for; nil offers nothing.
	Shelf fetch.Shelf
	// DB keeps bans and the octets given this month over restarts, under keys
	// that begin with "swarm/". It must outlive the Swarm. Nil keeps them in
	// memory.
	DB *pebble.DB
	// Upload bounds what is given to others.
	Upload Upload
	// Logger may be nil for silence.
	Logger *slog.Logger
	// Metrics may be nil for none.
	Metrics prometheus.Registerer
	Limits  Limits
}

// Swarm is the exchange with other nodes. All methods may be called at once
// from many goroutines.
type Swarm struct {
	host    host.Host
	shelf   fetch.Shelf
	log     *slog.Logger
	limits  Limits
	metrics *metrics
	bans    *bans
	peers   *table
	partial windows
	credits credits
	answers chan struct{} // one element for each answer that is being given

	allowance *allowance

	// ctx ends when the swarm is closed.
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex // guards following
	closed bool
	wg     sync.WaitGroup // streams of other nodes and the sweeper; Add under mu
}

var _ fetch.Swarm = (*Swarm)(nil)

// New returns a swarm that asks other nodes; Serve makes it answer them too.
// The caller closes it, before host and database.
func New(cfg Config) (*Swarm, error) {
	if cfg.Host == nil {
		return nil, errors.New("swarm: config without a host")
	}
	cfg.Limits.setDefaults()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, fmt.Errorf("swarm: %w", err)
	}
	b, err := openBans(cfg.DB, cfg.Limits.Bans, cfg.Logger)
	if err != nil {
		return nil, fmt.Errorf("swarm: load bans: %w", err)
	}
	l, err := openLedger(cfg.DB, cfg.Logger)
	if err != nil {
		return nil, fmt.Errorf("swarm: %w", err)
	}
	m.banned.Set(float64(b.count()))
	s := &Swarm{
		host: cfg.Host, shelf: cfg.Shelf, log: cfg.Logger, limits: cfg.Limits,
		metrics: m, bans: b, peers: newTable(cfg.Limits),
		answers: make(chan struct{}, cfg.Limits.Answers), allowance: &allowance{upload: cfg.Upload, ledger: l},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.wg.Go(s.sweep)
	return s, nil
}

// Peer returns member m as a source of w, without waiting for a connection: it
// is made at the first call. It fails with fetch.ErrBanned or ErrNotAPeer.
func (s *Swarm) Peer(m dht.Member, w fetch.Want) (fetch.Peer, error) {
	info, err := addrInfo(m)
	if err != nil {
		return nil, err
	}
	if info.ID == s.host.ID() {
		return nil, fmt.Errorf("%w: this node itself", ErrNotAPeer)
	}
	if s.bans.has(info.ID) {
		return nil, fmt.Errorf("peer %s: %w", info.ID, fetch.ErrBanned)
	}
	if !w.Proof.Valid() {
		return nil, fmt.Errorf("swarm: internal error: want without a proof")
	}
	return &source{swarm: s, info: info, name: info.ID.String(), want: w}, nil
}

// sweep closes streams that idle and forgets peers, until the swarm is closed.
func (s *Swarm) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-tick.C:
			for _, l := range s.peers.expire(now) {
				l.hangUp()
			}
		}
	}
}

// Close ends all exchange and returns when nothing of it is left. Readers that
// are still open fail.
func (s *Swarm) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if first {
		s.host.RemoveStreamHandler(Protocol)
		s.cancel()
		for _, st := range s.peers.close() {
			_ = st.Reset()
		}
		s.bans.close()
	}
	s.wg.Wait()
	if err := s.allowance.ledger.close(); err != nil {
		return fmt.Errorf("swarm: close: %w", err)
	}
	return nil
}
