package swarm

import (
	"bytes"
	"errors"
	"io"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"google.golang.org/protobuf/encoding/protowire"
)

// TestUniformRefusal: whoever lacks the version token gets the very same
// octets, whether the object is there or not; and so does a banned peer.
func TestUniformRefusal(t *testing.T) {
	here, other := newObject(t, "here", 4*piece), newObject(t, "not here", 4*piece)
	far := newSwarm(t, Config{Shelf: newShelf(here)})
	stranger, liar := newHost(t), newHost(t)
	far.Ban(verify.LengthLie(liar.ID().String(), here.proof.Digest(), 0, 1, 2, time.Now()))

	span := fetch.Span{Offset: 0, End: piece}
	cases := map[string]struct {
		asker  host.Host
		change func(r *request)
	}{
		"unknown id":       {stranger, func(r *request) { r.id = other.id }},
		"unknown token":    {stranger, func(r *request) { r.token = other.want().Token() }},
		"no token":         {stranger, func(r *request) { r.token = verify.Token{} }},
		"other object":     {stranger, func(r *request) { r.id, r.token = other.id, other.want().Token() }},
		"other coding":     {stranger, func(r *request) { r.coding = "gzip" }},
		"unaligned":        {stranger, func(r *request) { r.id, r.spans = other.id, []fetch.Span{{Offset: 1, End: 2}} }},
		"unaligned, known": {stranger, func(r *request) { r.spans = []fetch.Span{{Offset: 1, End: 2}} }},
		"out of range":     {stranger, func(r *request) { r.spans = []fetch.Span{{Offset: 4 * piece, End: 5 * piece}} }},
		"banned asker":     {liar, func(r *request) {}},
		"unknown kind":     {stranger, func(r *request) { r.kind = 19; r.spans = nil }},
	}
	for name, c := range cases {
		for _, k := range []kind{askHave, askGet, askStates} {
			req := here.request(5, k, span)
			c.change(&req)
			if req.kind != askGet {
				req.spans = nil
				if name == "unaligned, known" || name == "out of range" {
					continue
				}
			}
			st := connect(t, c.asker, far.host)
			write(t, st, appendRequest(nil, req))
			_ = st.CloseWrite()
			got, err := io.ReadAll(st)
			if want := appendAnswer(nil, 5, ansGone, nil); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, kind %d: got %x, %v, want %x", name, k, got, err, want)
			}
		}
	}
	// All of this would also hold of a server that refuses everybody.
	st := connect(t, stranger, far.host)
	write(t, st, appendRequest(nil, here.request(5, askGet, span)))
	if a, err := decodeAnswer(readFrame(t, &frames{r: newReader(st)})); err != nil || a.kind != ansHead {
		t.Errorf("who knows the token got %+v, %v", a, err)
	}
}

// TestBannedAskerIsLookedUp: the refusal of a banned asker takes the same way
// through the shelf as any other.
func TestBannedAskerIsLookedUp(t *testing.T) {
	o := newObject(t, "here", piece)
	sh := newShelf(o)
	far := newSwarm(t, Config{Shelf: sh})
	liar := newHost(t)
	far.Ban(verify.LengthLie(liar.ID().String(), o.proof.Digest(), 0, 1, 2, time.Now()))
	st := connect(t, liar, far.host)
	write(t, st, appendRequest(nil, o.request(1, askHave)))
	readFrame(t, &frames{r: newReader(st)})
	if len(sh.asked) != 1 || sh.asked[0] == o.want().Token() {
		t.Errorf("the shelf was asked for %v", sh.asked)
	}
}

