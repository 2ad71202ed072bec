package cache

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

// object is a cacheable response at path, at a time that is now for the store.
func object(path string, n int, fields ...string) (*fetch.Request, *fetch.Meta, []byte) {
	req := fetchtest.Request("http://example.com/" + path)
	fields = append([]string{"Cache-Control", "max-age=3600"}, fields...)
	return req, fetchtest.Meta(req, time.Now(), int64(n), fields...), fetchtest.Body(uint64(len(path)), max(n, 0))
}

// shared is object, shared.
func shared(path string, n int, fields ...string) (*fetch.Request, *fetch.Meta, []byte) {
	req, m, body := object(path, n, fields...)
	m.Shared = true
	return req, m, body
}

func has(t testing.TB, s fetch.Cache, req *fetch.Request) bool {
	t.Helper()
	st, err := s.Lookup(req, time.Now())
	if err == nil {
		st.Body.Close()
	} else if !errors.Is(err, fetch.ErrMiss) {
		t.Fatal(err)
	}
	return err == nil
}

// TestSweep: what a crash can leave behind is gone after Open, and files that
// are not ours are left alone.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Config{})
	for i := range 4 {
		req, m, body := object(fmt.Sprint(i), 200_000+i)
		put(t, s, req, m, body)
	}
	paths := files(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Remove(paths[0]))
	must(os.Truncate(paths[1], 5))
	orphan := filepath.Join(filepath.Dir(paths[2]), strings.Repeat("0", 29))
	must(os.WriteFile(orphan, []byte("x"), 0o600))
	temp := filepath.Join(dir, "bodies", "tmp", newName().String())
	must(os.WriteFile(temp, []byte("x"), 0o600))
	foreign := filepath.Join(dir, "bodies", "README")
	must(os.WriteFile(foreign, []byte("x"), 0o600))

	var log bytes.Buffer
	s = open(t, dir, Config{Logger: logTo(&log)})
	defer s.Close()
	if n := s.Stats().Objects; n != 2 {
		t.Errorf("%d objects, want 2", n)
	}
	hits := 0
	for i := range 4 {
		if req, _, _ := object(fmt.Sprint(i), 0); has(t, s, req) {
			hits++
		}
	}
	if hits != 2 || s.Stats().Objects != 2 {
		t.Errorf("%d hits, %d objects, want 2", hits, s.Stats().Objects)
	}
	for _, gone := range []string{orphan, temp, paths[1]} {
		if _, err := os.Stat(gone); !os.IsNotExist(err) {
			t.Errorf("%s was not swept: %v", gone, err)
		}
	}
	must(os.Remove(foreign))
	checkAccount(t, s, dir)
}

// TestGarbageIndex: nothing in the index makes more than a miss, at Open and
// later.
func TestGarbageIndex(t *testing.T) {
	for _, when := range []string{"before open", "after open"} {
		t.Run(when, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, Config{})
			req, m, body := shared("a", 200_000, "Etag", `"a"`)
			put(t, s, req, m, body)
			token := verify.TokenOf(m.ID, fetchtest.Seal(body).Whole.Digest)
			for _, prefix := range []string{prefixRecord, prefixSide, prefixAccess, prefixMemo, prefixAge} {
				var keys [][]byte
				s.scan(prefix, func(key, _ []byte) { keys = append(keys, bytes.Clone(key)) })
				for _, k := range append(keys, []byte(prefix), []byte(prefix+"x"), append([]byte(prefix), make([]byte, 48)...)) {
					if err := s.db.Set(k, []byte("\x01garbage"), pebble.Sync); err != nil {
						t.Fatal(err)
					}
				}
			}
			if when == "before open" {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(t, dir, Config{})
			}
			defer s.Close()
			if _, err := s.Open(m.ID, token); !errors.Is(err, fetch.ErrUnknown) {
				t.Errorf("Open: %v", err)
			}
			if has(t, s, req) {
				t.Error("found by a record of garbage")
			}
			if _, ok := s.Recall(m.ID, `"a"`, ""); ok {
				t.Error("recalled from garbage")
			}
			s.Invalidate(req.URL.String())
			if st := s.Stats(); st.Objects != 0 || st.Bytes != 0 {
				t.Errorf("stats: %+v", st)
			}
			put(t, s, req, m, body)
			if !has(t, s, req) {
				t.Error("not stored again")
			}
		})
	}
}

