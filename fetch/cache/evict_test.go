package cache

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// TestEvict: what was not used again goes, and no more than must; also after a
// restart. What is open stays, however many others come.
func TestEvict(t *testing.T) {
	for _, reopen := range []bool{false, true} {
		t.Run(fmt.Sprintf("reopen=%v", reopen), func(t *testing.T) {
			dir := t.TempDir()
			var removed []dht.ID
			cfg := Config{Limit: 500_000, OnRemove: func(id dht.ID) { removed = append(removed, id) }}
			s := open(t, dir, cfg)
			defer func() { s.Close() }()
			start := time.Now().Add(-time.Hour)
			for i := range 4 {
				req, m, body := shared(fmt.Sprint(i), 100_000)
				m.ResponseTime = start.Add(time.Duration(i) * time.Second)
				put(t, s, req, m, body)
			}
			first, _, _ := shared("0", 0)
			if !has(t, s, first) {
				t.Fatal("not stored")
			}
			if reopen {
				s.Close()
				s = open(t, dir, cfg)
			}
			req, m, body := shared("new", 150_000)
			put(t, s, req, m, body)
			for path, want := range map[string]bool{"1": false, "2": true, "3": true, "new": true, "0": true} {
				if _, m, _ := object(path, 0); (len(s.variants(m.ID)) > 0) != want {
					t.Errorf("%s: found %v, want %v", path, !want, want)
				}
			}
			if _, m, _ := shared("1", 0); len(removed) != 1 || removed[0] != m.ID {
				t.Errorf("OnRemove: %v", removed)
			}
			checkAccount(t, s, dir)
		})
	}
}

// TestInUseStays: a body that is open is not evicted, counts until it is
// closed also when it is removed, and goes afterwards.
func TestInUseStays(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Config{Limit: 1 << 20})
	defer s.Close()
	const size = hotBody + 1 // not in memory
	req, m, body := object("open", size)
	put(t, s, req, m, body)
	st, err := s.Lookup(req, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		req, m, body := object(fmt.Sprint("more", i), 100_000)
		put(t, s, req, m, body)
		checkAccount(t, s, dir)
	}
	if n, err := io.Copy(io.Discard, st.Body); n != size || err != nil {
		t.Errorf("read %d octets, %v", n, err)
	}
	if again, err := s.Lookup(req, time.Now()); err != nil {
		t.Error("evicted while it was open")
	} else {
		again.Body.Close()
	}
	if err := s.SetLimit(50_000); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().Objects; n != 1 {
		t.Errorf("%d objects, want the one that is open", n)
	}
	st.Body.Close()
	st.Body.Close()
	if st := s.Stats(); st.Objects != 0 || st.Bytes != 0 || st.Reserved != 0 {
		t.Errorf("after the last reader: %+v", st)
	}

	s.SetLimit(1 << 20)
	put(t, s, req, m, body)
	if st, err = s.Lookup(req, time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Remove(m.URL); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if left := s.Stats(); left.Bytes != 0 || left.Reserved < size {
		t.Errorf("removed and open: %+v", left)
	}
	st.Body.Close()
	if left := s.Stats(); left.Reserved != 0 {
		t.Errorf("removed and closed: %+v", left)
	}
	checkAccount(t, s, dir)
}

// TestMaxObjects: the number of objects is bounded, too.
func TestMaxObjects(t *testing.T) {
	var es entries
	es.init(1 << 40)
	first := &entry{size: 1}
	es.add(first)
	for i := range maxObjects {
		es.add(&entry{id: dht.ID{1, byte(i), byte(i >> 8), byte(i >> 16)}, size: 1})
	}
	if dropped, ok := es.makeRoom(0); !ok || len(dropped) != 1 || dropped[0] != first || es.bytes != maxObjects {
		t.Errorf("dropped %d, %d octets left", len(dropped), es.bytes)
	}
}

// TestLimitLowered: a store that is opened with a lower limit obeys it.
func TestLimitLowered(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Config{})
	for i := range 10 {
		req, m, body := object(fmt.Sprint(i), 100_000)
		put(t, s, req, m, body)
	}
	s.Close()
	s = open(t, dir, Config{Limit: 250_000})
	defer s.Close()
	if n := s.Stats().Objects; n != 2 {
		t.Errorf("%d objects, want 2", n)
	}
	checkAccount(t, s, dir)
}

