package swarm

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
)

// TestExchange: what a peer offers proves the whole body, over each transport.
func TestExchange(t *testing.T) {
	for _, listen := range []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"} {
		for _, size := range []int{0, 1, piece, piece + 1, 9*piece + 17} {
			o := newObject(t, "a", size)
			far := newSwarm(t, Config{Host: newHost(t, listen), Shelf: newShelf(o)})
			near := newSwarm(t, Config{Host: newHost(t, listen)})
			p := newPeer(t, near, far.host, o.want())
			have, err := p.Have(t.Context())
			if err != nil {
				t.Fatalf("%s, %d octets: %v", listen, size, err)
			}
			list, err := p.States(t.Context())
			if err != nil {
				t.Fatalf("%s, %d octets: %v", listen, size, err)
			}
			if !have.Complete || have.ListHash != sha256.Sum256(list) || have.Has.Count() != o.proof.Digest().Layout().Pieces() {
				t.Errorf("%d octets: have is complete %v, hash %x", size, have.Complete, have.ListHash)
			}
			proveBody(t, p, o, list)
		}
	}
}

// proveBody closes the chain over all pieces of o, read from p one by one.
func proveBody(t *testing.T, p fetch.Peer, o *object, list []byte) {
	t.Helper()
	d := o.proof.Digest()
	states, err := verify.ParseStateList(d, list)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := verify.NewChain(o.proof, states)
	if err != nil {
		t.Fatal(err)
	}
	for i := range d.Layout().Pieces() {
		got, err := readSpan(t, p, d.Layout().Offset(i), d.Layout().Offset(i+1))
		if err != nil {
			t.Fatal(err)
		}
		if err := chain.Fit(i, got); err != nil {
			t.Error(err)
		}
	}
	if chain.Closed() != 0 {
		t.Errorf("pieces up to %d are not proven", chain.Closed())
	}
}

// TestConformance holds a peer against the contract of all sources. Cut and
// Stall are peers whose line breaks or goes dead.
func TestConformance(t *testing.T) {
	peerOf := func(t *testing.T, far host.Host, o *object) fetch.Source {
		return newPeer(t, newSwarm(t, Config{}), far, o.want())
	}
	object := func(t *testing.T, body []byte) *object {
		o := newObject(t, "conformance", len(body))
		o.body = body // peers prove nothing, so a false digest does here
		return o
	}
	fetchtest.Source(t, fetchtest.Sources{
		Serve: func(t *testing.T, body []byte) fetch.Source {
			o := object(t, body)
			return peerOf(t, newSwarm(t, Config{Shelf: newShelf(o)}).host, o)
		},
		Cut: func(t *testing.T, body []byte, octets int) fetch.Source {
			o := object(t, body)
			return peerOf(t, evil(t, func(st network.Stream, req request) {
				b := head(req.number, req.spans[0].Len())
				if octets > 0 {
					b = append(b, data(req.number, body[req.spans[0].Offset:][:octets], false)...)
				}
				_, _ = st.Write(b)
				_ = st.CloseWrite()
			}), o)
		},
		Stall: func(t *testing.T, body []byte, octets int) (fetch.Source, <-chan struct{}) {
			o := object(t, body)
			gone := make(chan struct{}, 1)
			return peerOf(t, evil(t, func(st network.Stream, req request) {
				if octets > 0 {
					b := head(req.number, req.spans[0].Len())
					_, _ = st.Write(append(b, data(req.number, body[req.spans[0].Offset:][:octets], false)...))
				}
				_, _ = io.Copy(io.Discard, st)
				gone <- struct{}{}
			}), o), gone
		},
	})
}

// TestPartial: of an incomplete body only the pieces that are here are served.
func TestPartial(t *testing.T) {
	o := newObject(t, "partial", 11*piece+5)
	has := fetch.NewPieces(12)
	for _, i := range []int{1, 2, 11} {
		has.Add(i)
	}
	sh := newShelf()
	sh.put(o, func() *fetch.Shelved {
		s := o.shelved()
		s.Complete, s.Has, s.States = false, has, nil
		return s
	})
	far := newSwarm(t, Config{Shelf: sh})
	p := newPeer(t, newSwarm(t, Config{}), far.host, o.want())
	have, err := p.Have(t.Context())
	if err != nil || have.Complete || have.ListHash != [32]byte{} || !bytes.Equal(have.Has, has) {
		t.Fatalf("have %+v, %v", have, err)
	}
	for _, c := range []struct {
		from, to int64
		ok       bool
	}{{piece, 3 * piece, true}, {11 * piece, 11*piece + 5, true}, {0, piece, false}, {piece, 4 * piece, false}, {10 * piece, 11*piece + 5, false}} {
		got, err := readSpan(t, p, c.from, c.to)
		if c.ok != (err == nil) || c.ok && !bytes.Equal(got, o.body[c.from:c.to]) {
			t.Errorf("%d to %d: %d octets, %v", c.from, c.to, len(got), err)
		}
		if !c.ok && !errors.Is(err, fetch.ErrUnknown) {
			t.Errorf("%d to %d: got %v, want fetch.ErrUnknown", c.from, c.to, err)
		}
	}
	if _, err := p.States(t.Context()); !errors.Is(err, fetch.ErrUnknown) {
		t.Errorf("states: got %v, want fetch.ErrUnknown", err)
	}
}

