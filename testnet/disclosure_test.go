package testnet

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch/swarm"
	"github.com/flashcrowd/flashcrowd/node"
	kaddht "github.com/libp2p/go-libp2p-kad-dht"
	pb "github.com/libp2p/go-libp2p-kad-dht/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"google.golang.org/protobuf/proto"
)

// tap hears every message of a DHT at all its nodes but those under test.
type tap struct {
	mu   sync.Mutex // guards following
	keys map[pb.Message_MessageType]map[string]bool
	raw  bytes.Buffer // all messages as they came
}

func (l *tap) hear(_ context.Context, _ network.Stream, req *pb.Message) {
	raw, err := proto.Marshal(req)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		raw = []byte("unreadable: " + err.Error())
	}
	l.raw.Write(raw)
	if l.keys == nil {
		l.keys = make(map[pb.Message_MessageType]map[string]bool)
	}
	if l.keys[req.GetType()] == nil {
		l.keys[req.GetType()] = make(map[string]bool)
	}
	l.keys[req.GetType()][string(req.GetKey())] = true
}

// has reports whether any message of the kinds named the key.
func (l *tap) has(key string, kinds ...pb.Message_MessageType) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range kinds {
		if l.keys[k][key] {
			return true
		}
	}
	return false
}

// tapped starts n plain servers of the DHT that all listen for l, and returns
// their addresses.
func tapped(t *testing.T, l *tap, n int) []string {
	t.Helper()
	var addrs []string
	var first peer.AddrInfo
	for i := range n {
		h, err := swarm.NewHost(swarm.HostConfig{Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
		if err != nil {
			t.Fatal(err)
		}
		d, err := kaddht.New(h, kaddht.ProtocolPrefix("/flashcrowd/"+Network), kaddht.Mode(kaddht.ModeServer),
			kaddht.DisableValues(), kaddht.OnRequestHook(l.hear))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close(); h.Close() })
		if i == 0 {
			first = peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}
		} else if err := h.Connect(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, fmt.Sprintf("%s/p2p/%s", h.Addrs()[0], h.ID()))
	}
	return addrs
}

// secret is in every URL of the test below.
const secret = "kqzv7-unmistakable"

// disclosed is one download and whether the DHT may learn of it.
type disclosed struct {
	name              string
	query             string
	response, request http.Header
	size              int
	shared            bool
}

var disclosures = []disclosed{
	{name: "public-1", size: 2 << 20, shared: true},
	{name: "public-2", size: 3 << 20, shared: true},
	{name: "public-query", query: "?version=2", size: 2 << 20, shared: true},
	{name: "small", size: 100 << 10},
	{name: "set-cookie", size: 2 << 20, response: http.Header{"Set-Cookie": {"id=1"}}},
	{name: "private", size: 2 << 20, response: http.Header{"Cache-Control": {"private, max-age=60"}}},
	{name: "no-store", size: 2 << 20, response: http.Header{"Cache-Control": {"no-store"}}},
	{name: "vary", size: 2 << 20, response: http.Header{"Vary": {"User-Agent"}}},
	{name: "html", size: 2 << 20, response: http.Header{"Content-Type": {"text/html"}}},
	{name: "authorization", size: 2 << 20, request: http.Header{"Authorization": {"Basic dTpw"}}},
	{name: "cookie", size: 2 << 20, request: http.Header{"Cookie": {"id=1"}}},
}

// TestWhatTheDHTLearns decodes every message at every other node of the DHT:
// who has what is asked and told of exactly the objects that may be shared, by
// keys that are no URLs, and of nothing else.
func TestWhatTheDHTLearns(t *testing.T) {
	l := new(tap)
	addrs := tapped(t, l, 8)
	o := testOrigin(t)
	n := testNet(t, Config{Nodes: 2, Configure: func(_ int, c *node.Config) { c.Bootstrap, c.LAN = addrs[:1], node.Off }})
	told := make(map[string]string) // by key: the name of the object
	for i, d := range disclosures {
		body := Random(d.size, uint64(700+i))
		path := "/" + secret + "/" + d.name + ".bin"
		o.Put(path, File{Body: body, Header: d.response})
		target := o.URL + path + d.query
		for _, m := range n.Nodes {
			getWith(t, m, target, d.request, body)
		}
		for _, key := range keysOf(t, target, body) {
			told[string(key.CID().Hash())] = d.name
		}
	}
	shared := make(map[string]bool)
	for _, d := range disclosures {
		shared[d.name] = d.shared
	}
	mention := []pb.Message_MessageType{pb.Message_ADD_PROVIDER, pb.Message_GET_PROVIDERS}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for key, name := range told {
		if shared[name] {
			if err := waitFor(ctx, func() bool { return l.has(key, mention[0]) && l.has(key, mention[1]) }); err != nil {
				t.Errorf("nobody was told and asked of %s, so this test hears nothing: %v", name, err)
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for kind, keys := range l.keys {
		for key := range keys {
			name, known := told[key]
			if known && !shared[name] {
				t.Errorf("%v: names %s", kind, name)
			}
			if !known && (kind == mention[0] || kind == mention[1]) {
				t.Errorf("%v: a key of nothing that was downloaded: %x", kind, key)
			}
		}
	}
	for _, word := range []string{secret, "127.0.0.1:", "http:", ".bin"} {
		if bytes.Contains(l.raw.Bytes(), []byte(word)) {
			t.Errorf("%q stands in a message", word)
		}
	}
	t.Logf("%d octets of messages; keys by kind: %d told, %d asked, %d walked to", l.raw.Len(),
		len(l.keys[mention[0]]), len(l.keys[mention[1]]), len(l.keys[pb.Message_FIND_NODE]))
}

// keysOf returns the keys that an object has in the DHT.
func keysOf(t *testing.T, target string, body []byte) []dht.Key {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	id, err := dht.URLID(u)
	if err != nil {
		t.Fatal(err)
	}
	return []dht.Key{id.Key(), dht.DigestID(whole(body).Digest.Multihash()).Key()}
}