// TestFailingDisk: what the disk cannot take is an error to the writer, and
// what was written before can be read.
func TestFailingDisk(t *testing.T) {
	s := openTemp(t, Config{})
	req, m, _ := object("a", -1)
	w, err := s.Create(req, m)
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no device that is full")
	}
	w.(*writer).file.Close()
	w.(*writer).file = full
	if _, err := w.WriteAt([]byte("abc"), 0); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("WriteAt to a full disk: %v", err)
	}
	if err := w.Commit(fetchtest.Seal(nil)); err == nil {
		t.Error("Commit after a failed write")
	}
	if _, err := w.ReadAt(make([]byte, 3), 0); err != nil {
		t.Errorf("ReadAt after a failed write: %v", err)
	}
	w.Release()
	if has(t, s, req) || s.Stats().Reserved != 0 {
		t.Errorf("stored, or still reserved: %+v", s.Stats())
	}
}

// TestCommitFails: a body that cannot be kept is not stored, leaves no file,
// and can be read until it is released.
func TestCommitFails(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Config{})
	defer s.Close()
	req, m, body := object("a", 70_000)
	w, err := s.Create(req, m)
	if err != nil {
		t.Fatal(err)
	}
	w.WriteAt(body, 0)
	blocked := filepath.Join(dir, "bodies", w.(*writer).name.String()[:1])
	if err := os.WriteFile(blocked, nil, 0o600); err != nil { // where a folder is wanted
		t.Fatal(err)
	}
	if err := w.Commit(fetchtest.Seal(body)); err == nil {
		t.Fatal("Commit without a folder")
	}
	got := make([]byte, len(body))
	if _, err := w.ReadAt(got, 0); err != nil || !bytes.Equal(got, body) {
		t.Errorf("ReadAt after a failed Commit: %v", err)
	}
	w.Release()
	os.Remove(blocked)
	if len(files(t, dir)) != 0 || has(t, s, req) {
		t.Errorf("left %v", files(t, dir))
	}
	checkAccount(t, s, dir)
}

// TestLyingSeal: states that are missing are hashed anew, and must lead to the
// digest.
func TestLyingSeal(t *testing.T) {
	s := openTemp(t, Config{})
	req, m, body := object("a", 70_000)
	w, err := s.Create(req, m)
	if err != nil {
		t.Fatal(err)
	}
	w.WriteAt(fetchtest.Body(99, 70_000), 0)
	seal := fetchtest.Seal(body)
	seal.Whole.States = nil
	if err := w.Commit(seal); !errors.Is(err, ErrDamaged) {
		t.Errorf("Commit = %v, want ErrDamaged", err)
	}
	w.Release()
}

// TestReplaced: a newer response takes the room of the one that it replaces,
// and a shared object that is replaced by a shared one was not removed.
func TestReplaced(t *testing.T) {
	removed := 0
	_, m, _ := shared("a", 1)
	dir := t.TempDir()
	s := open(t, dir, Config{OnRemove: func(id dht.ID) {
		if id == m.ID {
			removed++
		}
	}})
	defer s.Close()
	for i := range 3 {
		req, m, body := shared("a", 1000+i)
		put(t, s, req, m, body)
	}
	if s.Stats().Objects != 1 || len(files(t, dir)) != 1 || removed != 0 {
		t.Errorf("%d objects, %v, %d removed", s.Stats().Objects, files(t, dir), removed)
	}
	req, m, body := object("a", 5)
	put(t, s, req, m, body)
	if removed != 1 {
		t.Errorf("%d removed, want 1", removed)
	}
	checkAccount(t, s, dir)
}

func TestVariants(t *testing.T) {
	s := openTemp(t, Config{})
	variant := func(i int) *fetch.Request {
		return fetchtest.Request("http://example.com/", "X-A", fmt.Sprint(i))
	}
	for i := range maxVariants + 3 {
		m := fetchtest.Meta(variant(i), time.Now(), 1, "Cache-Control", "max-age=60", "Vary", "X-A")
		m.Vary = variant(i).Header
		put(t, s, variant(i), m, []byte("x"))
		has(t, s, variant(0)) // keeps it from being the oldest
	}
	for i := range maxVariants + 3 {
		want := i == 0 || i > 3
		if got := has(t, s, variant(i)); got != want {
			t.Errorf("variant %d: found %v, want %v", i, got, want)
		}
	}
	if n, err := s.Remove("http://example.com/"); n != maxVariants || err != nil {
		t.Errorf("Remove = %d, %v", n, err)
	}
}