func TestTooLarge(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Config{Limit: 1 << 20})
	defer s.Close()
	old, om, obody := object("old", 1000)
	put(t, s, old, om, obody)

	req, m, _ := object("known", 2<<20)
	if _, err := s.Create(req, m); !errors.Is(err, fetch.ErrNotStorable) || !errors.Is(err, ErrFull) {
		t.Errorf("Create of a body beyond the limit: %v", err)
	}
	if !has(t, s, old) {
		t.Error("evicted for what cannot be stored")
	}

	req, m, _ = object("unknown", -1)
	w, err := s.Create(req, m)
	if err != nil {
		t.Fatal(err)
	}
	part := fetchtest.Body(1, 256<<10)
	for off := int64(0); ; off += int64(len(part)) {
		if _, err = w.WriteAt(part, off); err != nil {
			if off < 512<<10 {
				t.Errorf("refused at %d octets", off)
			}
			break
		}
		checkAccount(t, s, dir)
	}
	if !errors.Is(err, ErrFull) {
		t.Errorf("WriteAt beyond the limit: %v, want ErrFull", err)
	}
	if _, err := w.ReadAt(make([]byte, len(part)), 0); err != nil {
		t.Errorf("ReadAt after it: %v", err)
	}
	if err := w.Commit(fetchtest.Seal(part)); !errors.Is(err, ErrFull) {
		t.Errorf("Commit after it: %v, want ErrFull", err)
	}
	if s.Stats().Reserved == 0 {
		t.Error("the octets of an open file are given back")
	}
	w.Release()
	checkAccount(t, s, dir)

	// What others write counts.
	req, m, _ = object("half", 700<<10)
	one, err := s.Create(req, m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(req, m); !errors.Is(err, ErrFull) || errors.Is(err, fetch.ErrNotStorable) {
		t.Errorf("Create beside it: %v, want ErrFull alone", err)
	}
	one.Abort()
	one.Abort()
	one.Release()
	if st := s.Stats(); st.Reserved != 0 {
		t.Errorf("reserved after all: %+v", st)
	}
}

// TestDiskFull: the disk is left to others, after what is here was given up
// for it.
func TestDiskFull(t *testing.T) {
	s := openTemp(t, Config{MinFree: 1 << 60})
	req, m, _ := object("a", 1000)
	if _, err := s.Create(req, m); !errors.Is(err, ErrFull) || errors.Is(err, fetch.ErrNotStorable) {
		t.Errorf("Create on a full disk: %v, want ErrFull", err)
	}
	if st := s.Stats(); st.Reserved != 0 {
		t.Errorf("reserved: %+v", st)
	}
}

// TestAccountUnderLoad: writers of known and unknown length, readers, aborts,
// failures, freshening and removal at once, over a limit that is too low for
// all; at no moment is it exceeded, and in the end the account is right.
func TestAccountUnderLoad(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Config{Limit: 12 << 20, OnRemove: func(dht.ID) {}})
	defer s.Close()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			for range 40 {
				loadOnce(t, s, r)
				if st := s.Stats(); st.Bytes+st.Reserved > st.Limit {
					t.Errorf("over the limit: %+v", st)
				}
			}
		})
	}
	wg.Wait()
	if s.Stats().Reserved != 0 {
		t.Errorf("still reserved: %+v", s.Stats())
	}
	checkAccount(t, s, dir)
}

func loadOnce(t *testing.T, s opened, r *rand.Rand) {
	req, m, body := shared(fmt.Sprint(r.IntN(20)), r.IntN(1<<20))
	if r.IntN(2) == 0 {
		m.Length = -1
	}
	w, err := s.Create(req, m)
	if errors.Is(err, ErrFull) {
		return
	} else if err != nil {
		t.Error(err)
		return
	}
	defer w.Release()
	if _, err := w.WriteAt(body, 0); err != nil && !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	switch r.IntN(8) {
	case 0:
		w.Abort()
		return
	case 1:
		w.Commit(fetch.Seal{})
	default:
		if err := w.Commit(fetchtest.Seal(body)); err != nil && !errors.Is(err, ErrFull) && !errors.Is(err, errForgotten) {
			t.Error(err)
		}
	}
	if r.IntN(10) == 0 {
		s.Remove(req.URL.String())
	}
	st, err := s.Lookup(req, time.Now())
	if err != nil {
		return
	}
	defer st.Body.Close()
	if n, err := io.Copy(io.Discard, st.Body); n != st.Meta.Length || err != nil {
		t.Errorf("read %d of %d, %v", n, st.Meta.Length, err)
	}
	if f, err := s.Freshen(req, st, status(304, fetchtest.Meta(req, time.Now(), 0, "X-A", fmt.Sprint(r.Int()))), time.Now()); err == nil {
		f.Body.Close()
	}
}
