package swarm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/encoding/protowire"
)

// TestEvilGet: what a peer may do wrong while it answers a get of two pieces,
// and what becomes of it.
func TestEvilGet(t *testing.T) {
	o := newObject(t, "evil", 4*piece)
	two := o.body[:2*piece]
	cases := []struct {
		name   string
		answer func(st network.Stream, n uint64)
		want   error
		banned bool
		state  State
	}{
		{"more than announced", func(st network.Stream, n uint64) {
			send(st, head(n, 2*piece), data(n, o.body[:3*piece], true))
		}, fetch.ErrBanned, true, Banned},
		{"endless", func(st network.Stream, n uint64) {
			send(st, head(n, 2*piece))
			for i := 0; send(st, data(n, o.body[i*piece:][:piece], false)); i = (i + 1) % 4 {
			}
		}, fetch.ErrBanned, true, Banned},
		{"one octet more in a frame of its own", func(st network.Stream, n uint64) {
			send(st, head(n, 2*piece), data(n, two, false), data(n, o.body[:1], true))
		}, fetch.ErrBanned, true, Banned},
		{"fewer, with a clean end", func(st network.Stream, n uint64) {
			send(st, head(n, 2*piece), data(n, o.body[:2*piece-1], true))
			_ = st.CloseWrite()
		}, fetch.ErrBanned, true, Banned},
		{"none, with a clean end", func(st network.Stream, n uint64) {
			send(st, head(n, 2*piece), data(n, nil, true))
		}, fetch.ErrBanned, true, Banned},

		{"stream ends midway", func(st network.Stream, n uint64) {
			send(st, head(n, 2*piece), data(n, o.body[:piece+7], false))
			_ = st.CloseWrite()
		}, io.ErrUnexpectedEOF, false, Slow},
		{"stream ends in a frame", func(st network.Stream, n uint64) {
			send(st, head(n, 2*piece), data(n, o.body[:piece], false)[:1000])
			_ = st.CloseWrite()
		}, io.ErrUnexpectedEOF, false, Slow},
		{"stream ends before the answer", func(st network.Stream, n uint64) { _ = st.CloseWrite() }, io.ErrUnexpectedEOF, false, Slow},
		{"reset midway", func(st network.Stream, n uint64) {
			send(st, head(n, 2*piece), data(n, o.body[:piece], false))
			_ = st.Reset()
		}, io.ErrUnexpectedEOF, false, Slow},
		{"connection closed midway", func(st network.Stream, n uint64) {
			send(st, head(n, 2*piece), data(n, o.body[:piece], false))
			_ = st.Conn().Close()
		}, io.ErrUnexpectedEOF, false, Slow},

		{"announces more than was asked", func(st network.Stream, n uint64) {
			send(st, head(n, 3*piece), data(n, o.body[:3*piece], true))
		}, ErrMalformed, false, Slow},
		{"announces less than was asked", func(st network.Stream, n uint64) {
			send(st, head(n, piece), data(n, o.body[:piece], true))
		}, ErrMalformed, false, Slow},
		{"announces 2^63", func(st network.Stream, n uint64) { send(st, head(n, math.MinInt64)) }, ErrMalformed, false, Slow},
		{"announces nothing", func(st network.Stream, n uint64) { send(st, data(n, two, true)) }, ErrMalformed, false, Slow},
		{"announces twice", func(st network.Stream, n uint64) {
			send(st, head(n, 2*piece), head(n, 2*piece), data(n, two, true))
		}, ErrMalformed, false, Slow},
		{"another number", func(st network.Stream, n uint64) { send(st, head(n+1, 2*piece)) }, ErrMalformed, false, Slow},
		{"empty data", func(st network.Stream, n uint64) {
			send(st, head(n, 2*piece), data(n, nil, false), data(n, two, true))
		}, ErrMalformed, false, Slow},
		{"frame one octet too long", func(st network.Stream, n uint64) {
			send(st, head(n, 2*piece), protowire.AppendVarint(nil, maxFrame+1), make([]byte, maxFrame+1))
		}, ErrMalformed, false, Slow},
		{"frame of no octets", func(st network.Stream, n uint64) { send(st, []byte{0}) }, ErrMalformed, false, Slow},
		{"overlong length", func(st network.Stream, n uint64) {
			send(st, bytes.Repeat([]byte{0xff}, 9), []byte{1})
		}, ErrMalformed, false, Slow},
		{"truncated length", func(st network.Stream, n uint64) {
			send(st, head(n, 2*piece), []byte{0x80})
			_ = st.CloseWrite()
		}, io.ErrUnexpectedEOF, false, Slow},
		{"garbage", func(st network.Stream, n uint64) { send(st, appendFrame(nil, repeat("\xff", 100))) }, ErrMalformed, false, Slow},
		{"frames of unknown kinds for ever", func(st network.Stream, n uint64) {
			for send(st, appendAnswer(nil, n, 12, nil)) {
			}
		}, ErrMalformed, false, Slow},

		{"not here", func(st network.Stream, n uint64) { send(st, appendAnswer(nil, n, ansGone, nil)) }, fetch.ErrUnknown, false, OK},
		{"busy", func(st network.Stream, n uint64) { send(st, appendAnswer(nil, n, ansBusy, nil)) }, ErrBusy, false, Slow},
		{"says nothing", func(st network.Stream, n uint64) { waitEnd(st) }, ErrSlow, false, Slow},
		{"stalls midway", func(st network.Stream, n uint64) {
			send(st, head(n, 2*piece), data(n, o.body[:piece], false))
			waitEnd(st)
		}, ErrSlow, false, Slow},
		{"one octet at a time", func(st network.Stream, n uint64) {
			send(st, head(n, 2*piece))
			tick := time.NewTicker(quick.Idle / 30)
			defer tick.Stop()
			for _, c := range data(n, two, true) {
				if <-tick.C; !send(st, []byte{c}) {
					return
				}
			}
		}, ErrSlow, false, Slow},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			far := evil(t, func(st network.Stream, req request) { c.answer(st, req.number) })
			near := newSwarm(t, Config{Limits: limitsFor(c.want)})
			got, err := readSpan(t, newPeer(t, near, far, o.want()), 0, 2*piece)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if errors.Is(err, io.EOF) || !bytes.HasPrefix(two, got) {
				t.Errorf("%d octets, %v", len(got), err)
			}
			_, err = near.Peer(memberOf(far), o.want())
			if banned := errors.Is(err, fetch.ErrBanned); banned != c.banned || banned != (len(near.Bans()) == 1) {
				t.Errorf("banned is %v", banned)
			}
			if i := infoOf(near, far.ID()); i.State != c.state || (i.Reason == "") != (c.state == OK) {
				t.Errorf("state %s, reason %q", i.State, i.Reason)
			}
		})
	}
}

