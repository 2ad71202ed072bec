package kad

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	ma "github.com/multiformats/go-multiaddr"
)

// The book is the peers that this node will dial when it starts again: those
// that proved good first, then some of the routing table. A network whose
// bootstrap peers are gone, or blocked, is still joined.
const (
	bookSize  = 64
	bookGood  = 16 // of them, at most, for having been good
	bookEvery = 5 * time.Minute
	bookDials = 16 // dialled when the node starts; the rest is for later attempts
)

var bookKey = ds.NewKey("/book")

// entry is a peer as the datastore keeps it.
type entry struct {
	ID    peer.ID  `json:"id"`
	Addrs []string `json:"addrs"`
}

// writeBook stores the peers that are good now. With none there is nothing to
// say: what an earlier run knew is kept.
func (r *Router) writeBook(ctx context.Context) error {
	var page []entry
	for _, p := range r.worthKeeping() {
		if addrs := r.dialable(p, r.host.Peerstore().Addrs(p)); len(addrs) > 0 && len(page) < bookSize {
			page = append(page, entry{p, addrs})
		}
	}
	if len(page) == 0 {
		return nil
	}
	raw, err := json.Marshal(page)
	if err != nil {
		return fmt.Errorf("kad: write peers: %w", err)
	}
	if err := r.store.Put(ctx, bookKey, raw); err != nil {
		return fmt.Errorf("kad: write peers: %w", err)
	}
	return nil
}

// worthKeeping returns good peers, best first, and then the routing table in
// random order, those first to which there is a connection.
func (r *Router) worthKeeping() []peer.ID {
	ids := r.good()
	table := r.dht.RoutingTable().ListPeers()
	rand.Shuffle(len(table), func(i, j int) { table[i], table[j] = table[j], table[i] })
	slices.SortStableFunc(table, func(a, b peer.ID) int { return r.distance(a) - r.distance(b) })
	for _, p := range table {
		if !slices.Contains(ids, p) {
			ids = append(ids, p)
		}
	}
	return ids
}

func (r *Router) distance(p peer.ID) int {
	if r.host.Network().Connectedness(p) == network.Connected {
		return 0
	}
	return 1
}

// good returns at most bookGood peers that Config.Good names.
func (r *Router) good() []peer.ID {
	if r.cfg.Good == nil {
		return nil
	}
	ids := slices.Clone(r.cfg.Good())
	ids = slices.DeleteFunc(ids, func(p peer.ID) bool { return p == r.self })
	return ids[:min(len(ids), bookGood)]
}

// readBook returns the peers of an earlier run. A book that cannot be read is
// an empty one.
func (r *Router) readBook(ctx context.Context) []peer.AddrInfo {
	raw, err := r.store.Get(ctx, bookKey)
	if err != nil {
		return nil
	}
	var page []entry
	if err := json.Unmarshal(raw, &page); err != nil {
		r.cfg.Logger.Warn("remembered peers", "err", err)
		return nil
	}
	var infos []peer.AddrInfo
	for _, e := range page[:min(len(page), bookSize)] {
		ai := peer.AddrInfo{ID: e.ID}
		for _, text := range e.Addrs[:min(len(e.Addrs), maxAddrs)] {
			if a, err := ma.NewMultiaddr(text); err == nil {
				ai.Addrs = append(ai.Addrs, a)
			}
		}
		if e.ID != r.self && e.ID.Validate() == nil && len(ai.Addrs) > 0 {
			infos = append(infos, ai)
		}
	}
	return infos
}

// keepBook writes the book from time to time until ctx is done, and then once
// more.
func (r *Router) keepBook(ctx context.Context) {
	for sleep(ctx, bookEvery) {
		r.noteBook(ctx)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	r.noteBook(last)
}

func (r *Router) noteBook(ctx context.Context) {
	if err := r.writeBook(ctx); err != nil && ctx.Err() == nil {
		r.cfg.Logger.Warn("remember peers", "err", err)
	}
}

// openBook dials peers of an earlier run, so that the routing table is filled
// by the time the first key is asked for. It waits for nobody.
func (r *Router) openBook(ctx context.Context, work *sync.WaitGroup) {
	for _, ai := range r.readBook(ctx) {
		r.host.Peerstore().AddAddrs(ai.ID, ai.Addrs, peerstore.TempAddrTTL)
		r.remembered = append(r.remembered, ai)
	}
	for _, ai := range r.remembered[:min(len(r.remembered), bookDials)] {
		work.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, dialLimit)
			defer cancel()
			if err := r.host.Connect(ctx, ai); err != nil {
				r.cfg.Logger.Debug("remembered peer", "peer", ai.ID, "err", err)
			}
		})
	}
}