// TestInvalidateInFlight: what was asked for before an unsafe request may be
// old when it is stored after it.
func TestInvalidateInFlight(t *testing.T) {
	s := openTemp(t, Config{})
	req, m, body := object("a", 3)
	w, err := s.Create(req, m)
	if err != nil {
		t.Fatal(err)
	}
	s.Invalidate(req.URL.String())
	w.WriteAt(body, 0)
	if err := w.Commit(fetchtest.Seal(body)); err != nil {
		t.Fatal(err)
	}
	w.Release()
	st, err := s.Lookup(req, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Body.Close()
	if st.Fresh {
		t.Error("fresh")
	}
	not := status(304, fetchtest.Meta(req, time.Now(), 0, "Cache-Control", "max-age=60"))
	f, err := s.Freshen(req, st, not, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Body.Close()
	if !f.Fresh {
		t.Error("not fresh after validation")
	}
}

func TestRemove(t *testing.T) {
	var removed []dht.ID
	dir := t.TempDir()
	s := open(t, dir, Config{OnRemove: func(id dht.ID) { removed = append(removed, id) }})
	defer func() { s.Close() }()
	req, m, body := shared("a", 100_000, "Etag", `"a"`)
	other, om, obody := object("b", 1)
	put(t, s, req, m, body)
	put(t, s, other, om, obody)
	writing, err := s.Create(req, m)
	if err != nil {
		t.Fatal(err)
	}
	writing.WriteAt(body, 0)
	reading, err := s.Lookup(req, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Body.Close()

	if n, err := s.Remove("http://EXAMPLE.com/a"); n != 1 || err != nil {
		t.Errorf("Remove = %d, %v", n, err)
	}
	if err := writing.Commit(fetchtest.Seal(body)); !errors.Is(err, errForgotten) {
		t.Errorf("Commit of what was removed: %v", err)
	}
	writing.Release()
	if got, err := io.ReadAll(reading.Body); err != nil || !bytes.Equal(got, body) {
		t.Errorf("an open body cannot be read to the end: %v", err)
	}
	if _, ok := s.Recall(m.ID, `"a"`, ""); ok || has(t, s, req) || len(files(t, dir)) != 1 {
		t.Errorf("not forgotten: %v", files(t, dir))
	}
	removed = slices.DeleteFunc(removed, func(id dht.ID) bool { return id == dht.DigestID(fetchtest.Seal(body).Whole.Digest.Multihash()) })
	if !slices.Equal(removed, []dht.ID{m.ID}) && !slices.Equal(removed, []dht.ID{m.ID, m.ID}) {
		t.Errorf("OnRemove: %v", removed)
	}
	checkAccount(t, s, dir)
	if n, err := s.Remove("http://example.com/none"); n != 0 || err != nil {
		t.Errorf("Remove of nothing = %d, %v", n, err)
	}
	for _, raw := range []string{"\x00", "ftp://example.com/"} {
		if n, err := s.Remove(raw); n != 0 || err != nil {
			t.Errorf("Remove(%q) = %d, %v", raw, n, err)
		}
	}
}

func TestList(t *testing.T) {
	s := openTemp(t, Config{})
	var want []dht.ID
	for i := range 5 {
		req, m, body := object(fmt.Sprint(i), 10)
		m.Shared = i%2 == 0
		if m.Shared {
			want = append(want, m.ID)
		}
		put(t, s, req, m, body)
	}
	got := slices.Collect(s.Shared())
	order := func(a, b dht.ID) int { return bytes.Compare(a[:], b[:]) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if !slices.Equal(got, want) {
		t.Errorf("Shared: %v, want %v", got, want)
	}
	req, _, _ := object("2", 0)
	has(t, s, req)
	var urls []string
	for item := range s.List() {
		urls = append(urls, item.Meta.URL)
		if item.Bytes <= 10 || item.Digest.Length() != 10 || time.Since(item.Used) > time.Minute {
			t.Errorf("item: %+v", item)
		}
		if len(urls) == 1 {
			s.Remove("http://example.com/0") // may be called from the loop
		}
	}
	if !slices.Equal(urls, []string{"http://example.com/2", "http://example.com/4", "http://example.com/3", "http://example.com/1"}) {
		t.Errorf("List: %v", urls)
	}
}

// TestClosed: a closed store answers everything, does nothing, and leaves the
// index alone.
func TestClosed(t *testing.T) {
	dir := t.TempDir()
	reg := prometheus.NewRegistry()
	s := open(t, dir, Config{Metrics: reg})
	req, m, body := shared("a", 9<<20)
	put(t, s, req, m, body)
	if got, _ := reg.Gather(); len(got) != 2 || got[1].GetMetric()[0].GetGauge().GetValue() != 1 {
		t.Errorf("gauges: %v", got)
	}
	s.Close()
	s = open(t, dir, Config{Metrics: reg})
	lazy, err := s.Lookup(req, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Create(req, m)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files(t, dir)[0], fetchtest.Body(5, 9<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Store.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := lazy.Body.ReadAt(make([]byte, 10), 0); !errors.Is(err, ErrDamaged) {
		t.Errorf("read of a damaged body: %v", err)
	}
	lazy.Body.Close()
	if _, err := w.WriteAt([]byte("x"), 9<<20); !errors.Is(err, ErrClosed) {
		t.Errorf("WriteAt: %v", err)
	}
	if err := w.Commit(fetchtest.Seal(body)); err == nil {
		t.Error("Commit")
	}
	w.Release()
	if _, err := s.Create(req, m); !errors.Is(err, ErrClosed) {
		t.Errorf("Create: %v", err)
	}
	if has(t, s, req) {
		t.Error("Lookup")
	}
	if _, err := s.Freshen(req, &fetch.Stored{Meta: m}, status(304, response()), time.Now()); !errors.Is(err, ErrClosed) {
		t.Errorf("Freshen: %v", err)
	}
	if _, err := s.Remove(req.URL.String()); !errors.Is(err, ErrClosed) {
		t.Errorf("Remove: %v", err)
	}
	s.Invalidate(req.URL.String())
	for range s.List() {
		t.Error("List")
	}
	if got, _ := reg.Gather(); len(got) != 0 {
		t.Errorf("gauges: %v", got)
	}
}

// TestFreshenForbids: a 304 that says no-store or private is obeyed, one to an
// authorized request changes nothing, and one that sets a cookie ends sharing.
func TestFreshenForbids(t *testing.T) {
	for _, tt := range []struct {
		name          string
		asked         []string
		answer        []string
		stays, shares bool
		freshened     bool
	}{
		{"plain", nil, []string{"X-New", "1"}, true, true, true},
		{"private", nil, []string{"Cache-Control", "private", "X-New", "1"}, false, false, false},
		{"no-store", nil, []string{"Cache-Control", "no-store", "X-New", "1"}, false, false, false},
		{"varies by all", nil, []string{"Vary", "*", "X-New", "1"}, false, false, false},
		{"cookie", nil, []string{"Set-Cookie", "a=b", "X-New", "1"}, true, false, true},
		{"varies", nil, []string{"Vary", "X-A", "X-New", "1"}, true, false, true},
		{"authorized", []string{"Authorization", "x"}, []string{"X-New", "1"}, true, true, false},
		{"authorized, public", []string{"Authorization", "x"}, []string{"Cache-Control", "public", "X-New", "1"}, true, true, true},
		{"request no-store", []string{"Cache-Control", "no-store"}, []string{"X-New", "1"}, true, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			removed := 0
			s := openTemp(t, Config{OnRemove: func(dht.ID) { removed++ }})
			req, m, body := shared("a", 10)
			put(t, s, req, m, body)
			asked := fetchtest.Request(req.URL.String(), tt.asked...)
			old, err := s.Lookup(asked, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			defer old.Body.Close()
			got, err := s.Freshen(asked, old, status(304, fetchtest.Meta(asked, time.Now(), 0, tt.answer...)), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			defer got.Body.Close()
			if b, err := io.ReadAll(got.Body); err != nil || !bytes.Equal(b, body) || got.Meta.Header.Get("X-New") != "1" {
				t.Errorf("freshened: %v, %v", got.Meta, err)
			}
			st, err := s.Lookup(req, time.Now())
			if (err == nil) != tt.stays {
				t.Fatalf("stored after it: %v, want %v", err == nil, tt.stays)
			}
			if err == nil {
				st.Body.Close()
				if (st.Meta.Header.Get("X-New") == "1") != tt.freshened {
					t.Errorf("fields updated: %v", st.Meta.Header)
				}
			}
			if n := len(slices.Collect(s.Shared())); (n == 1) != tt.shares || (removed == 0) != tt.shares {
				t.Errorf("%d shared, %d told to be removed", n, removed)
			}
			checkAccount(t, s, s.cfg.Dir)
		})
	}
}

// TestFreshenTwice: two readers revalidate the same response at once.
func TestFreshenTwice(t *testing.T) {
	s := openTemp(t, Config{})
	req, m, body := object("a", 10, "Etag", `"a"`)
	put(t, s, req, m, body)
	old, err := s.Lookup(req, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer old.Body.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			f, err := s.Freshen(req, old, status(304, fetchtest.Meta(req, time.Now(), 0, "Etag", `"a"`)), time.Now())
			if err != nil {
				t.Error(err)
				return
			}
			f.Body.Close()
		})
	}
	wg.Wait()
	if _, err := s.Remove(req.URL.String()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Freshen(req, old, status(304, fetchtest.Meta(req, time.Now(), 0, "Etag", `"a"`)), time.Now()); !errors.Is(err, fetch.ErrChanged) {
		t.Errorf("Freshen of what is gone: %v, want ErrChanged", err)
	}
}
