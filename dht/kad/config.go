package kad

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"

	ds "github.com/ipfs/go-datastore"
	kaddht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p-kad-dht/amino"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"
)

// Errors of this package. A network that cannot be reached is not among them.
var (
	// ErrConfig is returned by New for a Config that cannot work.
	ErrConfig = errors.New("kad: bad config")
	// ErrClosed is returned by Run after Close.
	ErrClosed = errors.New("kad: closed")
	// ErrRunning is returned by a second Run.
	ErrRunning = errors.New("kad: already running")
)

// Public is the name of the IPFS Amino DHT.
const Public = "public"

// MaxKeys is the largest number of memberships that one Router renews, however
// large its budget: 100,000 keys cost about 20 MB. Keep ignores keys beyond the
// budget; a Join takes the place of the least useful one.
const MaxKeys = 100_000

// How long a record lives on an own network, and how often it is renewed: one
// renewal may fail without the member vanishing. On Amino the network's own
// numbers hold (48 h and 22 h).
const (
	ownValidity  = time.Hour
	ownReprovide = 20 * time.Minute
	ownDelay     = 5 * time.Minute
	ownCleanup   = 10 * time.Minute
)

// Config says which network to join, and how. Host and Network are required;
// of everything else the zero value works.
type Config struct {
	// Host is the libp2p host to work on. The Router does not close it.
	Host host.Host

	// Network is Public, or the name of an own network: 1 to 64 of a-z, A-Z,
	// 0-9, ".", "_" and "-". There is no default, so that nobody joins a
	// public network by forgetting a field.
	Network string

	// Bootstrap are the peers through which to join. On Public nil means the
	// default peers of Amino and an empty list means none.
	Bootstrap []peer.AddrInfo

	// Datastore keeps the records of others and the keys to renew, under a
	// prefix of the network's own, across restarts. If nil, memory does. The
	// Router does not close it; close the host before it.
	Datastore ds.Batching

	// BucketSize is the number of peers that hold a record and the size of a
	// routing table's bucket. If 0, it is 20. Amino accepts no other.
	BucketSize int

	// Good, if not nil, returns peers that delivered proven bytes, best first:
	// they are remembered over restarts, and asked before strangers are found.
	// It is called often, from several goroutines.
	Good func() []peer.ID

	// Budget bounds what is announced.
	Budget Budget

	// Kept, if not nil, is closed once Keep has named what an earlier run was
	// a member for. Renewals begin then: what has not been named by that time
	// is forgotten, and would be written anew when it is.
	Kept <-chan struct{}

	// Logger is told of bootstrapping. If nil, nobody is.
	Logger *slog.Logger

	// Metrics is where flashcrowd_dht_lookup_seconds and
	// flashcrowd_provided_keys are registered until Close. If nil, nowhere.
	Metrics prometheus.Registerer
}

// Budget is how much a Router announces. Under it the most useful keys go
// first: what is joined now, then what Keep named earliest.
type Budget struct {
	// Keys are renewed at a time. If 0, it is 10,000 on Public, where others
	// pay for the records, and MaxKeys on an own network. MaxKeys is the most.
	Keys int
	// PerMinute is how many keys of Keep are announced for the first time. If
	// 0, it is 600 on Public and 6,000 on an own network. A Join does not wait.
	PerMinute int
}

var networkName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,64}$`)

// withDefaults returns c with its zero fields filled in.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Host == nil:
		return c, fmt.Errorf("%w: no host", ErrConfig)
	case !networkName.MatchString(c.Network):
		return c, fmt.Errorf("%w: network name %q", ErrConfig, c.Network)
	case c.BucketSize < 0:
		return c, fmt.Errorf("%w: bucket size %d", ErrConfig, c.BucketSize)
	}
	if c.BucketSize == 0 {
		c.BucketSize = amino.DefaultBucketSize
	}
	if c.public() && c.BucketSize != amino.DefaultBucketSize {
		return c, fmt.Errorf("%w: bucket size %d on network %s", ErrConfig, c.BucketSize, Public)
	}
	if c.public() && c.Bootstrap == nil {
		c.Bootstrap = PublicBootstrap()
	}
	c.Budget = c.budget()
	self := c.Host.ID()
	c.Bootstrap = slices.DeleteFunc(slices.Clone(c.Bootstrap), func(ai peer.AddrInfo) bool { return ai.ID == self })
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

func (c Config) budget() Budget {
	b := Budget{Keys: MaxKeys, PerMinute: 6000}
	if c.public() {
		b = Budget{Keys: 10_000, PerMinute: 600}
	}
	if c.Budget.Keys > 0 {
		b.Keys = min(c.Budget.Keys, MaxKeys)
	}
	if c.Budget.PerMinute > 0 {
		b.PerMinute = c.Budget.PerMinute
	}
	return b
}

func (c Config) public() bool { return c.Network == Public }

// PublicBootstrap returns the peers through which Amino is joined by default.
func PublicBootstrap() []peer.AddrInfo { return kaddht.GetDefaultBootstrapPeerAddrInfos() }