// limitsFor keeps deadlines short only where one is awaited.
func limitsFor(want error) Limits {
	if want == ErrSlow {
		return quick
	}
	return Limits{FirstByte: patient, Idle: patient}
}

func send(st network.Stream, parts ...[]byte) bool {
	for _, p := range parts {
		if _, err := st.Write(p); err != nil {
			return false
		}
	}
	return true
}

// waitEnd waits until the asker gave up.
func waitEnd(st network.Stream) { _, _ = io.Copy(io.Discard, st) }

// TestUnknownFramesAmidData: a later version may say more; this one listens on.
func TestUnknownFramesAmidData(t *testing.T) {
	o := newObject(t, "later", 2*piece)
	far := evil(t, func(st network.Stream, req request) {
		later := appendAnswer(nil, req.number, 12, repeat("x", 300_000))
		withField := appendUint(appendUint(appendBytes(nil, 3, appendUint(encodeHead(2*piece, 0), 7, 1)), 1, req.number), 20, 5)
		send(st, later, appendFrame(nil, withField), later, data(req.number, o.body[:piece], false), later, data(req.number, o.body[piece:], true))
	})
	got, err := readSpan(t, newPeer(t, newSwarm(t, Config{}), far, o.want()), 0, 2*piece)
	if err != nil || !bytes.Equal(got, o.body) {
		t.Errorf("%d octets, %v", len(got), err)
	}
}

