package cache

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
)

// Config wires a Store. Dir and DB are required.
type Config struct {
	// Dir is this node's data folder. The store owns bodies/ and pins in it, and
	// one process at a time may open it.
	Dir string
	// DB is the index, which may be shared: the store's keys begin with "fc/".
	// Whoever opened it closes it, after the store.
	DB *pebble.DB
	// Limit is how many octets bodies and what is kept beside them may take,
	// until SetLimit; 0 is DefaultLimit.
	Limit int64
	// MinFree is how many octets of the disk are left to others, the index
	// among them; 0 is DefaultMinFree, negative is none.
	MinFree int64
	// OnRemove is called when the last shared object with this id, of its URL
	// or of one of its digests, has left the store. It must not block for long, nor call the store; nil does
	// nothing.
	OnRemove func(id dht.ID)
	// FS is where bodies are; nil is the disk itself, whose files alone can be
	// sent without being copied. DB should be on the same.
	FS vfs.FS
	// Logger; nil is silent. Metrics; nil registers nothing.
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

const (
	// DefaultLimit is the limit of a Config that names none.
	DefaultLimit = 10 << 30
	// DefaultMinFree is enough for an index of as many objects as there may
	// be while it is compacted: a full disk under the index ends the process.
	DefaultMinFree = 256 << 20
	// maxObjects bounds memory and the time to open: 300 octets and 10 µs
	// each. It is 10 GiB of objects of 40 KiB.
	maxObjects = 1 << 18
	// maxVariants is how many responses to one URL are kept (RFC 9111 section
	// 4.1 sets no bound, and Vary may name a field with endless values).
	maxVariants = 8
)

var (
	// ErrFull: there is no room, and cannot be made.
	ErrFull = errors.New("cache: no room")
	// ErrClosed: the store is closed.
	ErrClosed = errors.New("cache: closed")
	// ErrDamaged: a body on disk is not what it was.
	ErrDamaged = errors.New("cache: body is damaged")
)

// Store keeps responses on disk. Its methods may be called at once from many
// goroutines.
type Store struct {
	cfg    Config
	log    *slog.Logger
	bodies bodies
	memory memory
	hot    hot
	gauges []prometheus.Collector

	life   sync.RWMutex // held for reading while the index is used
	closed bool         // guarded by life

	// rewrite orders changes to the records of entries that are already in
	// the index, so that a removed record is never written again. It is taken
	// before mu.
	rewrite sync.Mutex

	// evicting is held by a writer that makes room, until the room is there:
	// others wait for it rather than evict more. It is taken before rewrite.
	evicting sync.Mutex

	// pinning orders changes of what is pinned. It is taken before mu.
	pinning sync.Mutex

	mu      sync.Mutex // guards following
	entries entries
	writers map[*writer]struct{}
}

var (
	_ fetch.Cache  = (*Store)(nil)
	_ fetch.Memory = (*Store)(nil)
	_ fetch.Shelf  = (*Store)(nil)

	_ fetch.Carried = (*Store)(nil)
)

// Open opens the store in cfg.Dir, sweeps what a crash has left, and evicts
// what is over the limit. Whoever calls Open calls Close.
func Open(cfg Config) (*Store, error) {
	if cfg.Limit <= 0 {
		cfg.Limit = DefaultLimit
	}
	if cfg.MinFree == 0 {
		cfg.MinFree = DefaultMinFree
	}
	if cfg.FS == nil {
		cfg.FS = vfs.Default
	}
	s := &Store{cfg: cfg, log: cfg.Logger, writers: make(map[*writer]struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.bodies, err = openBodies(cfg.FS, filepath.Join(cfg.Dir, "bodies")); err != nil {
		return nil, fmt.Errorf("cache: open bodies: %w", err)
	}
	if s.hot, err = openHot(); err != nil {
		return nil, fmt.Errorf("cache: memory tier: %w", err)
	}
	if err := s.fill(); err != nil {
		s.hot.close()
		return nil, err
	}
	s.mu.Lock()
	over := s.entries.trim()
	s.mu.Unlock()
	s.discard(over, pebble.NoSync)
	if err := s.register(); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return s, nil
}

// fill reads what is stored into memory, and makes the disk agree.
func (s *Store) fill() error {
	s.entries.init(s.cfg.Limit)
	if err := s.loadPins(); err != nil {
		return fmt.Errorf("cache: load pins: %w", err)
	}
	if err := s.load(); err != nil {
		return fmt.Errorf("cache: load index: %w", err)
	}
	if err := s.memory.open(s.cfg.DB); err != nil {
		return fmt.Errorf("cache: load memory: %w", err)
	}
	return nil
}

// Close ends what is still being written as a crash would, and waits for calls
// under way.
// After it the index is not used any more. Bodies that are open can be read
// until they are closed.
func (s *Store) Close() error {
	for _, w := range s.underway() {
		s.logged(w.saveNow())
	}
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.unregister()
	s.hot.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.writers {
		if !w.lasts() {
			s.logged(s.bodies.removeTemp(w.name))
		}
	}
	if err := s.saveAccessesLocked(); err != nil {
		return fmt.Errorf("cache: save last uses: %w", err)
	}
	return nil
}

// underway returns the writers that have not ended.
func (s *Store) underway() []*writer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.writers))
}

// enter begins a use of the index, unless the store is closed; leave ends it.
// No function that is called between the two enters again.
func (s *Store) enter() bool {
	s.life.RLock()
	if s.closed {
		s.life.RUnlock()
		return false
	}
	return true
}

func (s *Store) leave() { s.life.RUnlock() }
