package swarm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"encoding/base64"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

const piece = verify.MinPieceSize

// patient is how long a test waits for what must happen.
const patient = 20 * time.Second

// object is a body with all that the origin would say of it.
type object struct {
	id    dht.ID
	body  []byte
	proof verify.Proof
	whole verify.Whole
}

func newObject(t testing.TB, name string, size int) *object {
	t.Helper()
	body := make([]byte, size)
	seed := [32]byte{}
	copy(seed[:], name)
	rand.NewChaCha8(seed).Read(body)
	rec := verify.NewRecorder(verify.SHA256, int64(size))
	if _, err := rec.Write(body); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse("https://origin.example/" + name)
	if err != nil {
		t.Fatal(err)
	}
	id, err := dht.URLID(u)
	if err != nil {
		t.Fatal(err)
	}
	sum := base64.StdEncoding.EncodeToString(rec.Sum())
	proof, err := verify.Admit(verify.Balanced, u, verify.Read(verify.Exchange{
		URL: u, Method: http.MethodGet, Status: http.StatusOK, Length: int64(size), At: time.Now(),
		Header: http.Header{"Repr-Digest": {"sha-256=:" + sum + ":"}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return &object{id: id, body: body, proof: proof, whole: rec.Whole()}
}

func (o *object) want() fetch.Want { return fetch.Want{ID: o.id, Proof: o.proof} }

// request returns a request of kind k for o, right in all but what the caller
// changes.
func (o *object) request(number uint64, k kind, spans ...fetch.Span) request {
	return request{number: number, id: o.id, token: o.want().Token(), kind: k, spans: spans}
}

func (o *object) shelved() *fetch.Shelved {
	return &fetch.Shelved{
		Digest: o.proof.Digest(), Complete: true, States: o.whole.States,
		Body: bytes.NewReader(o.body), Close: func() {},
	}
}

// shelf offers objects from memory and counts what it is asked.
type shelf struct {
	mu     sync.Mutex // guards following
	offers map[string]func() *fetch.Shelved
	asked  []verify.Token
	open   int
	served int64
}

func newShelf(objects ...*object) *shelf {
	s := &shelf{offers: make(map[string]func() *fetch.Shelved)}
	for _, o := range objects {
		s.put(o, o.shelved)
	}
	return s
}

func (s *shelf) put(o *object, offer func() *fetch.Shelved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offers[fmt.Sprint(o.id, o.want().Token())] = offer
}

func (s *shelf) Open(id dht.ID, token verify.Token) (*fetch.Shelved, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, token)
	offer := s.offers[fmt.Sprint(id, token)]
	if offer == nil {
		return nil, fetch.ErrUnknown
	}
	sh := offer()
	s.open++
	sh.Close = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open--
	}
	sh.Served = func(n int64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.served += n
	}
	return sh, nil
}

// left returns how many bodies are open.
func (s *shelf) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// quick are limits with which a test of a deadline does not take long.
var quick = Limits{
	Connect: patient, FirstByte: time.Second, Idle: time.Second, Pause: time.Second, Write: time.Second,
}

func newHost(t testing.TB, listen ...string) host.Host {
	t.Helper()
	if listen == nil {
		listen = []string{"/ip4/127.0.0.1/tcp/0"}
	}
	h, err := NewHost(HostConfig{Listen: listen})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// newSwarm returns a swarm that serves what is on cfg.Shelf, on a new host
// unless cfg has one.
func newSwarm(t testing.TB, cfg Config) *Swarm {
	t.Helper()
	if cfg.Host == nil {
		cfg.Host = newHost(t)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	s.Serve()
	return s
}

func memberOf(h host.Host) dht.Member {
	m := dht.Member{ID: h.ID().String()}
	for _, a := range h.Addrs() {
		m.Addrs = append(m.Addrs, a.String())
	}
	return m
}

func newPeer(t testing.TB, s *Swarm, far host.Host, w fetch.Want) fetch.Peer {
	t.Helper()
	p, err := s.Peer(memberOf(far), w)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// evil returns a host that answers each request by script, which may also be
// called when the request does not decode (then it is zero).
func evil(t testing.TB, script func(st network.Stream, req request)) host.Host {
	t.Helper()
	h := newHost(t)
	h.SetStreamHandler(Protocol, func(st network.Stream) {
		q := &requests{st: st, limits: Limits{Pause: patient, Idle: patient}}
		q.in.r = newReader(st)
		for {
			req, err := q.next()
			if err != nil {
				_ = st.Reset()
				return
			}
			script(st, req)
		}
	})
	return h
}

// connect opens a raw stream from h to far.
func connect(t testing.TB, h, far host.Host) network.Stream {
	t.Helper()
	h.Peerstore().AddAddrs(far.ID(), far.Addrs(), peerstore.PermanentAddrTTL)
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	if err := h.Connect(ctx, peer.AddrInfo{ID: far.ID(), Addrs: far.Addrs()}); err != nil {
		t.Fatal(err)
	}
	st, err := h.NewStream(ctx, far.ID(), Protocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Reset() })
	if err := st.SetDeadline(time.Now().Add(patient)); err != nil {
		t.Fatal(err)
	}
	return st
}

func write(t testing.TB, w io.Writer, b []byte) {
	t.Helper()
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
}

// readFrame returns the message of the next frame.
func readFrame(t testing.TB, f *frames) []byte {
	t.Helper()
	msg, err := f.next(maxFrame)
	if err != nil {
		t.Fatalf("read frame: %v", err)
	}
	return bytes.Clone(msg)
}

// data returns octets as data frames, the last of them marked if last says so.
func data(number uint64, octets []byte, last bool) []byte {
	var b []byte
	for {
		n := min(len(octets), dataSize)
		b = appendDataHeader(b, number, n, last && n == len(octets))
		b = append(b, octets[:n]...)
		octets = octets[n:]
		if len(octets) == 0 {
			return b
		}
	}
}

// encodeHave returns the body of the answer that says h.
func encodeHave(h fetch.Have) []byte {
	b := appendHave(nil, 1, h)
	for size := len(b); ; size-- {
		if header := appendAnswerHeader(nil, 1, ansHave, size); len(header)+size == len(b) {
			return b[len(header):]
		}
	}
}

func head(number uint64, total int64) []byte {
	return appendAnswer(nil, number, ansHead, encodeHead(total, 0))
}

func readSpan(t testing.TB, p fetch.Peer, from, to int64) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	r, err := p.Open(ctx, fetch.Span{Offset: from, End: to})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// eventually waits until ok, which must become true soon.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patient)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		case <-tick.C:
		}
	}
}

func infoOf(s *Swarm, id peer.ID) PeerInfo {
	for _, i := range s.Peers() {
		if i.PeerID == id.String() {
			return i
		}
	}
	return PeerInfo{}
}

func repeat(s string, n int) []byte { return []byte(strings.Repeat(s, n)) }

// valueOf returns what a counter or gauge stands at.
func valueOf(t testing.TB, m prometheus.Metric) float64 {
	t.Helper()
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	if out.Gauge != nil {
		return out.Gauge.GetValue()
	}
	return out.Counter.GetValue()
}
