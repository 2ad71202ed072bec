package cache

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

func BenchmarkLookup1KiB(b *testing.B) {
	s := openTemp(b, Config{})
	req, m, body := object("a", 1024, "Etag", `"a"`, "Content-Type", "text/html", "Vary", "Accept-Encoding")
	put(b, s, req, m, body)
	b.ReportAllocs()
	for b.Loop() {
		st, err := s.Lookup(req, time.Now())
		if err != nil || !st.Fresh {
			b.Fatal(err)
		}
		st.Body.Close()
	}
}

func BenchmarkCommit64MiB(b *testing.B) {
	s := openTemp(b, Config{Limit: 1 << 30, MinFree: -1})
	body := fetchtest.Body(1, 64<<20)
	seal := fetchtest.Seal(body)
	req, m, _ := object("a", 0)
	m.Length = int64(len(body))
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		w, err := s.Create(req, m)
		if err != nil {
			b.Fatal(err)
		}
		for off := 0; off < len(body); off += 1 << 20 {
			if _, err := w.WriteAt(body[off:off+1<<20], int64(off)); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Commit(seal); err != nil {
			b.Fatal(err)
		}
		w.Release()
	}
}

func BenchmarkCommit1KiB(b *testing.B) {
	s := openTemp(b, Config{})
	i := 0
	for b.Loop() {
		i++
		req, m, body := object(fmt.Sprint(i), 1024)
		put(b, s, req, m, body)
	}
}

const many = 100_000

// BenchmarkOpen100k opens a store of 100,000 bodies, and says what each takes
// up in memory.
func BenchmarkOpen100k(b *testing.B) {
	dir := stocked(b)
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := opens(b, dir)
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/many, "B/object")
		s.Close()
		b.StartTimer()
	}
}

// BenchmarkRebuild100k opens it without its index.
func BenchmarkRebuild100k(b *testing.B) {
	dir := stocked(b)
	for b.Loop() {
		b.StopTimer()
		if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		opens(b, dir).Close()
	}
}

func opens(b *testing.B, dir string) opened {
	b.Helper()
	s, err := openIndexed(b, dir, Config{})
	if err != nil {
		b.Fatal(err)
	}
	if n := s.Stats().Objects; n != many {
		b.Fatalf("%d objects", n)
	}
	return s
}

// stocked makes a data folder with many bodies.
func stocked(b *testing.B) (dir string) {
	dir = b.TempDir()
	s, err := openIndexed(b, dir, Config{})
	if err != nil {
		b.Fatal(err)
	}
	for i := range many {
		implant(b, s, fmt.Sprint(i))
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return dir
}

// implant stores a response of two pieces as Commit does, but without waiting
// for the disk.
func implant(b *testing.B, s opened, path string) {
	_, m, _ := object(path, 0, "Etag", `"a"`, "Content-Type", "text/html; charset=utf-8", "Vary", "Accept-Encoding",
		"Date", "Mon, 04 May 2026 12:00:00 GMT", "Last-Modified", "Mon, 04 May 2026 12:00:00 GMT", "Server", "nginx",
		"Accept-Ranges", "bytes", "Strict-Transport-Security", "max-age=31536000")
	m.Length, m.Shared = int64(len(implanted)), true
	whole := implantedSeal().Whole
	side := sideOf(whole)
	r := &record{meta: m, digest: whole.Digest, side: len(side)}
	value, err := r.encode()
	if err != nil {
		b.Fatal(err)
	}
	n := newName()
	if err := os.MkdirAll(filepath.Dir(s.bodies.path(n)), folderMode); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(s.bodies.path(n), implanted, fileMode); err != nil {
		b.Fatal(err)
	}
	if err := s.bodies.writeBeside(n, encodeBeside(value, side)); err != nil {
		b.Fatal(err)
	}
	if err := errors.Join(s.db.Set(recordKey(m.ID, n), value, pebble.NoSync), s.db.Set(sideKey(n), side, pebble.NoSync)); err != nil {
		b.Fatal(err)
	}
}

var (
	implanted     = fetchtest.Body(3, verify.MinPieceSize+10)
	implantedSeal = sync.OnceValue(func() fetch.Seal { return fetchtest.Seal(implanted) })
)

// BenchmarkChecked reads a body of 64 MiB for the first time since the start.
func BenchmarkChecked(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir, Config{})
	req, m, body := object("a", 64<<20)
	put(b, s, req, m, body)
	s.Close()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		s := open(b, dir, Config{})
		st, err := s.Lookup(req, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, st.Body); err != nil {
			b.Fatal(err)
		}
		st.Body.Close()
		s.Close()
	}
}
