package swarm

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/flashcrowd/flashcrowd/verify"
	"github.com/libp2p/go-libp2p/core/peer"
)

// banPrefix begins the keys of bans; the octets of the peer ID follow, and the
// value is the lie as JSON.
const banPrefix = "swarm/ban/"

// bans are the peers that lied, each with the proof. They do not expire; when
// there are too many, the oldest give way.
type bans struct {
	limit int
	log   *slog.Logger

	mu   sync.RWMutex // guards following
	lies map[peer.ID]verify.Lie

	writing sync.Mutex // guards following, and is held while db is used
	db      *pebble.DB // nil when there is none, or after close
}

// openBans loads what is banned. A record that does not read is passed over:
// a broken disk may cost a ban, and must not cost the start.
func openBans(db *pebble.DB, limit int, log *slog.Logger) (*bans, error) {
	b := &bans{limit: limit, log: log, lies: make(map[peer.ID]verify.Lie), db: db}
	if db == nil {
		return b, nil
	}
	end := []byte(banPrefix)
	end[len(end)-1]++
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte(banPrefix), UpperBound: end})
	if err != nil {
		return nil, fmt.Errorf("iterate: %w", err)
	}
	broken := 0
	for it.First(); it.Valid(); it.Next() {
		id, lie, err := decodeBan(it.Key(), it.Value())
		if err != nil {
			broken++
			continue
		}
		b.putLocked(id, lie)
	}
	if broken > 0 {
		log.Warn("bans unreadable", "count", broken)
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return nil, fmt.Errorf("iterate: %w", err)
	}
	return b, nil
}

func decodeBan(key, value []byte) (peer.ID, verify.Lie, error) {
	id, err := peer.IDFromBytes(key[len(banPrefix):])
	if err != nil {
		return "", verify.Lie{}, fmt.Errorf("decode peer: %w", err)
	}
	var lie verify.Lie
	if err := json.Unmarshal(value, &lie); err != nil {
		return "", verify.Lie{}, fmt.Errorf("decode lie: %w", err)
	}
	if lie.Peer != id.String() {
		return "", verify.Lie{}, fmt.Errorf("decode lie: it is about another peer")
	}
	return id, lie, nil
}

// putLocked adds a ban and returns whom it pushed out, if anybody. During
// openBans no lock is needed.
func (b *bans) putLocked(id peer.ID, lie verify.Lie) (pushed peer.ID) {
	if _, again := b.lies[id]; !again && len(b.lies) >= b.limit {
		for other, l := range b.lies {
			if pushed == "" || l.At.Before(b.lies[pushed].At) {
				pushed = other
			}
		}
		delete(b.lies, pushed)
	}
	b.lies[id] = lie
	return pushed
}

// add remembers that peer id told lie, at once in memory and before it returns
// also on disk. It is false when the peer was banned already.
func (b *bans) add(id peer.ID, lie verify.Lie) (bool, error) {
	b.mu.Lock()
	if _, again := b.lies[id]; again {
		b.mu.Unlock()
		return false, nil
	}
	pushed := b.putLocked(id, lie)
	b.mu.Unlock()

	value, err := json.Marshal(lie)
	if err != nil {
		return true, fmt.Errorf("encode lie: %w", err)
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	if b.db == nil {
		return true, nil
	}
	batch := b.db.NewBatch()
	defer batch.Close()
	err = batch.Set(banKey(id), value, nil)
	if pushed != "" {
		err = errors.Join(err, batch.Delete(banKey(pushed), nil))
	}
	if err = errors.Join(err, batch.Commit(pebble.Sync)); err != nil {
		return true, fmt.Errorf("store ban: %w", err)
	}
	return true, nil
}

func banKey(id peer.ID) []byte { return append([]byte(banPrefix), id...) }

func (b *bans) has(id peer.ID) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, banned := b.lies[id]
	return banned
}

func (b *bans) count() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.lies)
}

// list returns all lies, the latest first.
func (b *bans) list() []verify.Lie {
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := make([]verify.Lie, 0, len(b.lies))
	for _, l := range b.lies {
		out = append(out, l)
	}
	slices.SortFunc(out, func(x, y verify.Lie) int { return y.At.Compare(x.At) })
	return out
}

// close ends all use of the database.
func (b *bans) close() {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.db = nil
}

// Ban ends all exchange with the peer that lie is about, for this run and
// those to come: its streams and connections are closed, it is not asked any
// more, and to what it asks the answer is that there is nothing.
func (s *Swarm) Ban(lie verify.Lie) {
	id, err := peer.Decode(lie.Peer)
	if err != nil || id == s.host.ID() {
		s.log.Warn("no peer to ban", "peer", lie.Peer)
		return
	}
	if lie.At.IsZero() {
		lie.At = time.Now()
	}
	lie.Peer = id.String()
	first, err := s.bans.add(id, lie)
	if err != nil {
		s.log.Error("ban is not stored", "peer", id, "err", err)
	}
	if first {
		s.metrics.banned.Set(float64(s.bans.count()))
		s.log.Warn("peer_banned", "peer", id, "digest", lie.Digest, "piece", lie.Piece,
			"committed", lie.Committed, "sent", lie.Sent)
	}
	for _, st := range s.peers.streamsOf(id) {
		_ = st.Reset()
	}
	if err := s.host.Network().ClosePeer(id); err != nil {
		s.log.Debug("close connections of banned peer", "peer", id, "err", err)
	}
}

// Bans returns why peers are banned, the latest first.
func (s *Swarm) Bans() []verify.Lie { return s.bans.list() }
