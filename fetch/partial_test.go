package fetch_test

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// firstCrowd is n nodes that want a body which nobody has yet.
type firstCrowd struct {
	n       int
	size    int
	every   time.Duration
	liars   map[int]bool
	claims  bool
	closeAt time.Duration // the origin's line is cut then; 0 for never
}

type outcome struct {
	last   time.Duration
	copies float64
	banned map[string]bool
	failed int
}

// play lets all fetch on virtual time; right octets are held against the truth.
func (c firstCrowd) play(t *testing.T) (out outcome) {
	t.Helper()
	body := bodyOf(c.size)
	synctest.Test(t, func(t *testing.T) {
		web, net, mesh := &fetchtest.Web{}, &dht.Memory{}, &fetchtest.Mesh{}
		link := &fetchtest.Link{Rate: 20 * mbit, Latency: 40 * time.Millisecond}
		web.Put(site, object(body, link))
		var wg sync.WaitGroup
		var mu sync.Mutex
		start := time.Now()
		var all []*fetch.Fetcher
		for i := range c.n {
			name := fmt.Sprintf("node%d", i)
			n := &fetchtest.MeshNode{
				Name: name, Up: &fetchtest.Link{Rate: 20 * mbit, Latency: 40 * time.Millisecond},
				Lies: c.liars[i], ClaimsIt: c.claims,
			}
			store := &fetchtest.Store{}
			f := fetch.New(fetch.Config{
				Cache: store, Origin: web, Judge: store.Judge, Memory: store, Shelf: store, Self: name,
				Swarm: mesh.Add(n), Router: net.Router(dht.Member{ID: name}),
			})
			n.Shelf = f
			all = append(all, f)
			wg.Go(func() {
				<-time.After(time.Duration(i) * c.every)
				ok := reads(t, f, body)
				mu.Lock()
				defer mu.Unlock()
				if !c.liars[i] {
					out.last = max(out.last, time.Since(start))
				}
				if !ok {
					out.failed++
				}
			})
		}
		if c.closeAt > 0 {
			time.AfterFunc(c.closeAt, func() { web.Put(site, fetchtest.Object{Refuses: true}); link.SetRate(1) })
		}
		wg.Wait()
		out.copies = float64(web.Sent()) / float64(c.size)
		out.banned = mesh.Banned()
		for _, f := range all {
			f.Close()
		}
		synctest.Wait()
	})
	return out
}

// reads gets site and reports whether it came whole.
func reads(t *testing.T, f *fetch.Fetcher, truth []byte) bool {
	resp, err := f.Do(t.Context(), fetchtest.Request(site))
	if err != nil {
		t.Errorf("do: %v", err)
		return false
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if !bytes.HasPrefix(truth, got) {
		t.Error("wrong octets were delivered")
	}
	resp.Done(int64(len(got)))
	if err != nil || len(got) != len(truth) {
		t.Errorf("%d of %d octets: %v", len(got), len(truth), err)
		return false
	}
	return true
}

// TestFirstCrowd: nobody has the body, and the origin sends little more than one
// copy of it.
func TestFirstCrowd(t *testing.T) {
	for _, c := range []struct {
		firstCrowd
		within time.Duration
		copies float64
	}{
		{firstCrowd{n: 2, size: 8 * mib}, 5 * time.Second, 1.2},
		{firstCrowd{n: 8, size: 16 * mib}, 9 * time.Second, 1.15},
		{firstCrowd{n: 4, size: 16 * mib, every: time.Second}, 12 * time.Second, 1.2},
	} {
		t.Run(fmt.Sprintf("%d every %v", c.n, c.every), func(t *testing.T) {
			out := c.play(t)
			t.Logf("%v, %.2f copies", out.last, out.copies)
			if out.last > c.within || out.copies > c.copies || len(out.banned) > 0 {
				t.Errorf("%+v, want %v and %.2f copies, and nobody banned", out, c.within, c.copies)
			}
		})
	}
}

// TestLyingMembersOfAFirstCrowd: two of six send other octets than they claim,
// and are banned; or claim what they send, and then the origin's digest finds
// them out. Nobody gets a wrong octet, and the origin sends no copy a node.
func TestLyingMembersOfAFirstCrowd(t *testing.T) {
	for _, claims := range []bool{false, true} {
		t.Run(fmt.Sprintf("claimed %v", claims), func(t *testing.T) {
			out := firstCrowd{n: 6, size: 4 * mib, liars: map[int]bool{1: true, 4: true}, claims: claims}.play(t)
			t.Logf("%v, %.2f copies, banned %v", out.last, out.copies, out.banned)
			if out.copies > 3 || out.last > time.Minute {
				t.Errorf("%v and %.2f copies", out.last, out.copies)
			}
			for name := range out.banned {
				if name != "node1" && name != "node4" {
					t.Errorf("honest %s is banned", name)
				}
			}
			if !claims && len(out.banned) != 2 {
				t.Errorf("banned %v", out.banned)
			}
		})
	}
}
