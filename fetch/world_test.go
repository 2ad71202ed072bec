package fetch_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	piece = verify.MinPieceSize
	mib   = 1 << 20
	mbit  = 1e6 / 8 // octets a second

	// site is the URL of most tests.
	site = "https://example.com/big.iso"
)

// bodies are slices of one, so that what is known of them is reckoned once.
var bodies = sync.OnceValue(func() []byte { return fetchtest.Body(1, 64*mib) })

func bodyOf(n int) []byte { return bodies()[:n:n] }

// newRand is seeded, so that a failure repeats.
func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x666c617368)) }

// object is body as an honest origin has it, that knows its digest and ranges.
func object(body []byte, link *fetchtest.Link) fetchtest.Object {
	return fetchtest.Object{
		Body: body, ETag: `"v1"`, Ranges: true, Link: link, Digest: digestField(verify.SHA256, body),
		Header: http.Header{"Cache-Control": {"max-age=3600"}, "Content-Type": {"application/octet-stream"}},
	}
}

func digestField(alg verify.Algorithm, body []byte) string {
	return fmt.Sprintf("%s=:%s:", alg, base64.StdEncoding.EncodeToString(fetchtest.WholeOf(alg, body).Digest.Sum()))
}

// world is one node with all that it talks to, in a bubble of virtual time.
type world struct {
	*testing.T
	web    *fetchtest.Web
	store  *fetchtest.Store
	swarm  *fetchtest.Swarm
	net    *dht.Memory
	router *fetchtest.Recording
	cfg    fetch.Config
	f      *fetch.Fetcher
	peers  []*fetchtest.Peer
	start  time.Time
}

// play runs test in a world of its own. set may change it before the node
// starts; nil leaves it as it is. When test has returned, all must have ended.
func play(t *testing.T, set func(w *world), test func(w *world)) {
	t.Helper()
	bodies()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, web: &fetchtest.Web{}, store: &fetchtest.Store{}, swarm: &fetchtest.Swarm{}, net: &dht.Memory{}, start: time.Now()}
		w.router = &fetchtest.Recording{Router: w.net.Router(dht.Member{ID: "self"})}
		w.cfg = fetch.Config{Cache: w.store, Origin: w.web, Judge: w.store.Judge, Memory: w.store, Shelf: w.store, Swarm: w.swarm, Router: w.router}
		if set != nil {
			set(w)
		}
		w.f = fetch.New(w.cfg)
		test(w)
		w.f.Close()
		synctest.Wait()
		w.ended()
	})
}

// ended fails the test if anything is left of what the node began.
func (w *world) ended() {
	w.Helper()
	if n := w.web.Open(); n > 0 {
		w.Errorf("%d transfers of the origin are left open", n)
	}
	if n := w.store.Writers(); n > 0 {
		w.Errorf("%d writers are neither aborted nor released", n)
	}
	for _, p := range w.peers {
		if n := p.Open(); n > 0 {
			w.Errorf("%d transfers of peer %s are left open", n, p.Name)
		}
	}
}

// id of site.
func id(rawURL string) dht.ID {
	id, err := dht.URLID(fetchtest.Request(rawURL).URL)
	if err != nil {
		panic(err)
	}
	return id
}

// peer adds a member for site that has body.
func (w *world) peer(p *fetchtest.Peer, body []byte) *fetchtest.Peer {
	if p.Name == "" {
		p.Name = fmt.Sprintf("peer%d", len(w.peers))
	}
	if p.Object == (dht.ID{}) {
		p.Object = id(site)
	}
	p.Body = body
	w.peers = append(w.peers, p)
	w.swarm.Add(w.net, p)
	return p
}

// after runs do when d has passed, unless the test is over before.
func (w *world) after(d time.Duration, do func()) {
	t := time.AfterFunc(d, do)
	w.Cleanup(func() { t.Stop() })
}

// delivery is what a client got, and when.
type delivery struct {
	resp *fetch.Response
	err  error // of Do or of reading; nil for a clean end
	n    int64
	got  []byte // only if the truth is not known
	// first and took count from the request; gap is the longest time without
	// an octet.
	first, took, gap time.Duration
}

// get asks for site, reads the answer to its end, and returns when the node
// has nothing more to do at once. Every single Read is held against truth, if
// that is not nil.
func (w *world) get(truth []byte, fields ...string) delivery {
	w.Helper()
	d := w.do(w.Context(), fetchtest.Request(site, fields...), truth)
	synctest.Wait()
	return d
}

func (w *world) do(ctx context.Context, req *fetch.Request, truth []byte) delivery {
	w.Helper()
	begun := time.Now()
	resp, err := w.f.Do(ctx, req)
	d := delivery{resp: resp, err: err}
	if err != nil {
		d.took = time.Since(begun)
		return d
	}
	w.read(&d, begun, truth)
	resp.Body.Close()
	resp.Done(d.n)
	return d
}

// read reads the body of d from where it stands.
func (w *world) read(d *delivery, begun time.Time, truth []byte) {
	w.Helper()
	buf := make([]byte, 64<<10)
	last := begun
	for {
		n, err := d.resp.Body.Read(buf)
		if n > 0 {
			if truth == nil {
				d.got = append(d.got, buf[:n]...)
			} else if d.n+int64(n) > int64(len(truth)) || !bytes.Equal(buf[:n], truth[d.n:][:n]) {
				w.Errorf("wrong octets were delivered in [%d,%d) of %d", d.n, d.n+int64(n), len(truth))
				d.err = errors.New("wrong octets")
				return
			}
			if d.n == 0 {
				d.first = time.Since(begun)
			}
			d.gap = max(d.gap, time.Since(last))
			d.n += int64(n)
			last = time.Now()
		}
		if err != nil {
			d.took, d.gap = time.Since(begun), max(d.gap, time.Since(last))
			if !errors.Is(err, io.EOF) {
				d.err = err
			}
			return
		}
	}
}

// whole fails the test unless d is all of truth and ended cleanly.
func (w *world) whole(d delivery, truth []byte) {
	w.Helper()
	if d.err != nil {
		w.Errorf("after %d of %d octets, %v: %v", d.n, len(truth), d.took, d.err)
	} else if d.n != int64(len(truth)) {
		w.Errorf("a clean end after %d of %d octets", d.n, len(truth))
	}
}

// within fails the test unless got is at most limit.
func (w *world) within(what string, got, limit time.Duration) {
	w.Helper()
	if got > limit {
		w.Errorf("%s took %v, want at most %v", what, got, limit)
	}
}

// requests fails the test unless site was asked for n times.
func (w *world) requests(n int) {
	w.Helper()
	if got := len(w.web.Requests(site)); got != n {
		w.Errorf("the origin got %d requests, want %d", got, n)
	}
}

// direct is how long octets take at a rate.
func direct(octets int, rate float64) time.Duration {
	return time.Duration(float64(octets) / rate * float64(time.Second))
}

// failure fails the test unless err is a *fetch.Failure.
func (w *world) failure(err error) {
	w.Helper()
	var f *fetch.Failure
	if !errors.As(err, &f) {
		w.Errorf("error %v (%T), want a *fetch.Failure", err, err)
	}
}