// TestStreamsAreReused: spans one after the other take one stream, spans at
// once one each, and all of them no more than the limit.
func TestStreamsAreReused(t *testing.T) {
	o := newObject(t, "reuse", 40*piece)
	sh := newShelf(o)
	far := newSwarm(t, Config{Shelf: sh})
	near := newSwarm(t, Config{Limits: Limits{StreamsOut: 3}})
	p := newPeer(t, near, far.host, o.want())
	streams := func() int {
		near.peers.mu.Lock()
		defer near.peers.mu.Unlock()
		return len(near.peers.peers[far.host.ID()].streams)
	}
	for i := range int64(5) {
		if _, err := readSpan(t, p, i*piece, (i+1)*piece); err != nil {
			t.Fatal(err)
		}
	}
	if n := streams(); n != 1 {
		t.Errorf("%d streams for spans one after the other", n)
	}
	var wg sync.WaitGroup
	for i := range int64(40) {
		wg.Go(func() {
			got, err := readSpan(t, p, i*piece, (i+1)*piece)
			if err != nil || !bytes.Equal(got, o.body[i*piece:(i+1)*piece]) {
				t.Errorf("span %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if n := streams(); n > 3 {
		t.Errorf("%d streams, limit 3", n)
	}
	eventually(t, "all shelved bodies closed", func() bool {
		sh.mu.Lock()
		defer sh.mu.Unlock()
		return sh.open == 0 && sh.served == 45*piece
	})
	info := infoOf(near, far.host.ID())
	if info.BytesFrom != 45*piece || info.State != OK || info.Transport != "tcp" || info.Direction != "outbound" || len(info.Addrs) == 0 {
		t.Errorf("peer is described as %+v", info)
	}
	if info := infoOf(far, near.host.ID()); info.BytesTo != 45*piece || info.Direction != "inbound" {
		t.Errorf("asker is described as %+v", info)
	}
}

// TestIdleStreamClosedByPeer: a line that the peer gave up while it idled
// costs a second try and no error.
func TestIdleStreamClosedByPeer(t *testing.T) {
	o := newObject(t, "idle", 2*piece)
	far := newSwarm(t, Config{Shelf: newShelf(o), Limits: Limits{Pause: 20 * time.Millisecond}})
	near := newSwarm(t, Config{})
	p := newPeer(t, near, far.host, o.want())
	for range 3 {
		if _, err := p.Have(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the server gives the stream up", func() bool {
			far.peers.mu.Lock()
			defer far.peers.mu.Unlock()
			return far.peers.inbound == 0
		})
	}
	if i := infoOf(near, far.host.ID()); i.State != OK || i.RTT <= 0 {
		t.Errorf("peer is described as %+v", i)
	}
}

// TestPipelining: requests that are sent ahead are answered in order.
func TestPipelining(t *testing.T) {
	o := newObject(t, "pipeline", 5*piece)
	far := newSwarm(t, Config{Shelf: newShelf(o)})
	st := connect(t, newHost(t), far.host)
	var b []byte
	b = appendRequest(b, o.request(7, askGet, fetch.Span{Offset: 0, End: piece}, fetch.Span{Offset: 3 * piece, End: 5 * piece}))
	b = appendRequest(b, o.request(8, 0)) // of no kind
	b = appendRequest(b, o.request(9, askGet, fetch.Span{Offset: piece, End: 2 * piece}))
	write(t, st, b)
	if err := st.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(st)
	if err != nil {
		t.Fatal(err)
	}
	want := head(7, 3*piece)
	want = append(want, data(7, o.body[:piece], false)...)
	want = append(want, data(7, o.body[3*piece:], true)...)
	want = appendAnswer(want, 8, ansGone, nil)
	want = append(want, head(9, piece)...)
	want = append(want, data(9, o.body[piece:2*piece], true)...)
	if !bytes.Equal(got, want) {
		t.Errorf("got %d octets, want %d, the same up to %d", len(got), len(want), common(got, want))
	}
}

func common(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// TestCloseEndsReaders: no reader outlives the swarm.
func TestCloseEndsReaders(t *testing.T) {
	o := newObject(t, "close", 64*piece)
	far := newSwarm(t, Config{Shelf: newShelf(o)})
	near := newSwarm(t, Config{})
	p := newPeer(t, near, far.host, o.want())
	r, err := p.Open(t.Context(), fetch.Span{Offset: 0, End: 64 * piece})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := near.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, ErrClosed) {
		t.Errorf("read: got %v, want ErrClosed", err)
	}
	if _, err := p.Have(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("have: got %v, want ErrClosed", err)
	}
}
