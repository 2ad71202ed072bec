package cache

import (
	"fmt"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// TestMemoryOutlives: a digest is remembered when the body is gone.
func TestMemoryOutlives(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Config{Limit: 150_000})
	req, m, body := object("a", 100_000, "Etag", `"a"`)
	put(t, s, req, m, body)
	other, om, obody := object("b", 100_000)
	put(t, s, other, om, obody)
	if has(t, s, req) {
		t.Fatal("not evicted")
	}
	s.Close()
	s = open(t, dir, Config{})
	defer s.Close()
	if d, ok := s.Recall(m.ID, `"a"`, ""); !ok || d != fetchtest.Seal(body).Whole.Digest {
		t.Errorf("Recall = %v, %v", d, ok)
	}
	s.Remove(om.URL)
	if _, ok := s.Recall(m.ID, `"a"`, ""); !ok {
		t.Error("Remove of another URL forgets")
	}
}

// TestMemoryOld: what is too old is not recalled, and gone after Open.
func TestMemoryOld(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Config{})
	d := fetchtest.Seal([]byte("x")).Whole.Digest
	id := response().ID
	for i, age := range []time.Duration{memoTTL + time.Hour, memoTTL - time.Hour} {
		if err := s.memory.put(memoIDOf(id, fmt.Sprint(i), ""), memo{d, time.Now().Add(-age)}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, ok := s.Recall(id, "0", ""); ok {
			t.Error("recalled after 90 days")
		}
		if _, ok := s.Recall(id, "1", ""); !ok {
			t.Error("forgotten before 90 days")
		}
		s.Close()
		s = open(t, dir, Config{})
	}
	if s.memory.count != 1 {
		t.Errorf("%d memos, want 1", s.memory.count)
	}
	s.Close()
}

// TestMemoryCap: the oldest go, but not those that were renewed.
func TestMemoryCap(t *testing.T) {
	s := openTemp(t, Config{})
	d := fetchtest.Seal([]byte("x")).Whole.Digest
	id := response().ID
	put := func(i int, at time.Duration) {
		t.Helper()
		if err := s.memory.put(memoIDOf(id, fmt.Sprint(i), ""), memo{d, t0.Add(at)}); err != nil {
			t.Fatal(err)
		}
	}
	const n = 50
	for i := range n {
		put(i, time.Duration(i)*time.Second)
	}
	put(0, n*time.Second)
	put(0, n*time.Second)
	if s.memory.count != n {
		t.Errorf("%d memos, want %d", s.memory.count, n)
	}
	s.memory.mu.Lock()
	err := s.memory.trimLocked(10, time.Time{})
	s.memory.mu.Unlock()
	if err != nil || s.memory.count != 10 {
		t.Errorf("%d memos, want 10, %v", s.memory.count, err)
	}
	for i := range n {
		_, err := s.memory.get(memoIDOf(id, fmt.Sprint(i), ""))
		if want := i == 0 || i > n-10; (err == nil) != want {
			t.Errorf("memo %d: %v, want there %v", i, err, want)
		}
	}
}
