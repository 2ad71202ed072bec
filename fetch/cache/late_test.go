package cache

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestLateFileIsAFile: whatever is done to it, it reads as one, before it is
// made and after.
func TestLateFileIsAFile(t *testing.T) {
	made := 0
	path := filepath.Join(t.TempDir(), "body")
	l := &lateFile{create: func() (file, error) {
		made++
		return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}}
	write := func(text string, at int64) {
		t.Helper()
		if n, err := l.WriteAt([]byte(text), at); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
	}
	holds := func(want string) {
		t.Helper()
		got := make([]byte, len(want)+1)
		if n, err := l.ReadAt(got, 0); string(got[:n]) != want || err != io.EOF {
			t.Errorf("%q, %v", got[:n], err)
		}
		if n, err := l.ReadAt(got[:2], 2); n != 2 || err != nil || string(got[:2]) != want[2:4] {
			t.Errorf("from 2: %q, %v", got[:n], err)
		}
		if n, err := l.ReadAt(got, int64(len(want))); n != 0 || err != io.EOF {
			t.Errorf("behind the end: %d, %v", n, err)
		}
		if n, err := l.ReadAt(nil, 100); n != 0 || err != nil {
			t.Errorf("nothing: %d, %v", n, err)
		}
	}
	write("def", 3)
	write("abc", 0)
	holds("abcdef")
	if made != 0 {
		t.Error("it was made before it had to be")
	}
	if info, err := l.Stat(); err != nil || info.Size() != 6 || made != 1 {
		t.Fatalf("%v, made %d times", err, made)
	}
	holds("abcdef")
	write("g", 6)
	holds("abcdefg")
	if err := errors.Join(l.Sync(), l.Truncate(4)); err != nil {
		t.Error(err)
	}
	holds("abcd")
	if at, err := l.Seek(1, io.SeekStart); at != 1 || err != nil {
		t.Error(at, err)
	}
	if rest, err := io.ReadAll(l); string(rest) != "bcd" || err != nil {
		t.Errorf("%q %v", rest, err)
	}
	if err := l.Close(); err != nil || made != 1 {
		t.Errorf("%v, made %d times", err, made)
	}
	if err := l.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
	if _, err := l.ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("read after the end: %v", err)
	}
}

// TestLateFileGrowsIntoOne: more than it may hold makes it.
func TestLateFileGrowsIntoOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "body")
	l := &lateFile{create: func() (file, error) { return os.Create(path) }}
	defer l.Close()
	text := bytes.Repeat([]byte("x"), lateLength+1)
	if _, err := l.WriteAt(text, 0); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d octets, %v", len(got), err)
	}
}

// TestLateFileThatCannotBeMade: the octets are there still, for those who read
// them, and storing fails.
func TestLateFileThatCannotBeMade(t *testing.T) {
	broken := errors.New("no room")
	l := &lateFile{create: func() (file, error) { return nil, broken }}
	l.WriteAt([]byte("abc"), 0)
	if err := l.Sync(); !errors.Is(err, broken) {
		t.Errorf("sync: %v", err)
	}
	got := make([]byte, 3)
	if _, err := l.ReadAt(got, 0); err != nil || string(got) != "abc" {
		t.Errorf("%q %v", got, err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
