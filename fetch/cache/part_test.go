package cache

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

const partURL = "http://example.com/part"

func partOf(length int) (*fetch.Request, *fetch.Meta, []byte) {
	req := fetchtest.Request(partURL)
	body := fetchtest.Body(7, length)
	return req, fetchtest.Meta(req, time.Now(), int64(length), "Cache-Control", "max-age=600", "Etag", `"a"`), body
}

// suspended keeps the octets of spans of a body of five pieces.
func suspended(t *testing.T, s opened, spans ...fetch.Span) (*fetch.Request, *fetch.Meta, []byte) {
	t.Helper()
	req, m, body := partOf(5 * verify.MinPieceSize)
	w, err := s.Create(req, m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt(body, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Suspend(spans); err != nil {
		t.Fatal(err)
	}
	return req, m, body
}

// TestPartRots: a piece of a part that the disk has changed is not resumed, and
// the others are; read as it is, it is an error and then a miss.
func TestPartRots(t *testing.T) {
	for _, how := range []string{"flip", "cut"} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, Config{})
			req, m, body := suspended(t, s, fetch.Span{End: 4 * verify.MinPieceSize})
			s.Close()
			damage(t, files(t, dir)[0], how, 3*verify.MinPieceSize+5)
			s = open(t, dir, Config{})
			defer func() { s.Close() }()
			st, err := s.Partial(req, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 4*verify.MinPieceSize)
			if n, err := st.Body.ReadAt(got, 0); n != 3*verify.MinPieceSize || !errors.Is(err, ErrDamaged) || !bytes.Equal(got[:n], body[:n]) {
				t.Errorf("ReadAt = %d, %v", n, err)
			}
			st.Body.Close()
			if _, err := s.Partial(req, time.Now()); !errors.Is(err, fetch.ErrMiss) {
				t.Errorf("Partial of a rotten part: %v, want ErrMiss", err)
			}
			checkAccount(t, s, dir)

			suspended(t, s, fetch.Span{End: 4 * verify.MinPieceSize})
			s.Close()
			damage(t, files(t, dir)[0], how, 3*verify.MinPieceSize+5)
			s = open(t, dir, Config{})
			w, held, err := s.Resume(req, m)
			if err != nil || len(held) != 1 || held[0] != (fetch.Span{End: 3 * verify.MinPieceSize}) {
				t.Fatalf("Resume = %v, %v", held, err)
			}
			w.Abort()
			checkAccount(t, s, dir)
		})
	}
}

