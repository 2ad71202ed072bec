package dhttest

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
)

// Key returns the i-th of the keys that belong to this test alone.
func Key(t testing.TB, i int) dht.Key {
	t.Helper()
	k, err := dht.KeyOf(fmt.Sprintf("https://example.com/%s/%d", t.Name(), i))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// all returns what a search yields until it ends, which it must.
func all(t *testing.T, members <-chan dht.Member) []dht.Member {
	t.Helper()
	timeout := time.After(patience)
	var found []dht.Member
	for {
		select {
		case m, ok := <-members:
			if !ok {
				return found
			}
			found = append(found, m)
		case <-timeout:
			t.Fatalf("the search did not end in %v", patience)
		}
	}
}

func has(members []dht.Member, id string) bool {
	for _, m := range members {
		if m.ID == id {
			return true
		}
	}
	return false
}

// eventually waits until n finds the node id under k.
func eventually(t *testing.T, n Node, k dht.Key, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !has(all(t, n.Router.Find(ctx, k)), id) {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("%s was not found in %v", id, patience)
		}
	}
}

func closesWithin(t *testing.T, members <-chan dht.Member, d time.Duration) {
	t.Helper()
	timeout := time.After(d)
	for {
		select {
		case _, ok := <-members:
			if !ok {
				return
			}
		case <-timeout:
			t.Fatalf("the channel of a cancelled search was open after %v", d)
		}
	}
}

func keeps(t *testing.T, n Node, k dht.Key, want bool) {
	t.Helper()
	if n.Keeps != nil && n.Keeps(k) != want {
		t.Errorf("means to announce the key: %v, want %v", !want, want)
	}
}

// undrainedLeaksNothing abandons searches that have more to yield than was
// taken, and counts goroutines. Those that a network needs come and go, so it
// fails only when as many are left as if each search had leaked one.
func undrainedLeaksNothing(t *testing.T, nodes []Node) {
	const searches = 64
	k := Key(t, 0)
	for _, n := range nodes {
		all(t, n.Router.Join(t.Context(), k))
	}
	timeout := time.After(patience)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	for i := range searches {
		search := nodes[0].Router.Find
		if i%2 == 1 {
			search = nodes[1].Router.Join
		}
		select {
		case <-search(ctx, k):
		case <-timeout:
			t.Fatalf("the search yielded nobody in %v", patience)
		}
	}
	cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for runtime.NumGoroutine() >= before+searches {
		select {
		case <-again.C:
		case <-timeout:
			t.Fatalf("%d goroutines before, %d after %d abandoned searches", before, runtime.NumGoroutine(), searches)
		}
	}
}
