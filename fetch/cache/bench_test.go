package cache

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
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