// TestEvilHave: a peer that says of itself what cannot be is refused, and not
// banned, since the origin may have told it another length.
func TestEvilHave(t *testing.T) {
	o := newObject(t, "have", 9*piece)
	right := fetch.Have{Complete: true, Has: fetch.AllPieces(9)}
	change := func(f func(h *fetch.Have)) []byte {
		h := right
		h.Has = bytes.Clone(h.Has)
		f(&h)
		return encodeHave(h)
	}
	cases := map[string][]byte{
		"complete without a list":    appendBytes(appendUint(nil, 1, 1), 2, right.Has),
		"complete without a piece":   change(func(h *fetch.Have) { h.Has.Remove(3) }),
		"a piece behind the end":     change(func(h *fetch.Have) { h.Has.Add(9) }),
		"availability too long":      change(func(h *fetch.Have) { h.Has = fetch.NewPieces(17) }),
		"availability too short":     change(func(h *fetch.Have) { h.Has = nil }),
		"list without all pieces":    appendBytes(change(func(h *fetch.Have) { h.Complete = false }), 3, make([]byte, 32)),
		"list hash of 31 octets":     appendBytes(appendBytes(appendUint(nil, 1, 1), 2, right.Has), 3, make([]byte, 31)),
		"neither true nor false":     appendBytes(appendUint(nil, 1, 2), 2, right.Has),
		"complete twice":             appendUint(encodeHave(right), 1, 1),
		"availability in a varint":   appendUint(nil, 2, 7),
		"truncated":                  encodeHave(right)[:20],
		"2^32 pieces, of which none": appendBytes(appendUint(nil, 1, 1), 2, make([]byte, 400_000)),
	}
	for name, body := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := prometheus.NewRegistry()
			far := evil(t, func(st network.Stream, req request) { send(st, appendAnswer(nil, req.number, ansHave, body)) })
			near := newSwarm(t, Config{Metrics: reg})
			if h, err := newPeer(t, near, far, o.want()).Have(t.Context()); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %+v, %v, want ErrMalformed", h, err)
			}
			if len(near.Bans()) != 0 || infoOf(near, far.ID()).State != Slow {
				t.Errorf("peer is %+v", infoOf(near, far.ID()))
			}
			if n := valueOf(t, near.metrics.rejected.WithLabelValues(rejectMalformed)); n < float64(len(body)) {
				t.Errorf("%v octets counted as rejected", n)
			}
		})
	}
}

// TestEvilStates: only the length of a state list is checked here.
func TestEvilStates(t *testing.T) {
	o := newObject(t, "states", 3*piece)
	for _, c := range []struct {
		octets int64
		want   error
	}{{64, nil}, {63, ErrMalformed}, {65, ErrMalformed}, {0, ErrMalformed}, {1 << 40, ErrMalformed}} {
		far := evil(t, func(st network.Stream, req request) {
			send(st, head(req.number, c.octets), data(req.number, make([]byte, min(c.octets, 100)), true))
		})
		list, err := newPeer(t, newSwarm(t, Config{}), far, o.want()).States(t.Context())
		if !errors.Is(err, c.want) || c.want == nil && len(list) != 64 {
			t.Errorf("%d octets: list of %d, %v", c.octets, len(list), err)
		}
	}
}

// TestStatesLie: a list that is shorter than announced is a lie.
func TestStatesLie(t *testing.T) {
	o := newObject(t, "states", 3*piece)
	far := evil(t, func(st network.Stream, req request) {
		send(st, head(req.number, 64), data(req.number, make([]byte, 63), true))
	})
	near := newSwarm(t, Config{})
	if _, err := newPeer(t, near, far, o.want()).States(t.Context()); !errors.Is(err, fetch.ErrBanned) {
		t.Errorf("got %v, want fetch.ErrBanned", err)
	}
	if lies := near.Bans(); len(lies) != 1 || lies[0].Piece != -1 || lies[0].Committed != "64 octets" || lies[0].Sent != "63 octets" {
		t.Errorf("lies: %v", lies)
	}
}

