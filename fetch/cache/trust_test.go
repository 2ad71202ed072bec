package cache

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

// rot changes one octet of the only body in dir, as a disk does: the time of
// the last change stays.
func rot(t *testing.T, dir string, at int64) {
	t.Helper()
	path := files(t, dir)[0]
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Time{}, info.ModTime()); err != nil {
		t.Fatal(err)
	}
}

// TestRotSmall: a short body that has rotted is a miss at the first look, and
// unknown to peers.
func TestRotSmall(t *testing.T) {
	for _, n := range []int{1, 1000, verify.MinPieceSize, checkedAtOnce} {
		for _, look := range []string{"lookup", "shelf"} {
			dir := t.TempDir()
			s := open(t, dir, Config{})
			req, m, body := shared("a", n)
			put(t, s, req, m, body)
			s.Close()
			rot(t, dir, int64(n)-1)
			var log bytes.Buffer
			s = open(t, dir, Config{Logger: logTo(&log)})
			token := verify.TokenOf(m.ID, fetchtest.Seal(body).Whole.Digest)
			if look == "lookup" && has(t, s, req) {
				t.Errorf("%d octets: rotten body found", n)
			}
			if _, err := s.Open(m.ID, token); err != fetch.ErrUnknown {
				t.Errorf("%d octets: Open of a rotten body: %v", n, err)
			}
			if has(t, s, req) || s.Stats().Objects != 0 || len(files(t, dir)) != 0 {
				t.Errorf("%d octets: still there", n)
			}
			if !strings.Contains(log.String(), "msg=rejected") || strings.Contains(log.String(), "example.com") {
				t.Errorf("log: %s", log.String())
			}
			s.Close()
		}
	}
}

// TestRotLarge: a long body is checked as it is read: pieces that are right
// can be had, the rotten one fails the read and is a miss from then.
func TestRotLarge(t *testing.T) {
	const n = checkedAtOnce + 3*verify.MinPieceSize + 17
	dir := t.TempDir()
	s := open(t, dir, Config{})
	req, m, body := shared("a", n)
	put(t, s, req, m, body)
	s.Close()
	rot(t, dir, 5*verify.MinPieceSize+9)
	s = open(t, dir, Config{})
	defer s.Close()
	st, err := s.Lookup(req, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Body.Close()
	got, err := io.ReadAll(st.Body)
	if !errors.Is(err, ErrDamaged) || !bytes.Equal(got, body[:5*verify.MinPieceSize]) {
		t.Errorf("read %d octets, %v; want those before piece 5, ErrDamaged", len(got), err)
	}
	if has(t, s, req) || len(files(t, dir)) != 0 {
		t.Error("still there")
	}
}

// TestCheckedBody: a long body that is whole reads as it should through the
// checks, from anywhere, and is a plain file once all of it was seen.
func TestCheckedBody(t *testing.T) {
	const n = checkedAtOnce + 3*verify.MinPieceSize + 17
	dir := t.TempDir()
	s := open(t, dir, Config{})
	req, m, body := shared("a", n)
	put(t, s, req, m, body)
	st, err := s.Lookup(req, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, plain := st.Body.(*plainBody); !plain {
		t.Errorf("a body that was just written is a %T", st.Body)
	}
	st.Body.Close()
	s.Close()
	s = open(t, dir, Config{})
	defer s.Close()
	shelved, err := s.Open(m.ID, verify.TokenOf(m.ID, fetchtest.Seal(body).Whole.Digest))
	if err != nil {
		t.Fatal(err)
	}
	defer shelved.Close()
	var wg sync.WaitGroup
	for _, at := range []int64{0, 1, n - 5, n - verify.MinPieceSize, 7*verify.MinPieceSize - 3} {
		wg.Go(func() {
			got := make([]byte, 100_000)
			k, err := shelved.Body.ReadAt(got, at)
			want := body[at:min(at+100_000, n)]
			if !bytes.Equal(got[:k], want) || (err == io.EOF) != (len(want) < len(got)) {
				t.Errorf("ReadAt %d: %d octets, %v", at, k, err)
			}
		})
	}
	wg.Wait()
	if _, err := shelved.Body.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("read before the start")
	}
	for round := range 2 {
		st, err := s.Lookup(req, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, plain := st.Body.(*plainBody); plain != (round == 1) {
			t.Errorf("round %d: body is a %T", round, st.Body)
		}
		got, err := io.ReadAll(st.Body)
		if !bytes.Equal(got, body) {
			t.Errorf("round %d: read %d octets", round, len(got))
		}
		if err != nil {
			t.Error(err)
		}
		st.Body.Close()
	}
	// Somebody changes the file: it is checked again.
	rot(t, dir, 3)
	os.Chtimes(files(t, dir)[0], time.Time{}, time.Now().Add(time.Hour))
	st, err = s.Lookup(req, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Body.Close()
	if _, err := st.Body.ReadAt(make([]byte, 1), 0); !errors.Is(err, ErrDamaged) {
		t.Errorf("read of a changed file: %v", err)
	}
}

// TestCheckedReader: reading through the checks is reading.
func TestCheckedReader(t *testing.T) {
	body := fetchtest.Body(1, 2*verify.MinPieceSize+17)
	path := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	whole := fetchtest.Seal(body).Whole
	list, err := verify.ParseStateList(whole.Digest, whole.States)
	if err != nil {
		t.Fatal(err)
	}
	b := &checkedBody{file: f, layout: whole.Digest.Layout(), list: list, trust: &trust{}, reject: func(err error) { t.Error(err) }}
	b.trust.begin(infoOf(t, path), 3)
	if err := iotest.TestReader(b, body); err != nil {
		t.Error(err)
	}
	if !b.trust.begin(infoOf(t, path), 3) {
		t.Error("not trusted after all was seen")
	}
}

func infoOf(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// TestTrustEndsWithTheFile: what was seen of a file counts until its size, its
// time or its place on the disk changes.
func TestTrustEndsWithTheFile(t *testing.T) {
	for name, change := range map[string]func(path string, was fs.FileInfo) error{
		"size": func(path string, was fs.FileInfo) error {
			return errors.Join(os.Truncate(path, 5), os.Chtimes(path, time.Time{}, was.ModTime()))
		},
		"mtime": func(path string, was fs.FileInfo) error {
			return os.Chtimes(path, time.Time{}, was.ModTime().Add(time.Nanosecond))
		},
		"inode": func(path string, was fs.FileInfo) error {
			other := path + "2"
			return errors.Join(os.WriteFile(other, make([]byte, was.Size()), 0o600),
				os.Chtimes(other, time.Time{}, was.ModTime()), os.Rename(other, path))
		},
	} {
		path := filepath.Join(t.TempDir(), "body")
		if err := os.WriteFile(path, make([]byte, 10), 0o600); err != nil {
			t.Fatal(err)
		}
		var tr trust
		was := infoOf(t, path)
		tr.believe(was)
		if !tr.begin(was, 1) {
			t.Errorf("%s: not believed", name)
		}
		if err := change(path, was); err != nil {
			t.Fatal(err)
		}
		if tr.begin(infoOf(t, path), 1) {
			t.Errorf("%s: still trusted", name)
		}
	}
}
