//go:build unix

package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

const many = 100_000

// BenchmarkOpen100k opens a store of 100,000 bodies, and says what each takes
// up in memory.
func BenchmarkOpen100k(b *testing.B) {
	dir := stocked(b)
	var before, after runtime.MemStats
	var cpu time.Duration
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		begun := cpuTime(b)
		s := opens(b, dir)
		cpu += cpuTime(b) - begun
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/many, "B/object")
		s.Close()
		b.StartTimer()
	}
	b.ReportMetric(cpu.Seconds()/float64(b.N), "cpu-s/op")
}

// BenchmarkRebuild100k opens it without its index.
func BenchmarkRebuild100k(b *testing.B) {
	dir := stocked(b)
	var cpu time.Duration
	for b.Loop() {
		b.StopTimer()
		if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		begun := cpuTime(b)
		opens(b, dir).Close()
		cpu += cpuTime(b) - begun
	}
	b.ReportMetric(cpu.Seconds()/float64(b.N), "cpu-s/op")
}

// cpuTime is what this process has used: on a machine that does other things,
// too, the wall clock says little.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
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
