package kad

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/namespace"
	"github.com/libp2p/go-libp2p-kad-dht/provider"
	"github.com/libp2p/go-libp2p-kad-dht/provider/keystore"
	"github.com/multiformats/go-multihash"
	"golang.org/x/time/rate"
)

// firstPeerPoll is how often announce looks for a first peer to announce to.
const firstPeerPoll = 250 * time.Millisecond

// announceEvery is how often new keys go out while a backlog waits for its
// allowance: in batches, since kad-dht shares one walk among keys that are
// close to each other.
const announceEvery = 5 * time.Second

// sweeper renews the memberships that it is given: kad-dht's sweeping provider
// and the keystore it reads. Between the keeper and it stands no queue: the
// keeper is one, in which a key that was left is gone at once.
type sweeper struct {
	keys     keystore.Keystore
	provider *provider.SweepingProvider
}

// announce carries out what the keeper wants until ctx is done. It begins when
// an earlier run's memberships are named and the first peer is known, for a provider that starts alone takes up to a
// minute to notice company.
func (r *Router) announce(ctx context.Context) error {
	if r.cfg.Kept != nil {
		select {
		case <-r.cfg.Kept:
		case <-ctx.Done():
			return nil
		}
	}
	for r.RoutingTableSize() == 0 {
		if !sleep(ctx, firstPeerPoll) {
			return nil
		}
	}
	s, err := r.openSweeper(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	}
	return errors.Join(r.carryOut(ctx, s), s.close())
}

// carryOut gives the sweeper what the keeper wants, new keys no faster than
// the budget allows, and decides from time to time which memberships are worth
// announcing, until ctx is done.
func (r *Router) carryOut(ctx context.Context, s *sweeper) error {
	perSecond := float64(r.cfg.Budget.PerMinute) / 60
	allowance := rate.NewLimiter(rate.Limit(perSecond), max(1, r.cfg.Budget.PerMinute/6))
	interval, _ := r.cfg.reprovide()
	anew := time.NewTicker(interval / 2)
	defer anew.Stop()
	var later <-chan time.Time
	for {
		select {
		case <-r.keep.wake:
		case <-later:
		case <-anew.C:
			r.damp()
			continue
		case <-ctx.Done():
			return nil
		}
		changes, more := r.keep.take(max(0, int(allowance.Tokens())))
		allowance.AllowN(time.Now(), len(changes.start)+len(changes.again))
		if err := s.apply(ctx, changes); err != nil && ctx.Err() == nil {
			r.cfg.Logger.Warn("announce", "err", err)
		}
		if later = nil; more {
			later = time.After(announceEvery)
		}
	}
}

// openSweeper starts renewing what the datastore remembers from an earlier run
// and Keep or Join has named again. What nobody named is forgotten: it may be
// what the user deleted.
func (r *Router) openSweeper(ctx context.Context) (*sweeper, error) {
	keys, err := keystore.NewKeystore(namespace.Wrap(r.store, ds.NewKey("/keys")))
	if err != nil {
		return nil, fmt.Errorf("open keystore: %w", err)
	}
	if err := r.dropUnnamed(ctx, keys); err != nil {
		return nil, errors.Join(err, keys.Close())
	}
	interval, delay := r.cfg.reprovide()
	p, err := provider.New(
		provider.WithHost(r.host),
		provider.WithRouter(r.dht),
		provider.WithMessageSender(r.dht.MessageSender()),
		provider.WithSelfAddrs(r.dht.FilteredAddrs),
		provider.WithKeystore(keys),
		provider.WithDatastore(namespace.Wrap(r.store, ds.NewKey("/sweep"))),
		provider.WithReplicationFactor(r.cfg.BucketSize),
		provider.WithReprovideInterval(interval),
		provider.WithMaxReprovideDelay(delay),
		provider.WithAddLocalRecord(r.renewLocal),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start provider: %w", err), keys.Close())
	}
	return &sweeper{keys, p}, nil
}

func (r *Router) dropUnnamed(ctx context.Context, keys keystore.Keystore) error {
	const everything = ""
	stored, err := keys.Get(ctx, everything)
	if err != nil {
		return fmt.Errorf("read keystore: %w", err)
	}
	var unnamed []multihash.Multihash
	for _, h := range stored {
		if !r.keep.wants(string(h)) {
			unnamed = append(unnamed, h)
		}
	}
	if err := keys.Delete(ctx, unnamed...); err != nil {
		return fmt.Errorf("clean keystore: %w", err)
	}
	return nil
}

// renewLocal renews this node's own record unless it has left meanwhile.
func (r *Router) renewLocal(ctx context.Context, h multihash.Multihash) error {
	if !r.keep.wants(string(h)) {
		return nil
	}
	const announce = false
	return r.dht.Provide(ctx, cid.NewCidV1(cid.Raw, h), announce)
}

func (s *sweeper) apply(ctx context.Context, c changes) error {
	var errs []error
	if len(c.stop) > 0 {
		errs = append(errs, s.provider.StopProviding(c.stop...))
	}
	if len(c.renew) > 0 {
		_, err := s.keys.Put(ctx, c.renew...)
		errs = append(errs, err, s.provider.AddToSchedule(c.renew...))
	}
	const evenIfKnown = true
	if len(c.start) > 0 {
		errs = append(errs, s.provider.StartProviding(!evenIfKnown, c.start...))
	}
	if len(c.again) > 0 {
		errs = append(errs, s.provider.StartProviding(evenIfKnown, c.again...))
	}
	return errors.Join(errs...)
}

// close ends the provider before the keystore that it writes to.
func (s *sweeper) close() error {
	return errors.Join(s.provider.Close(), s.keys.Close())
}
