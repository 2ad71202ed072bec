//go:build system && linux

package testnet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/testnet/netns"
	"github.com/flashcrowd/flashcrowd/testnet/netns/trial"
)

// Nodes that nobody can dial still download, and serve whom they reach: of two
// behind endpoint-independent routers the second has most of the file from the
// first; one behind a symmetric router reaches neither and has it from the
// origin, and then gives it to a node that can be dialled.
func TestBehindRouters(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	body := Random(8<<20, 79)
	w := newWilds(t, ctx, body)
	seed := w.public(t, ctx, "seed0", "none")
	boot := seed.addr(t, ctx)
	w.public(t, ctx, "seed1", boot)
	first := w.behind(t, ctx, "first", netns.EndpointIndependent, boot)
	second := w.behind(t, ctx, "second", netns.EndpointIndependent, boot)
	third := w.behind(t, ctx, "third", netns.Symmetric, boot)
	last := w.public(t, ctx, "last", boot)
	for _, n := range []*wildNode{first, second, third} {
		n.await(t, ctx, "a place at a relay", func(a string) bool { return strings.HasSuffix(a, "/p2p-circuit/p2p/"+n.id) })
	}

	if got := first.get(t, ctx, w); got.Peers != 0 {
		t.Errorf("the first got %d octets from nodes that have nothing", got.Peers)
	}
	if got := second.get(t, ctx, w); 2*got.Peers < int64(len(body)) {
		t.Errorf("the second got %+v, want most of it from the first", got)
	}
	if got := third.get(t, ctx, w); got.Peers != 0 {
		t.Errorf("the third got %+v, want all of it from the origin", got)
	}
	first.up.Stop()
	second.up.Stop()
	if got := last.get(t, ctx, w); 2*got.Peers < int64(len(body)) {
		t.Errorf("the last got %+v, want most of it from the third", got)
	}
}

// A machine that sleeps and wakes up in another network is found there: it
// notices, joins anew, and what it has is had from its new address. libp2p looks
// at a machine's addresses once a minute.
func TestWakesUpElsewhere(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	body := Random(8<<20, 80)
	w := newWilds(t, ctx, body)
	seed := w.public(t, ctx, "seed", "none")
	mover := w.public(t, ctx, "mover", seed.addr(t, ctx))
	asker := w.public(t, ctx, "asker", seed.addr(t, ctx))
	mover.get(t, ctx, w)

	const sleep = 22 * time.Second // more than four looks at the network
	signal(t, mover, syscall.SIGSTOP)
	for _, args := range [][]string{
		{"addr", "del", mover.host.Addr.String() + "/8", "dev", "eth0"}, {"addr", "add", "11.99.0.1/8", "dev", "eth0"},
	} {
		if out, err := mover.host.Command(ctx, "ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	<-time.After(sleep)
	signal(t, mover, syscall.SIGCONT)
	woken := time.Now()
	mover.await(t, ctx, "its new address", func(a string) bool { return strings.HasPrefix(a, "/ip4/11.99.0.1/") })
	for _, said := range []string{`msg="network changed" slept=true`, `msg="addresses changed"`} {
		if err := waitFor(ctx, func() bool { return mover.log.has(said) }); err != nil {
			t.Fatalf("it never said %s", said)
		}
	}
	t.Logf("announced at its new address %.1f s after it woke up", time.Since(woken).Seconds())
	if got := mover.connectivity(t, ctx); got != "online" {
		t.Errorf("it says that it is %s", got)
	}
	if got := asker.get(t, ctx, w); 2*got.Peers < int64(len(body)) {
		t.Errorf("the asker got %+v, want most of it from the mover", got)
	}
	if out, err := mover.host.Command(ctx, "ip", "addr", "del", "11.99.0.1/8", "dev", "eth0").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := waitFor(ctx, func() bool { return mover.connectivity(t, ctx) == "offline" }); err != nil {
		t.Errorf("without an address it says that it is %s", mover.connectivity(t, context.WithoutCancel(ctx)))
	}
}

func signal(t *testing.T, n *wildNode, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(n.up.PID(), s); err != nil {
		t.Fatal(err)
	}
}

// connectivity is what the node says of it.
func (n *wildNode) connectivity(t *testing.T, ctx context.Context) string {
	t.Helper()
	var s struct{ Connectivity string }
	out, err := n.host.Command(ctx, n.program, "status", "--json", "--data", n.data).Output()
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.Connectivity
}

// wilds are a network where not everybody can be dialled, and a web server.
type wilds struct {
	net     *netns.Net
	web     *netns.Host
	program string
	sum     string
}

func newWilds(t *testing.T, ctx context.Context, body []byte) *wilds {
	t.Helper()
	net, err := netns.New(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { net.Close() })
	net.First = 11
	w := &wilds{net: net, web: officeWeb(t, ctx, net, body)}
	sum := sha256.Sum256(body)
	w.sum = hex.EncodeToString(sum[:])
	if w.program, err = trial.Binary(); err != nil {
		t.Fatal(err)
	}
	return w
}

// wildNode is a node in the wilds.
type wildNode struct {
	host          *netns.Host
	up            *netns.Process
	program, data string
	id            string
	log           *talk
}

// talk is what a program has said so far.
type talk struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *talk) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *talk) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), s)
}

