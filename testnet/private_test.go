package testnet

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/swarm"
	"github.com/flashcrowd/flashcrowd/verify"
)

// TestPrivateThingsStayPrivate downloads what must not be shared through one
// node. A second node gets nothing of it from the first, nor does a stranger
// who knows URL and digest, and so the token, and asks the node straight.
func TestPrivateThingsStayPrivate(t *testing.T) {
	o := testOrigin(t)
	n := testNet(t, Config{Nodes: 2})
	for _, c := range []struct {
		name     string
		query    string
		response http.Header
		request  http.Header
	}{
		{name: "set-cookie", response: http.Header{"Set-Cookie": {"id=1"}}},
		{name: "private", response: http.Header{"Cache-Control": {"private, max-age=60"}}},
		{name: "no-store", response: http.Header{"Cache-Control": {"no-store"}}},
		{name: "vary", response: http.Header{"Vary": {"User-Agent"}}},
		{name: "authorization", request: http.Header{"Authorization": {"Basic dTpw"}}},
		{name: "cookie", request: http.Header{"Cookie": {"id=1"}}},
		{name: "own-field", request: http.Header{"X-Api-Version": {"7"}}},
		{name: "token", query: "?X-Amz-Signature=4bd1"},
		{name: "random", query: "?k=Zm9vYmFyYmF6cXV4MTIz0Xy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := Random(2<<20, uint64(len(c.name)))
			path := "/" + c.name + ".bin"
			o.Put(path, File{Body: body, Header: c.response})
			target := o.URL + path + c.query

			getWith(t, n.Nodes[0], target, c.request, body)
			r, _ := fetchBody(t, n.Nodes[1], target, body)
			if got := from(r, "peer"); got != 0 {
				t.Errorf("the second node took %d octets from the first", got)
			}
			if err := ask(t, n.Nodes[0], target, body); !errors.Is(err, fetch.ErrUnknown) {
				t.Errorf("a stranger who asks gets %v, want fetch.ErrUnknown", err)
			}
		})
	}
}

// TestSharedThingIsOffered shows that the question of the test above is the
// right one: for a public body it is answered.
func TestSharedThingIsOffered(t *testing.T) {
	o := testOrigin(t)
	n := testNet(t, Config{Nodes: 1})
	body := Random(2<<20, 99)
	o.Put("/public.bin", File{Body: body})
	fetchBody(t, n.Nodes[0], o.URL+"/public.bin", body)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := waitFor(ctx, func() bool { return ask(t, n.Nodes[0], o.URL+"/public.bin", body) == nil })
	if err != nil {
		t.Error("the body is not offered")
	}
	other := Random(2<<20, 98) // same length, so only the token differs
	if err := ask(t, n.Nodes[0], o.URL+"/public.bin", other); !errors.Is(err, fetch.ErrUnknown) {
		t.Errorf("without the token: %v, want fetch.ErrUnknown", err)
	}
}

func getWith(t *testing.T, m *Node, target string, header http.Header, want []byte) {
	t.Helper()
	client := m.Client()
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	checkBody(t, m.Name, resp.Body, want)
	_, _ = io.Copy(io.Discard, resp.Body)
}

// ask asks m straight for the body, over the real protocol, with the token
// that follows from URL and body.
func ask(t *testing.T, m *Node, target string, body []byte) error {
	t.Helper()
	h, err := swarm.NewHost(swarm.HostConfig{Listen: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	s, err := swarm.New(swarm.Config{Host: h})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	id, err := dht.URLID(u)
	if err != nil {
		t.Fatal(err)
	}
	said, err := verify.Remember(u, whole(body).Digest, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	proof, err := verify.Admit(verify.Open, u, []verify.Evidence{said})
	if err != nil {
		t.Fatal(err)
	}
	addr, _, _ := strings.Cut(m.PeerAddrs()[0], "/p2p/")
	p, err := s.Peer(dht.Member{ID: m.PeerID(), Addrs: []string{addr}}, fetch.Want{ID: id, Proof: proof})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Have(t.Context())
	return err
}

// TestSettingsOfNowDecide stores a body while private addresses are shared and
// restarts the node with that turned off: it is offered no more.
func TestSettingsOfNowDecide(t *testing.T) {
	o := testOrigin(t)
	n := testNet(t, Config{Nodes: 1})
	body := Random(2<<20, 97)
	o.Put("/public.bin", File{Body: body})
	url := o.URL + "/public.bin"
	fetchBody(t, n.Nodes[0], url, body)
	offered := func() bool { return ask(t, n.Nodes[0], url, body) == nil }
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if waitFor(ctx, offered) != nil {
		t.Fatal("the body is not offered")
	}
	n.Nodes[0].cfg.SharePrivate = "off"
	if err := n.Restart(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if r, _ := fetchBody(t, n.Nodes[0], url, body); r.Outcome != "hit" {
		t.Errorf("outcome %s, want a hit", r.Outcome)
	}
	if offered() {
		t.Error("the body is offered although private addresses are not shared any more")
	}
}
