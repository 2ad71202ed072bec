package swarm

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
	"github.com/google/go-cmp/cmp"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

func openDB(t *testing.T, fs vfs.FS) *pebble.DB {
	t.Helper()
	db, err := pebble.Open("db", &pebble.Options{FS: fs, Logger: quietLogger{t}})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

type quietLogger struct{ t *testing.T }

func (quietLogger) Infof(string, ...any)        {}
func (quietLogger) Errorf(string, ...any)       {}
func (l quietLogger) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

// TestBanOutlivesRestart: a ban holds in both directions in the next run, and
// its proof is still there.
func TestBanOutlivesRestart(t *testing.T) {
	fs := vfs.NewMem()
	o := newObject(t, "ban", 4*piece)
	liar := evil(t, func(st network.Stream, req request) {
		send(st, head(req.number, req.spans[0].Len()), data(req.number, o.body, true))
	})
	host := newHost(t)
	db := openDB(t, fs)
	var log bytes.Buffer
	cfg := Config{Host: host, DB: db, Shelf: newShelf(o), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Serve()
	if _, err := readSpan(t, newPeer(t, s, liar, o.want()), piece, 2*piece); !errors.Is(err, fetch.ErrBanned) {
		t.Fatalf("got %v, want fetch.ErrBanned", err)
	}
	lies := s.Bans()
	if len(lies) != 1 || lies[0].Peer != liar.ID().String() || lies[0].Piece != 1 || lies[0].Digest != o.proof.Digest().String() {
		t.Errorf("lies: %v", lies)
	}
	if n := valueOf(t, s.metrics.banned); n != 1 {
		t.Errorf("metric says %v", n)
	}
	if n := valueOf(t, s.metrics.rejected.WithLabelValues(rejectLength)); n != dataSize {
		t.Errorf("%v octets counted as rejected", n)
	}
	if !strings.Contains(log.String(), "msg=peer_banned peer="+liar.ID().String()) {
		t.Errorf("log: %s", &log)
	}
	eventually(t, "the liar's connection is closed", func() bool {
		return liar.Network().Connectedness(host.ID()) != network.Connected
	})
	s.Close()
	db.Close()

	cfg.DB = openDB(t, fs)
	defer cfg.DB.Close()
	s = newSwarm(t, cfg)
	defer s.Close()
	if diff := cmp.Diff(lies, s.Bans(), cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
		t.Error(diff)
	}
	if n := valueOf(t, s.metrics.banned); n != 1 {
		t.Errorf("metric says %v", n)
	}
	if _, err := s.Peer(memberOf(liar), o.want()); !errors.Is(err, fetch.ErrBanned) {
		t.Errorf("got %v, want fetch.ErrBanned", err)
	}
	st := connect(t, liar, host)
	write(t, st, appendRequest(nil, o.request(1, askHave)))
	if a, err := decodeAnswer(readFrame(t, &frames{r: newReader(st)})); err != nil || a.kind != ansGone {
		t.Errorf("the liar is told %+v, %v", a, err)
	}
	if i := infoOf(s, liar.ID()); i.State != Banned || !strings.Contains(i.Reason, "65536 octets") {
		t.Errorf("liar is described as %+v", i)
	}
}

// TestBanEndsExchange: what is under way with a peer ends when it is banned,
// in both directions, and other peers notice nothing.
func TestBanEndsExchange(t *testing.T) {
	o := newObject(t, "ban", 400*piece)
	a := newSwarm(t, Config{Shelf: newShelf(o)})
	b := newSwarm(t, Config{Shelf: newShelf(o)})
	c := newSwarm(t, Config{Shelf: newShelf(o)})
	span := fetch.Span{Offset: 0, End: 400 * piece}
	open := func(p fetch.Peer) io.ReadCloser {
		r, err := p.Open(t.Context(), span)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	toB := newPeer(t, a, b.host, o.want())
	ab, ba, ac := open(toB), open(newPeer(t, b, a.host, o.want())), open(newPeer(t, a, c.host, o.want()))
	a.Ban(verify.ListLie(b.host.ID().String(), o.proof.Digest(), [32]byte{1}, [32]byte{2}, time.Now()))
	if _, err := io.ReadAll(ab); !errors.Is(err, fetch.ErrBanned) {
		t.Errorf("reader of the banned peer: %v", err)
	}
	if _, err := toB.Have(t.Context()); !errors.Is(err, fetch.ErrBanned) {
		t.Errorf("have of the banned peer: %v", err)
	}
	if _, err := io.ReadAll(ba); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reader of the peer that is banned: %v", err)
	}
	if n, err := io.Copy(io.Discard, ac); n != 400*piece || err != nil {
		t.Errorf("reader of another peer: %d octets, %v", n, err)
	}
	if len(b.Bans()) != 0 {
		t.Errorf("the banned one bans: %v", b.Bans())
	}
}

// TestBanNobody: what is no peer's lie bans nobody, and does no harm.
func TestBanNobody(t *testing.T) {
	s := newSwarm(t, Config{})
	for _, name := range []string{"", "nonsense", s.host.ID().String()} {
		s.Ban(verify.Lie{Peer: name})
	}
	if len(s.Bans()) != 0 {
		t.Errorf("banned: %v", s.Bans())
	}
}

func somePeer(t *testing.T) peer.ID {
	t.Helper()
	_, key, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestBansAreBounded: the oldest ban gives way, on disk too; unreadable
// records cost nothing but themselves.
func TestBansAreBounded(t *testing.T) {
	fs := vfs.NewMem()
	db := openDB(t, fs)
	start := time.Now()
	b, err := openBans(db, 3, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var ids []peer.ID
	var wg sync.WaitGroup
	for i := range 5 {
		id := somePeer(t)
		ids = append(ids, id)
		lie := verify.Lie{Peer: id.String(), At: start.Add(time.Duration(i) * time.Second)}
		for range 3 { // of several that find the lie at once, one is first
			wg.Go(func() {
				if _, err := b.add(id, lie); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	check := func(b *bans) {
		t.Helper()
		for i, id := range ids {
			if b.has(id) != (i >= 2) {
				t.Errorf("peer %d: banned is %v", i, b.has(id))
			}
		}
		if b.count() != 3 {
			t.Errorf("%d bans", b.count())
		}
	}
	check(b)
	b.close()
	if n := records(t, db); n != 3 {
		t.Errorf("%d records on disk", n)
	}
	other, err := json.Marshal(verify.Lie{Peer: ids[0].String()})
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{
		banPrefix + "xyz": "{}", banPrefix: "", banPrefix + string(ids[0]): "not json", banPrefix + string(ids[1]): string(other),
		"swarm/bao": "not ours", "a": "nor this",
	} {
		if err := db.Set([]byte(key), []byte(value), pebble.Sync); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	db = openDB(t, fs)
	defer db.Close()
	if b, err = openBans(db, 3, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	check(b)
}

// records counts what db holds.
func records(t *testing.T, db *pebble.DB) int {
	t.Helper()
	it, err := db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	n := 0
	for it.First(); it.Valid(); it.Next() {
		n++
	}
	return n
}

// TestBanDuringDial: a ban that comes while the peer is being dialled holds.
func TestBanDuringDial(t *testing.T) {
	o := newObject(t, "race", 4*piece)
	far := newSwarm(t, Config{Shelf: newShelf(o)})
	near := newSwarm(t, Config{})
	p := newPeer(t, near, far.host, o.want())
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				_, err := p.Have(ctx)
				if errors.Is(err, fetch.ErrBanned) {
					return
				}
				if err != nil {
					t.Errorf("have: %v", err)
					return
				}
			}
		})
	}
	near.Ban(verify.LengthLie(far.host.ID().String(), o.proof.Digest(), 0, 1, 2, time.Now()))
	wg.Wait()
	eventually(t, "no stream to the banned peer is left", func() bool {
		return len(near.peers.streamsOf(far.host.ID())) == 0
	})
}
