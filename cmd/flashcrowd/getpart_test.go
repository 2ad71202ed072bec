package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const partURL = "http://a.example/x"

// leave puts a part and its state where an earlier download would have.
func leave(t *testing.T, final string, body []byte, state any) {
	t.Helper()
	raw, err := json.Marshal(state)
	if text, ok := state.(string); ok {
		raw = []byte(text)
	}
	if err := errors.Join(err, os.WriteFile(final+".part", body, 0o600), os.WriteFile(final+".part.json", raw, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestOpenPartTakesUp(t *testing.T) {
	body := bytes.Repeat([]byte("octets"), 100)
	good := partState{URL: partURL, At: partURL, ETag: `"one"`, Length: 1000}
	for name, tc := range map[string]struct {
		state any
		want  int64
	}{
		"good":           {good, 600},
		"unknown length": {partState{partURL, partURL, `"one"`, -1}, 600},
		"complete":       {partState{partURL, partURL, `"one"`, 600}, 599},
		"too long":       {partState{partURL, partURL, `"one"`, 599}, 0},
		"other url":      {partState{partURL + "y", partURL, `"one"`, 1000}, 0},
		"no tag":         {partState{partURL, partURL, "", 1000}, 0},
		"no json":        {"{", 0},
		"empty":          {"", 0},
		"null":           {"null", 0},
		"huge":           {strings.Repeat(" ", 1<<20) + "{}", 0},
	} {
		final := filepath.Join(t.TempDir(), "file")
		leave(t, final, body, tc.state)
		p := partAt(t, final, partURL)
		if p.offset != tc.want || p.resumable() != (tc.want > 0) || p.record.Written() != tc.want {
			t.Errorf("%s: took up %d octets, hashed %d, want %d", name, p.offset, p.record.Written(), tc.want)
		}
		if info, err := p.file.Stat(); err != nil || info.Size() != tc.want {
			t.Errorf("%s: the part has %d octets, %v; want %d", name, info.Size(), err, tc.want)
		}
	}
}

func TestPartIsOneProcessAtATime(t *testing.T) {
	final := filepath.Join(t.TempDir(), "file")
	first := partAt(t, final, partURL)
	if _, err := openPart(final, parsed(t, partURL)); err == nil || !strings.Contains(err.Error(), "being written") {
		t.Errorf("second: %v, want an error", err)
	}
	first.close()
	partAt(t, final, partURL)
}

func TestPartDoesNotFollowLinks(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(dir, "file.part")); err != nil {
		t.Fatal(err)
	}
	if _, err := openPart(filepath.Join(dir, "file"), parsed(t, partURL)); err == nil {
		t.Error("a link was opened")
	}
	if raw, err := os.ReadFile(victim); err != nil || string(raw) != "precious" {
		t.Errorf("victim holds %q, %v", raw, err)
	}
}

func TestFinishReplacesNothing(t *testing.T) {
	final := filepath.Join(t.TempDir(), "file")
	p := partAt(t, final, partURL)
	if err := os.WriteFile(final, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Write([]byte("new"))
	if err := p.finish(false); err == nil {
		t.Error("finish replaced a file")
	}
	if raw, err := os.ReadFile(final); err != nil || string(raw) != "old" {
		t.Errorf("file holds %q, %v", raw, err)
	}
	if err := p.finish(true); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(final); err != nil || string(raw) != "new" {
		t.Errorf("with force it holds %q, %v", raw, err)
	}
}

func TestClosedPartIsKeptOnlyIfItCanBeContinued(t *testing.T) {
	for tag, kept := range map[string]bool{`"one"`: true, "": false} {
		p := tempPart(t, partURL)
		if err := p.restart(partState{URL: partURL, At: partURL, ETag: tag, Length: -1}); err != nil {
			t.Fatal(err)
		}
		p.Write([]byte("octets"))
		p.close()
		for _, path := range []string{p.path(), p.statePath()} {
			if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) == kept {
				t.Errorf("tag %q: %s: %v, want kept %v", tag, filepath.Base(path), err, kept)
			}
		}
	}
}
