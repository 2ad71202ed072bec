package kad

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/libp2p/go-libp2p-kad-dht/records"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-base32"
)

// shelter is the datastore of the records that are held for others, without
// those that the guard refused.
type shelter struct{ ds.Batching }

// refusedPrefix is where kad-dht puts records under the key refused.
var refusedPrefix = records.ProvidersKeyPrefix + base32.RawStdEncoding.EncodeToString(refused) + "/"

func unwanted(k ds.Key) bool { return strings.HasPrefix(k.String(), refusedPrefix) }

// Put stores nothing for a refused record.
func (s shelter) Put(ctx context.Context, k ds.Key, value []byte) error {
	if unwanted(k) {
		return nil
	}
	return s.Batching.Put(ctx, k, value)
}

// Batch returns a batch that leaves refused records out.
func (s shelter) Batch(ctx context.Context) (ds.Batch, error) {
	b, err := s.Batching.Batch(ctx)
	return shelterBatch{b}, err
}

type shelterBatch struct{ ds.Batch }

func (b shelterBatch) Put(ctx context.Context, k ds.Key, value []byte) error {
	if unwanted(k) {
		return nil
	}
	return b.Batch.Put(ctx, k, value)
}

// load counts the records of an earlier run. Their address groups are not
// known any more until they are renewed.
func (g *guard) load(ctx context.Context, store ds.Datastore) error {
	found, err := store.Query(ctx, query.Query{Prefix: records.ProvidersKeyPrefix})
	if err != nil {
		return fmt.Errorf("kad: read records: %w", err)
	}
	defer found.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for e := range found.Next() {
		if e.Error != nil {
			return fmt.Errorf("kad: read records: %w", e.Error)
		}
		key, member, ok := parseRecord(e.Key)
		nanos, n := binary.Varint(e.Value)
		at := time.Unix(0, nanos)
		if !ok || n <= 0 || now.Sub(at) > g.validity || g.n >= caps.inAll {
			continue // kad-dht's own cleaning sees to it
		}
		if at.After(now) { // the clock was set back
			at = now
		}
		g.putLocked(key, record{member: member, at: at})
	}
	return nil
}

// parseRecord reads a datastore key, PREFIX/base32(key)/base32(member).
func parseRecord(dsKey string) (key string, member peer.ID, ok bool) {
	k, m, ok := strings.Cut(strings.TrimPrefix(dsKey, records.ProvidersKeyPrefix), "/")
	rawKey, err1 := base32.RawStdEncoding.DecodeString(k)
	rawMember, err2 := base32.RawStdEncoding.DecodeString(m)
	return string(rawKey), peer.ID(rawMember), ok && err1 == nil && err2 == nil
}