// TestMalformedRequest: what no honest node sends resets the stream, and
// nothing else comes of it.
func TestMalformedRequest(t *testing.T) {
	o := newObject(t, "abuse", 4*piece)
	get := func(spans ...fetch.Span) []byte { return appendRequest(nil, o.request(1, askGet, spans...)) }
	raw := func(kind protowire.Number, body []byte) []byte {
		b := appendUint(nil, 1, 1)
		b = appendBytes(b, 2, o.id[:])
		token := o.want().Token()
		b = appendBytes(b, 3, token[:])
		return appendFrame(nil, appendBytes(b, kind, body))
	}
	rawSpan := func(offset, length uint64) []byte {
		return raw(6, appendBytes(nil, 1, appendUint(appendUint(nil, 1, offset), 2, length)))
	}
	var many []fetch.Span
	for i := range int64(257) {
		many = append(many, fetch.Span{Offset: i * piece, End: (i + 1) * piece})
	}
	cases := map[string][]byte{
		"257 spans":               get(many...),
		"no spans":                raw(6, nil),
		"empty span":              rawSpan(piece, 0),
		"negative offset":         rawSpan(math.MaxUint64, piece),
		"offset 2^63":             rawSpan(1<<63, piece),
		"length 2^63":             rawSpan(0, 1<<63),
		"end beyond 2^63":         rawSpan(math.MaxInt64-1, piece),
		"spans overlap":           get(fetch.Span{Offset: 0, End: 2 * piece}, fetch.Span{Offset: piece, End: 3 * piece}),
		"spans fall":              get(fetch.Span{Offset: piece, End: 2 * piece}, fetch.Span{Offset: 0, End: piece}),
		"the same span 256 times": get(bytes256(fetch.Span{Offset: 0, End: piece})...),
		"two kinds":               appendFrame(nil, appendBytes(raw(5, nil)[1:], 7, nil)),
		"id of 31 octets":         appendFrame(nil, appendBytes(appendUint(nil, 1, 1), 2, make([]byte, 31))),
		"id of 1 MiB":             protowire.AppendVarint(nil, 1<<20),
		"no token":                appendFrame(nil, appendBytes(appendUint(nil, 1, 1), 2, o.id[:])),
		"no number":               appendFrame(nil, raw(5, nil)[3:]),
		"long coding":             appendRequest(nil, request{number: 1, coding: "0123456789012345678901234567890123", kind: askHave}),
		"frame of no octets":      {0},
		"frame too long":          protowire.AppendVarint(nil, maxRequest+1),
		"overlong length":         {0x81, 0x80, 0x00},
		"endless length":          bytes.Repeat([]byte{0xff}, 20),
		"group":                   appendFrame(nil, bytes.Repeat([]byte{0x0b}, 1000)),
		"garbage":                 appendFrame(nil, repeat("\xff\x00", 300)),
		"HTTP":                    []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
	}
	sh := newShelf(o)
	far := newSwarm(t, Config{Shelf: sh, Limits: quick})
	for name, b := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := connect(t, newHost(t), far.host)
			write(t, st, b)
			got, err := io.ReadAll(st)
			if !errors.Is(err, network.ErrReset) || len(got) != 0 {
				t.Errorf("got %d octets, %v, want a reset", len(got), err)
			}
		})
	}
	t.Cleanup(func() {
		if len(sh.asked) != 0 {
			t.Errorf("the shelf was asked %d times", len(sh.asked))
		}
	})
}

func bytes256(s fetch.Span) []fetch.Span {
	var out []fetch.Span
	for range 256 {
		out = append(out, s)
	}
	return out
}

// TestSlowAsker: neither a request that does not end, nor an asker that says
// nothing, nor one that does not read holds a stream for long.
func TestSlowAsker(t *testing.T) {
	o := newObject(t, "slow", 400*piece)
	sh := newShelf(o)
	far := newSwarm(t, Config{Shelf: sh, Limits: quick})
	for name, b := range map[string][]byte{
		"says nothing":     nil,
		"half a length":    {0x80},
		"half a request":   appendRequest(nil, o.request(1, askHave))[:20],
		"announces 64 KiB": protowire.AppendVarint(nil, maxRequest),
	} {
		st := connect(t, newHost(t), far.host)
		if b == nil {
			// A stream reaches the far side with its first octets only.
			b = appendRequest(nil, request{number: 1, kind: askHave})
		}
		write(t, st, b)
		if _, err := io.ReadAll(st); !errors.Is(err, network.ErrReset) {
			t.Errorf("%s: got %v, want a reset", name, err)
		}
	}
	st := connect(t, newHost(t), far.host)
	write(t, st, appendRequest(nil, o.request(1, askGet, fetch.Span{Offset: 0, End: 400 * piece})))
	eventually(t, "the stalled reader is dropped", func() bool {
		sh.mu.Lock()
		defer sh.mu.Unlock()
		return sh.served > 0 && sh.open == 0
	})
	if sh.served >= 400*piece {
		t.Error("the asker was sent all that it did not read")
	}
}