func damage(t *testing.T, path, how string, at int64) {
	t.Helper()
	if how == "cut" {
		if err := os.Truncate(path, at); err != nil {
			t.Fatal(err)
		}
		return
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[at] ^= 1
	if err := os.WriteFile(path, raw, fileMode); err != nil {
		t.Fatal(err)
	}
}

// TestPartsAreEvicted: parts are in the account by what they hold, and go
// where room is needed; Remove takes them too, and with them the checkpoints of
// what is being written.
func TestPartsAreEvicted(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Config{Limit: 500_000})
	defer func() { s.Close() }()
	req, m, _ := suspended(t, s, fetch.Span{End: verify.MinPieceSize})
	checkAccount(t, s, dir)
	if st := s.Stats(); st.Bytes < verify.MinPieceSize || st.Bytes > verify.MinPieceSize+4096 {
		t.Errorf("%d octets for a part of %d", st.Bytes, verify.MinPieceSize)
	}
	other, om, obody := object("other", 450_000)
	put(t, s, other, om, obody)
	if _, _, err := s.Resume(req, m); !errors.Is(err, fetch.ErrMiss) {
		t.Errorf("Resume of an evicted part: %v", err)
	}
	if n := len(files(t, dir)); n != 1 {
		t.Errorf("%d files, want 1", n)
	}
	checkAccount(t, s, dir)
	suspended(t, s, fetch.Span{End: verify.MinPieceSize})
	w, _, err := s.Resume(req, m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove(partURL); err != nil {
		t.Fatal(err)
	}
	if err := w.Suspend([]fetch.Span{{End: verify.MinPieceSize}}); !errors.Is(err, errForgotten) {
		t.Errorf("Suspend after Remove: %v", err)
	}
	s.Close()
	s = open(t, dir, Config{Limit: 500_000})
	if _, _, err := s.Resume(req, m); !errors.Is(err, fetch.ErrMiss) {
		t.Errorf("Resume after Remove: %v", err)
	}
	checkAccount(t, s, dir)
}

// TestCloseDuringCheckpoint: neither waits for the other for ever.
func TestCloseDuringCheckpoint(t *testing.T) {
	dir := t.TempDir()
	for range 30 {
		s := open(t, dir, Config{})
		var done sync.WaitGroup
		for i := range 4 {
			req, m, body := object(fmt.Sprint(i), 1<<20, "Etag", `"a"`)
			fw, err := s.Create(req, m)
			if err != nil {
				t.Fatal(err)
			}
			w := fw.(*writer)
			done.Go(func() {
				for end := 1 << 16; end <= len(body); end += 1 << 16 {
					w.WriteAt(body[end-1<<16:end], int64(end-1<<16))
					w.mu.Lock()
					w.saved = time.Time{} // so that each makes one
					w.mu.Unlock()
					w.Checkpoint([]fetch.Span{{End: int64(end)}})
				}
				w.Abort()
			})
		}
		if err := s.Store.Close(); err != nil {
			t.Fatal(err)
		}
		done.Wait()
		s.db.Close()
	}
}

// crashParts makes the child of a crash write one long body, with checkpoints.
const (
	crashParts = "FLASHCROWD_CACHE_CRASH_PARTS"
	crashLong  = 256 << 20
)

func crashPartChild(dir string) {
	db, err := openDB(dir)
	if err != nil {
		crashExit(err)
	}
	s, err := Open(Config{Dir: dir, DB: db, Limit: 1 << 30, MinFree: -1})
	if err != nil {
		crashExit(err)
	}
	req, m, body := partOf(crashLong)
	w, held, err := s.Resume(req, m)
	if errors.Is(err, fetch.ErrMiss) {
		w, err = s.Create(req, m)
	}
	if err != nil {
		crashExit(err)
	}
	fmt.Println("ready")
	const step = 1 << 20
	for at := int64(0); at < crashLong; at += step {
		if _, err := w.WriteAt(body[at:at+step], at); err != nil {
			crashExit(err)
		}
		held = fetch.Union(append(held, fetch.Span{Offset: at, End: at + step})...)
		w.Checkpoint(held)
	}
	select {}
}

// TestKillPart: whenever the process is killed, what its checkpoints have left
// of a body is resumed, and right.
func TestKillPart(t *testing.T) {
	dir, resumed := t.TempDir(), int64(0)
	req, m, body := partOf(crashLong)
	for range 4 {
		killWriting(t, dir)
		s := open(t, dir, Config{Limit: 1 << 30, MinFree: -1})
		w, held, err := s.Resume(req, m)
		if err == nil {
			for _, h := range held {
				got := make([]byte, h.Len())
				if _, err := w.ReadAt(got, h.Offset); err != nil || !bytes.Equal(got, body[h.Offset:h.End]) {
					t.Errorf("%v is not what was written: %v", h, err)
				}
			}
			resumed = max(resumed, lengthOf(held))
			err = w.Suspend(held)
		}
		if err != nil && !errors.Is(err, fetch.ErrMiss) {
			t.Error(err)
		}
		checkAccount(t, s, dir)
		s.Close()
	}
	if resumed < checkpointOctets {
		t.Errorf("at most %d octets were resumed", resumed)
	}
}

// killWriting runs the child and kills it some time after it began to write.
func killWriting(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+dir, crashParts+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Errorf("the child said %q, %v", line, err)
	}
	<-time.After(time.Duration(300+rand.IntN(700)) * time.Millisecond)
	cmd.Process.Kill()
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v", err)
	}
}

// FuzzDecodePart: nothing in the index makes the decoder fall, and what it
// takes it gives back.
func FuzzDecodePart(f *testing.F) {
	_, m, _ := partOf(5 * verify.MinPieceSize)
	p := &part{meta: m, chunks: chunksOf([]fetch.Span{{Offset: 3, End: 2*verify.MinPieceSize + 9}}, m.Length)}
	value, err := p.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value[sealSize:])
	f.Fuzz(func(t *testing.T, raw []byte) {
		e := newEncoder(partVersion)
		e.raw(raw)
		got, err := decodePart(e.seal())
		if err != nil {
			return
		}
		again, err := got.encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decodePart(again); err != nil || lengthOf(back.held()) != lengthOf(got.held()) {
			t.Errorf("not the same again: %v", err)
		}
	})
}
