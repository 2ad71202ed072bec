package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestPin: what is pinned outlives everything that comes, also over restarts
// and when a newer response takes its place, until it is unpinned or removed.
func TestPin(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Config{Limit: 500_000})
	defer func() { s.Close() }()
	req, m, body := object("pinned", 100_000)
	if n, err := s.Pin(m.URL); n != 0 || err != nil {
		t.Fatalf("pinned what is not stored: %d, %v", n, err)
	}
	put(t, s, req, m, body)
	if n, err := s.Pin(m.URL); n != 1 || err != nil {
		t.Fatalf("Pin: %d, %v", n, err)
	}
	flood := func(name string) {
		t.Helper()
		for i := range 20 {
			req, m, body := object(fmt.Sprint(name, i), 90_000)
			put(t, s, req, m, body)
			has(t, s, req)
		}
		checkAccount(t, s, dir)
	}
	still := func(want bool, when string) {
		t.Helper()
		if got := len(s.variants(m.ID)) > 0; got != want {
			t.Fatalf("%s: stored %v, want %v", when, got, want)
		}
	}
	flood("a")
	still(true, "pinned")
	s.Close()
	s = open(t, dir, Config{Limit: 500_000})
	flood("b")
	still(true, "pinned before a restart")
	put(t, s, req, m, body)
	flood("c")
	still(true, "pinned before it was replaced")
	for item := range s.List() {
		if item.Pinned != (item.Meta.URL == m.URL) {
			t.Errorf("%s: pinned %v", item.Meta.URL, item.Pinned)
		}
	}
	if err := s.SetLimit(90_000); !errors.Is(err, ErrPinned) || s.Stats().Limit != 500_000 {
		t.Errorf("a limit below what is pinned: %v, limit %d", err, s.Stats().Limit)
	}
	if was, err := s.Unpin(m.URL); !was || err != nil {
		t.Fatalf("Unpin: %v, %v", was, err)
	}
	if was, err := s.Unpin(m.URL); was || err != nil {
		t.Fatalf("Unpin again: %v, %v", was, err)
	}
	flood("d")
	still(false, "unpinned")
	put(t, s, req, m, body)
	s.Pin(m.URL)
	s.Remove(m.URL)
	still(false, "removed")
	put(t, s, req, m, body)
	s.Close()
	s = open(t, dir, Config{Limit: 500_000})
	flood("e")
	still(false, "a pin of what was removed")
}

// TestQuota: while four write at once the files never take more than the
// limit; once it is full, not less than a hundredth below; and
// the same after the limit is lowered while they write.
func TestQuota(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Config{Limit: 16 << 20})
	defer s.Close()
	for _, limit := range []int64{16 << 20, 10 << 20} {
		if err := s.SetLimit(limit); err != nil {
			t.Fatal(err)
		}
		if st := s.Stats(); st.Bytes > limit {
			t.Errorf("%d octets under a limit of %d", st.Bytes, limit)
		}
		var wg sync.WaitGroup
		var calm sync.RWMutex // held for writing: nobody moves a file
		for g := range 4 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(g), uint64(limit)))
				for i := range 250 {
					req, m, body := object(fmt.Sprint(limit, g, i), 5_000+r.IntN(50_000))
					calm.RLock()
					put(t, s, req, m, body)
					calm.RUnlock()
					if i%10 == 0 {
						calm.Lock()
						if on := onDisk(t, dir); on > limit {
							t.Errorf("%d octets on disk under a limit of %d", on, limit)
						}
						calm.Unlock()
					}
				}
			})
		}
		wg.Wait()
		if on := onDisk(t, dir); on > limit {
			t.Errorf("in the end %d octets on disk, the limit is %d", on, limit)
		}
		// The account has side data and records, too, which lie in the index.
		if st := s.Stats(); st.Bytes < limit-limit/100 {
			t.Errorf("in the end %d octets in the account, the limit is %d", st.Bytes, limit)
		}
		checkAccount(t, s, dir)
	}
}

// onDisk is how many octets the bodies take.
func onDisk(t *testing.T, dir string) (sum int64) {
	t.Helper()
	filepath.WalkDir(filepath.Join(dir, "bodies"), func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil // it has just gone
		}
		if info, err := e.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}

// TestPinsOutliveTheIndex: what is pinned is kept also by an index that was made
// again, and what is not any more is not.
func TestPinsOutliveTheIndex(t *testing.T) {
	dir := t.TempDir()
	s, err := openIndexed(t, dir, Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"a", "bb", "ccc"} {
		req, m, body := object(path, 2000)
		put(t, s, req, m, body)
		if n, err := s.Pin(req.URL.String()); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if was, err := s.Unpin("http://example.com/bb"); !was || err != nil {
		t.Fatal(was, err)
	}
	pinned := func(after string) {
		t.Helper()
		n := 0
		for item := range s.List() {
			if n++; item.Pinned != (item.Meta.URL != "http://example.com/bb") {
				t.Errorf("after %s: %s pinned: %v", after, item.Meta.URL, item.Pinned)
			}
		}
		if n != 3 {
			t.Errorf("after %s: %d objects", after, n)
		}
	}
	reopen := func() {
		t.Helper()
		if s, err = openIndexed(t, dir, Config{}); err != nil {
			t.Fatal(err)
		}
	}
	closed := func() {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	pinned("pinning")
	closed()
	loseIndex(t, dir)
	reopen()
	pinned("the loss of the index")
	closed()
	reopen()
	pinned("a restart after that")
	closed()
	if err := os.WriteFile(filepath.Join(dir, pinFile), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	reopen()
	pinned("damage of the file")
	closed()
	loseIndex(t, dir)
	reopen()
	pinned("the loss of the index, when the file was written anew")
	closed()
}