// TestOctetByOctet: a request that dribbles in is dropped, however lively.
func TestOctetByOctet(t *testing.T) {
	o := newObject(t, "dribble", piece)
	far := newSwarm(t, Config{Shelf: newShelf(o), Limits: quick})
	st := connect(t, newHost(t), far.host)
	tick := time.NewTicker(quick.Idle / 20)
	defer tick.Stop()
	for _, c := range appendRequest(nil, o.request(1, askHave)) {
		<-tick.C
		if !send(st, []byte{c}) {
			break
		}
	}
	if _, err := io.ReadAll(st); !errors.Is(err, network.ErrReset) {
		t.Errorf("got %v, want a reset", err)
	}
}

// TestThousandStreams: one peer gets so many streams and no more, and others
// are served meanwhile.
func TestThousandStreams(t *testing.T) {
	o := newObject(t, "flood", 4*piece)
	far := newSwarm(t, Config{Shelf: newShelf(o)})
	attacker := newHost(t)
	connect(t, attacker, far.host)
	var wg sync.WaitGroup
	var mu sync.Mutex
	opened, reset := 0, 0
	for range 1000 {
		wg.Go(func() {
			st, err := attacker.NewStream(t.Context(), far.host.ID(), Protocol)
			if err != nil {
				return
			}
			_ = st.SetDeadline(time.Now().Add(2 * time.Second))
			_, _ = st.Write([]byte{0x80})
			_, err = st.Read(make([]byte, 1))
			mu.Lock()
			defer mu.Unlock()
			opened++
			if errors.Is(err, network.ErrReset) {
				reset++
			}
		})
	}
	p := newPeer(t, newSwarm(t, Config{}), far.host, o.want())
	for range 20 {
		if got, err := readSpan(t, p, 0, 4*piece); err != nil || !bytes.Equal(got, o.body) {
			t.Errorf("an honest asker got %d octets, %v", len(got), err)
		}
	}
	wg.Wait()
	if kept := opened - reset; kept > 32 || kept == 0 {
		t.Errorf("%d of %d streams were kept", kept, opened)
	}
	eventually(t, "all of it is over", func() bool {
		far.peers.mu.Lock()
		defer far.peers.mu.Unlock()
		r := far.peers.peers[attacker.ID()]
		return r == nil || r.inbound <= 32
	})
}

// TestBusy: without a slot the answer is busy, for the unknown as well.
func TestBusy(t *testing.T) {
	o := newObject(t, "busy", 400*piece)
	far := newSwarm(t, Config{Shelf: newShelf(o), Limits: Limits{Answers: 1, Slot: 10 * time.Millisecond}})
	st := connect(t, newHost(t), far.host)
	write(t, st, appendRequest(nil, o.request(1, askGet, fetch.Span{Offset: 0, End: 400 * piece})))
	readFrame(t, &frames{r: newReader(st)})
	near := newSwarm(t, Config{})
	for _, w := range []fetch.Want{o.want(), newObject(t, "unknown", piece).want()} {
		if _, err := newPeer(t, near, far.host, w).Have(t.Context()); !errors.Is(err, ErrBusy) {
			t.Errorf("got %v, want ErrBusy", err)
		}
	}
	_ = st.Reset()
	eventually(t, "the slot is free again", func() bool {
		_, err := newPeer(t, near, far.host, o.want()).Have(t.Context())
		return err == nil
	})
}

// brokenBody fails or panics.
type brokenBody struct{ panics bool }

func (b brokenBody) ReadAt(p []byte, off int64) (int, error) {
	if b.panics {
		panic("disk on fire")
	}
	if off > 0 {
		return 0, errors.New("input/output error")
	}
	return len(p), nil
}

