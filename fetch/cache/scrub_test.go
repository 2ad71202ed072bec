package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// TestScrub: what rots while nobody looks, in a body that this process wrote
// itself too, is found by the next round, is a miss then, and leaves no file;
// what is right stays.
func TestScrub(t *testing.T) {
	for _, how := range []string{"flip", "cut", "gone", "index"} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			var log bytes.Buffer
			s := open(t, dir, Config{Logger: logTo(&log)})
			defer s.Close()
			bad, m, body := object("bad", 3*verify.MinPieceSize+5)
			put(t, s, bad, m, body)
			path := files(t, dir)[0]
			good, m, body := object("good", 2*verify.MinPieceSize)
			put(t, s, good, m, body)
			switch how {
			case "flip":
				flipKeepingTime(t, path, 2*verify.MinPieceSize+1)
			case "cut":
				damage(t, path, "cut", 100)
			case "gone":
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			case "index":
				if err := s.db.Delete(sideKey(entryOf(t, s, bad).name), nil); err != nil {
					t.Fatal(err)
				}
			}
			if !s.scrub(t.Context(), 1<<40) {
				t.Error("the round did not come to its end")
			}
			if has(t, s, bad) || !has(t, s, good) {
				t.Errorf("rotten found: %v, sound found: %v", has(t, s, bad), has(t, s, good))
			}
			checkAccount(t, s, dir)
			if n := len(files(t, dir)); n != 1 || !strings.Contains(log.String(), "msg=rejected") {
				t.Errorf("%d bodies, log %s", n, log.String())
			}
		})
	}
}

func entryOf(t *testing.T, s opened, req *fetch.Request) *entry {
	t.Helper()
	id, err := urlID(req.URL.String())
	if err != nil {
		t.Fatal(err)
	}
	return s.variants(id)[0]
}

// flipKeepingTime changes one octet as a disk does.
func flipKeepingTime(t *testing.T, path string, at int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	damage(t, path, "flip", at)
	if err := os.Chtimes(path, time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
}

// TestScrubTrusts: what the scrub has seen goes by sendfile from then.
func TestScrubTrusts(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Config{})
	req, m, body := object("a", checkedAtOnce+100)
	put(t, s, req, m, body)
	s.Close()
	s = open(t, dir, Config{})
	defer s.Close()
	s.scrub(t.Context(), 1<<40)
	e := entryOf(t, s, req)
	e.trust.mu.Lock()
	defer e.trust.mu.Unlock()
	if e.trust.left != 0 {
		t.Errorf("%d pieces are not trusted", e.trust.left)
	}
}

// TestScrubPace: the scrub takes its time, and ends when it is told to.
func TestScrubPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace{ctx: t.Context(), rate: 1 << 20}
		begun := time.Now()
		for range 160 {
			p.take(64 << 10)
		}
		if d := time.Since(begun); d < 9900*time.Millisecond || d > 10*time.Second {
			t.Errorf("10 MiB at 1 MiB/s took %v", d)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p.ctx = ctx
		if p.take(1) || p.take(1<<30) {
			t.Error("goes on after its end")
		}
	})
}

// TestScrubEnds: Scrub ends with its context, and with the store.
func TestScrubEnds(t *testing.T) {
	s := open(t, t.TempDir(), Config{})
	for i := range 3 {
		req, m, body := object(fmt.Sprint(i), 1000)
		put(t, s, req, m, body)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Scrub(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := errors.Join(s.Close()); err != nil {
		t.Error(err)
	}
	if s.scrub(t.Context(), 1) {
		t.Error("a round over a closed store")
	}
}
