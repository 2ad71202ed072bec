package cache

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"
)

// fromMemory looks req up and reports whether its body came from memory; it
// must be want.
func fromMemory(t *testing.T, s opened, path string, want []byte) bool {
	t.Helper()
	req, _, _ := object(path, 0)
	st, err := s.Lookup(req, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Body.Close()
	got, err := io.ReadAll(st.Body)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d octets, %v", len(got), err)
	}
	_, warm := st.Body.(*warmBody)
	return warm
}

// TestHotServesFromMemory: the second look-up of a small object needs no file,
// that of a large one does.
func TestHotServesFromMemory(t *testing.T) {
	s := openTemp(t, Config{})
	for _, c := range []struct {
		path string
		size int
		warm bool
	}{{"small", 1000, true}, {"empty", 0, true}, {"large", hotBody + 1, false}} {
		req, m, body := object(c.path, c.size)
		put(t, s, req, m, body)
		if fromMemory(t, s, c.path, body) {
			t.Errorf("%s: in memory before anybody asked", c.path)
		}
		if got := fromMemory(t, s, c.path, body); got != c.warm {
			t.Errorf("%s: from memory: %v", c.path, got)
		}
	}
}

// TestHotForgetsWhatChanged: what was invalidated, removed or replaced is not
// answered from memory as it was.
func TestHotForgetsWhatChanged(t *testing.T) {
	s := openTemp(t, Config{})
	req, m, body := object("a", 1000)
	put(t, s, req, m, body)
	fromMemory(t, s, "a", body)
	fromMemory(t, s, "a", body)

	s.Invalidate(m.URL)
	if st, err := s.Lookup(req, time.Now()); err != nil || st.Fresh {
		t.Errorf("invalidated: fresh, or %v", err)
	}
	_, m2, _ := object("a", 2000)
	next := bytes.Repeat([]byte{7}, 2000)
	put(t, s, req, m2, next)
	fromMemory(t, s, "a", next)
	if !fromMemory(t, s, "a", next) {
		t.Error("replaced: not in memory again")
	}
}

// TestHotOutlivesTheFile: what memory holds was proven, and stays right when
// the file is gone.
func TestHotOutlivesTheFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Config{})
	defer s.Close()
	req, m, body := object("a", 1000)
	put(t, s, req, m, body)
	fromMemory(t, s, "a", body)
	for _, path := range files(t, dir) {
		if err := os.Truncate(path, 10); err != nil {
			t.Fatal(err)
		}
	}
	if !fromMemory(t, s, "a", body) {
		t.Error("not from memory")
	}
}