// TestOwnDiskBlamesNobody: a server whose disk fails, or whose shelf panics,
// breaks off in a way for which its asker does not ban it, and serves on.
func TestOwnDiskBlamesNobody(t *testing.T) {
	o := newObject(t, "disk", 16*piece)
	for _, broken := range []brokenBody{{panics: false}, {panics: true}} {
		sh := newShelf()
		sh.put(o, func() *fetch.Shelved {
			s := o.shelved()
			s.Body = broken
			return s
		})
		far := newSwarm(t, Config{Shelf: sh})
		near := newSwarm(t, Config{})
		p := newPeer(t, near, far.host, o.want())
		if _, err := readSpan(t, p, 0, 16*piece); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v, want io.ErrUnexpectedEOF", err)
		}
		if len(near.Bans()) != 0 {
			t.Errorf("banned for a broken disk: %v", near.Bans())
		}
		if _, err := p.Have(t.Context()); err != nil {
			t.Errorf("have: %v", err)
		}
		eventually(t, "panic counted", func() bool { return (valueOf(t, far.metrics.panics) > 0) == broken.panics })
		eventually(t, "all bodies closed", func() bool { return sh.left() == 0 })
	}
}

// TestUnsoundShelf: a complete body that does not fit its digest is not
// offered.
func TestUnsoundShelf(t *testing.T) {
	o := newObject(t, "unsound", 3*piece)
	for name, spoil := range map[string]func(s *fetch.Shelved){
		"no states":    func(s *fetch.Shelved) { s.States = nil },
		"half a state": func(s *fetch.Shelved) { s.States = s.States[:len(s.States)-16] },
	} {
		sh := newShelf()
		sh.put(o, func() *fetch.Shelved {
			s := o.shelved()
			spoil(s)
			return s
		})
		far := newSwarm(t, Config{Shelf: sh})
		_, err := newPeer(t, newSwarm(t, Config{}), far.host, o.want()).Have(t.Context())
		if !errors.Is(err, fetch.ErrUnknown) || sh.left() != 0 {
			t.Errorf("%s: got %v, %d left open", name, err, sh.left())
		}
	}
}

// TestOnlyEd25519: a peer with another kind of key is not served.
func TestOnlyEd25519(t *testing.T) {
	key, _, err := crypto.GenerateKeyPair(crypto.Secp256k1, 0)
	if err != nil {
		t.Fatal(err)
	}
	asker, err := libp2p.New(libp2p.Identity(key), libp2p.NoListenAddrs)
	if err != nil {
		t.Fatal(err)
	}
	defer asker.Close()
	o := newObject(t, "keys", piece)
	far := newSwarm(t, Config{Shelf: newShelf(o)})
	asker.Peerstore().AddAddrs(far.host.ID(), far.host.Addrs(), peerstore.PermanentAddrTTL)
	st, err := asker.NewStream(t.Context(), far.host.ID(), Protocol)
	if err == nil {
		_, _ = st.Write(appendRequest(nil, o.request(1, askHave)))
		_ = st.CloseWrite()
		_, err = io.ReadAll(st)
	}
	if !errors.Is(err, network.ErrReset) {
		t.Errorf("got %v, want a reset", err)
	}
	if _, err := far.Peer(dht.Member{ID: asker.ID().String()}, o.want()); !errors.Is(err, ErrNotAPeer) {
		t.Errorf("got %v, want ErrNotAPeer", err)
	}
}

// TestCrowdOfIdlers: strangers who hold all streams open and ask for little
// give way to whoever comes.
func TestCrowdOfIdlers(t *testing.T) {
	o := newObject(t, "idlers", 4*piece)
	far := newSwarm(t, Config{Shelf: newShelf(o), Limits: Limits{InboundAll: 6}})
	var idlers []network.Stream
	for range 3 {
		h := newHost(t)
		for range 2 {
			st := connect(t, h, far.host)
			write(t, st, appendRequest(nil, request{number: 1, kind: askHave}))
			readFrame(t, &frames{r: newReader(st)})
			idlers = append(idlers, st)
		}
	}
	p := newPeer(t, newSwarm(t, Config{}), far.host, o.want())
	for range 3 {
		if got, err := readSpan(t, p, 0, 4*piece); err != nil || !bytes.Equal(got, o.body) {
			t.Errorf("an honest asker got %d octets, %v", len(got), err)
		}
	}
	if _, err := io.ReadAll(idlers[0]); !errors.Is(err, network.ErrReset) {
		t.Errorf("the stream that waited longest: %v", err)
	}
	write(t, idlers[5], appendRequest(nil, request{number: 2, kind: askHave}))
	readFrame(t, &frames{r: newReader(idlers[5])})
}
