package kad

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/event"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Records say where their member is dialled. When none of what they say holds
// any more, as after a move to another network, or once a node behind a router
// has a place at a relay, they are written again, under the same budget as new
// ones.
const (
	// movedSettle is how long after a change of addresses they are looked at:
	// they change one by one.
	movedSettle = 10 * time.Second
	// movedEvery is the least time between two rounds.
	movedEvery = 10 * time.Minute
)

// namedKey is where the addresses of the records lie in the datastore.
var namedKey = ds.NewKey("/named")

// watchAddrs follows the addresses of this node until ctx is done.
func (r *Router) watchAddrs(ctx context.Context) {
	sub, err := r.host.EventBus().Subscribe(new(event.EvtLocalAddressesUpdated))
	if err != nil {
		r.cfg.Logger.Warn("watch addresses", "err", err)
		return
	}
	defer sub.Close()
	named := r.readNamed(ctx)
	var written time.Time
	due := time.After(movedSettle)
	for {
		select {
		case <-sub.Out():
			if due == nil {
				due = time.After(max(movedSettle, movedEvery-time.Since(written)))
			}
		case <-due:
			due = nil
			now, moved := moved(named, dialledAt(r.dht.FilteredAddrs()))
			if moved {
				r.cfg.Logger.Info("addresses changed", "addrs", now)
				written = time.Now()
				r.keep.again()
			}
			if !slices.Equal(named, now) {
				named = now
				r.writeNamed(ctx, named)
			}
		case <-ctx.Done():
			return
		}
	}
}

// moved returns what all records name that were or are being written, when the
// earlier ones name before and this node is at now; and whether those have to be
// written again, since they name nothing that holds.
func moved(before, now []string) (named []string, again bool) {
	if len(now) == 0 {
		return before, false // there is nothing to tell
	}
	both := slices.DeleteFunc(slices.Clone(before), func(a string) bool { return !slices.Contains(now, a) })
	if len(both) > 0 {
		return both, false
	}
	return now, len(before) > 0
}

// dialledAt returns the addresses by which this node is found from far away,
// sorted: public ones and places at relays. Where there is none of those, all but
// loopback.
func dialledAt(addrs []ma.Multiaddr) []string {
	far := ma.FilterAddrs(addrs, func(a ma.Multiaddr) bool {
		_, err := a.ValueForProtocol(ma.P_CIRCUIT)
		return err == nil || manet.IsPublicAddr(a)
	})
	if len(far) == 0 {
		far = ma.FilterAddrs(addrs, func(a ma.Multiaddr) bool { return !manet.IsIPLoopback(a) })
	}
	var out []string
	for _, a := range far {
		out = append(out, a.String())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// readNamed returns what the records of an earlier run name; what does not read
// is as if there were none.
func (r *Router) readNamed(ctx context.Context) (named []string) {
	raw, err := r.store.Get(ctx, namedKey)
	if err == nil {
		err = json.Unmarshal(raw, &named)
	}
	if err != nil {
		return nil
	}
	return named
}

func (r *Router) writeNamed(ctx context.Context, named []string) {
	raw, err := json.Marshal(named)
	if err == nil {
		err = r.store.Put(ctx, namedKey, raw)
	}
	if err != nil && ctx.Err() == nil {
		r.cfg.Logger.Warn("announce", "err", fmt.Errorf("write addresses: %w", err))
	}
}
