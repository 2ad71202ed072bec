package swarm

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"google.golang.org/protobuf/encoding/protowire"
)

func someNews() fetch.News {
	return fetch.News{
		Claims: []fetch.Claim{{Piece: 3, Hash: [32]byte{1}, Own: true}, {Piece: 8191, Hash: [32]byte{2}}},
		Lost:   []int{0, 7}, Intends: true,
		Intents: []fetch.Announced{{Run: fetch.Run{First: 4, End: 8}, Lease: time.Second}},
		Members: []dht.Member{{ID: "12D3", Addrs: []string{"/ip4/127.0.0.1/tcp/1"}}},
		Backoff: 2 * time.Second, Complete: true,
	}
}

// decodeNews reads the body of a news answer.
func decodeNews(t testing.TB, body []byte) (answer, error) {
	t.Helper()
	framed := appendAnswer(nil, 1, ansNews, body)
	_, n := protowire.ConsumeVarint(framed)
	return decodeAnswer(framed[n:])
}

// TestNewsRoundTrip: what is told is what is heard.
func TestNewsRoundTrip(t *testing.T) {
	for _, n := range []fetch.News{{}, someNews()} {
		a, err := decodeNews(t, encodeNews(n, 0, true))
		if err != nil || !a.last {
			t.Fatalf("%v, last %v", err, a.last)
		}
		if diff := cmp.Diff(n, *a.news); diff != "" {
			t.Error(diff)
		}
	}
}

// TestNewsLimits: nobody can say more than a body has pieces or hold this node
// back for longer than the limits.
func TestNewsLimits(t *testing.T) {
	n := someNews()
	n.Backoff, n.Intents[0].Lease = time.Hour, time.Hour
	a, err := decodeNews(t, encodeNews(n, 0, false))
	if err != nil || a.news.Backoff != fetch.MaxBackoffHint || a.news.Intents[0].Lease != fetch.MaxLease {
		t.Errorf("%v: back-off %v, lease %v", err, a.news.Backoff, a.news.Intents[0].Lease)
	}
	for what, spoil := range map[string]func(n *fetch.News){
		"piece":    func(n *fetch.News) { n.Claims[0].Piece = 8192 },
		"lost":     func(n *fetch.News) { n.Lost[0] = 1 << 40 },
		"intent":   func(n *fetch.News) { n.Intents[0].End = 9000 },
		"empty":    func(n *fetch.News) { n.Intents[0].End = n.Intents[0].First },
		"intents":  func(n *fetch.News) { n.Intents = slices.Repeat(n.Intents, fetch.MaxNewsIntents+1) },
		"replace":  func(n *fetch.News) { n.Intends = false },
		"members":  func(n *fetch.News) { n.Members = slices.Repeat(n.Members, fetch.MaxNewsMembers+1) },
		"nameless": func(n *fetch.News) { n.Members[0].ID = "" },
	} {
		n := someNews()
		spoil(&n)
		if _, err := decodeNews(t, encodeNews(n, 0, false)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestToldAddresses: a stranger far away cannot make this node dial its own
// network.
func TestToldAddresses(t *testing.T) {
	members := []dht.Member{
		{ID: "a", Addrs: []string{"/ip4/192.168.0.1/tcp/1", "/ip4/127.0.0.1/tcp/1"}},
		{ID: "b", Addrs: []string{"/ip4/10.0.0.1/tcp/1", "/ip4/8.8.8.8/tcp/1"}},
	}
	if got := reachable(members, false); len(got) != 1 || got[0].ID != "b" || len(got[0].Addrs) != 1 {
		t.Errorf("from afar: %v", got)
	}
	if got := reachable(members, true); len(got) != 2 {
		t.Errorf("from near: %v", got)
	}
}

// FuzzNews: no news of a stranger panics, and what is read is within the limits.
func FuzzNews(f *testing.F) {
	f.Add(encodeNews(someNews(), 5*piece, true))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := decodeNews(t, body)
		if err != nil || a.kind != ansNews {
			return
		}
		n := a.news
		if len(n.Claims) > 8192 || len(n.Lost) > 8192 || len(n.Intents) > fetch.MaxNewsIntents || n.Backoff > fetch.MaxBackoffHint || n.Backoff < 0 || a.credit < 0 {
			t.Errorf("beyond the limits: %+v", n)
		}
		for _, in := range n.Intents {
			if in.Empty() || in.First < 0 || in.Lease < 0 || in.Lease > fetch.MaxLease {
				t.Errorf("intent %+v", in)
			}
		}
	})
}