func (w *wilds) public(t *testing.T, ctx context.Context, name, boot string) *wildNode {
	t.Helper()
	h, err := w.net.Host(ctx, name, netns.Line{})
	if err != nil {
		t.Fatal(err)
	}
	return w.start(t, ctx, h, boot)
}

func (w *wilds) behind(t *testing.T, ctx context.Context, name string, m netns.Mapping, boot string) *wildNode {
	t.Helper()
	r, err := w.net.Router(ctx, "r"+name, m, netns.Line{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := r.Behind(ctx, name, netns.Line{})
	if err != nil {
		t.Fatal(err)
	}
	return w.start(t, ctx, h, boot)
}

func (w *wilds) start(t *testing.T, ctx context.Context, h *netns.Host, boot string) *wildNode {
	t.Helper()
	n := &wildNode{host: h, program: w.program, data: filepath.Join(w.net.Dir, h.Name), log: new(talk)}
	var err error
	n.up, err = h.Start(nil, n.log, w.program, "up", "--network", "wilds", "--lan", "off", "--bootstrap", boot, "--data", n.data)
	if err != nil {
		t.Fatal(err)
	}
	n.await(t, ctx, "to listen", func(string) bool { return true })
	return n
}

// await returns the first address of the node that fits.
func (n *wildNode) await(t *testing.T, ctx context.Context, what string, fits func(addr string) bool) (addr string) {
	t.Helper()
	var s struct {
		ID    string   `json:"peer_id"`
		Addrs []string `json:"addrs"`
	}
	err := waitFor(ctx, func() bool {
		out, err := n.host.Command(ctx, n.program, "status", "--json", "--data", n.data).Output()
		if err != nil || json.Unmarshal(out, &s) != nil {
			return false
		}
		for _, addr = range s.Addrs {
			if fits(addr) {
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Fatalf("%s: waiting for %s: %v; it has %v", n.host.Name, what, err, s.Addrs)
	}
	n.id = s.ID
	return addr
}

// addr is where a node that can be dialled is.
func (n *wildNode) addr(t *testing.T, ctx context.Context) string {
	t.Helper()
	return n.await(t, ctx, "its address", func(a string) bool { return strings.HasPrefix(a, "/ip4/"+n.host.Addr.String()+"/tcp/") })
}

// octetsFrom says where a download came from.
type octetsFrom struct{ Cache, Origin, Peers int64 }

// get downloads the file through the node, and fails if it is not right.
func (n *wildNode) get(t *testing.T, ctx context.Context, w *wilds) octetsFrom {
	t.Helper()
	var errs bytes.Buffer
	url := "http://" + w.web.Addr.String() + "/big.bin"
	c := n.host.Command(ctx, n.program, "get", "--json", "--network", "wilds", "--data", n.data, "-o", n.data+".got", url)
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: get: %v: %s", n.host.Name, err, errs.String())
	}
	var got struct {
		Sum     string     `json:"sha256"`
		Seconds float64    `json:"seconds"`
		From    octetsFrom `json:"from"`
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if got.Sum != w.sum {
		t.Errorf("%s got a file with the SHA-256 %s, want %s", n.host.Name, got.Sum, w.sum)
	}
	t.Logf("%s got %d octets from the origin and %d from others in %.1f s", n.host.Name, got.From.Origin, got.From.Peers, got.Seconds)
	return got.From
}