// TestSlowConsumer: the time that a reader is left alone is not the peer's.
func TestSlowConsumer(t *testing.T) {
	o := newObject(t, "consumer", 32*piece)
	far := newSwarm(t, Config{Shelf: newShelf(o)})
	near := newSwarm(t, Config{Limits: quick})
	r, err := newPeer(t, near, far.host, o.want()).Open(t.Context(), fetch.Span{Offset: 0, End: 32 * piece})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 3 {
		if _, err := io.CopyN(io.Discard, r, piece); err != nil {
			t.Fatal(err)
		}
		<-time.After(quick.Idle + quick.Idle/5)
	}
	if n, err := io.Copy(io.Discard, r); err != nil || n != 29*piece {
		t.Errorf("%d octets, %v", n, err)
	}
}

// TestUnreachable: a peer that is not there fails in time, and says so.
func TestUnreachable(t *testing.T) {
	o := newObject(t, "unreachable", piece)
	gone := newHost(t)
	m := memberOf(gone)
	gone.Close()
	p, err := newSwarm(t, Config{Limits: quick}).Peer(m, o.want())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Have(t.Context()); err == nil {
		t.Error("have of a peer that is not there")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Have(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

// TestNotAPeer: members that are refused before anything is dialled.
func TestNotAPeer(t *testing.T) {
	o := newObject(t, "members", piece)
	s := newSwarm(t, Config{})
	other := newHost(t)
	id := other.ID().String()
	addr := other.Addrs()[0].String()
	const rsa = "QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN"
	const secp = "16Uiu2HAmPEcgX3X8wKXFsr3v1rzFRKZ2XsdsjmmSUVQqUWR7AkPX"
	for _, m := range []struct {
		name string
		m    dht.Member
		ok   bool
	}{
		{"by name only", dht.Member{ID: id}, true},
		{"with its own name", dht.Member{ID: id, Addrs: []string{addr + "/p2p/" + id}}, true},
		{"one good address", dht.Member{ID: id, Addrs: []string{"nonsense", addr}}, true},
		{"itself", memberOf(s.host), false},
		{"no ID", dht.Member{Addrs: []string{addr}}, false},
		{"no peer ID", dht.Member{ID: "hello", Addrs: []string{addr}}, false},
		{"RSA", dht.Member{ID: rsa, Addrs: []string{addr}}, false},
		{"secp256k1", dht.Member{ID: secp, Addrs: []string{addr}}, false},
		{"no address", dht.Member{ID: id, Addrs: []string{"nonsense", ""}}, false},
		{"another's address", dht.Member{ID: id, Addrs: []string{addr + "/p2p/" + rsa}}, false},
		{"a name to look up", dht.Member{ID: id, Addrs: []string{"/dns4/peer.example/tcp/1", "/dnsaddr/peer.example"}}, false},
		{"through a relay", dht.Member{ID: id, Addrs: []string{addr + "/p2p/" + s.host.ID().String() + "/p2p-circuit"}}, true},
		{"through itself", dht.Member{ID: id, Addrs: []string{addr + "/p2p/" + id + "/p2p-circuit"}}, false},
		{"through a relay to look up", dht.Member{ID: id, Addrs: []string{"/dns4/a.example/tcp/1/p2p/" + rsa + "/p2p-circuit"}}, false},
		{"through two relays", dht.Member{ID: id, Addrs: []string{addr + "/p2p/" + rsa + "/p2p-circuit/p2p/" + rsa + "/p2p-circuit"}}, false},
		{"another transport", dht.Member{ID: id, Addrs: []string{addr + "/ws", "/unix/tmp/x"}}, false},
	} {
		_, err := s.Peer(m.m, o.want())
		if m.ok && err != nil || !m.ok && !errors.Is(err, ErrNotAPeer) {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}
