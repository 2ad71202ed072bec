package cache

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// openIndexed opens a store and its index in dir, as a node does.
func openIndexed(t testing.TB, dir string, cfg Config) (opened, error) {
	t.Helper()
	cfg.Dir = dir
	s, db, err := OpenWith(cfg, filepath.Join(dir, "index"), &pebble.Options{Logger: quiet{}})
	return opened{s, db}, err
}

// furnished makes a data folder with objects, some of which the index has in
// tables and some in its log, and with a part.
func furnished(t *testing.T) (dir string, must map[string]may) {
	t.Helper()
	dir, must = t.TempDir(), make(map[string]may)
	s, err := openIndexed(t, dir, Config{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{urls: must}
	c := &clerk{T: t, s: s, l: l, rng: rand.New(rand.NewPCG(1, 1))}
	for i := range 12 {
		if i == 6 {
			if err := s.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		url := fmt.Sprintf("http://example.com/%d", i)
		req, m := metaOfVersion(url, uint64(i+1))
		w, err := s.Create(req, m)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(writePieces(w, bodyOfVersion(uint64(i+1))), c.commit(url, may{}, w, uint64(i+1))); err != nil {
			t.Fatal(err)
		}
		w.Release()
	}
	if err := c.suspend("http://example.com/0", may{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, must
}

// damages are ways in which a file goes bad.
var damages = map[string]func(raw []byte, rng *rand.Rand) []byte{
	"flip": func(raw []byte, rng *rand.Rand) []byte {
		if len(raw) > 0 {
			raw[rng.IntN(len(raw))] ^= 1 << rng.IntN(8)
		}
		return raw
	},
	"cut":     func(raw []byte, rng *rand.Rand) []byte { return raw[:rng.IntN(len(raw)+1)] },
	"empty":   func([]byte, *rand.Rand) []byte { return nil },
	"zeroes":  func(raw []byte, _ *rand.Rand) []byte { return make([]byte, len(raw)) },
	"garbage": func(raw []byte, rng *rand.Rand) []byte { return garbage(len(raw), rng) },
	"longer":  func(raw []byte, rng *rand.Rand) []byte { return append(raw, garbage(100, rng)...) },
	"gone":    nil,
}

func garbage(n int, rng *rand.Rand) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(rng.Uint32())
	}
	return out
}

// TestDamage: whatever happens to any one file of the index or of the bodies, the
// store opens, what it has is right, the rest is a miss, the account is that of
// the files, the log says what was damaged, and nothing is blamed on anybody
// (ST4, ST5). What the index alone knew is known again.
func TestDamage(t *testing.T) {
	dir, must := furnished(t)
	anything := make(map[string]may)
	for url, m := range must {
		anything[url] = may{versions: m.versions, absent: true}
	}
	kinds, seen := make(map[string]int), make(map[string]int)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if seen[kindOf(rel)]++; seen[kindOf(rel)] > 2 {
			return nil
		}
		for how := range damages {
			rounds := 1
			if how == "flip" && strings.HasPrefix(rel, "index") {
				rounds = *seeds
			}
			for round := range rounds {
				t.Run(fmt.Sprintf("%s/%s%d", kindOf(rel), how, round), func(t *testing.T) {
					found := damageOne(t, dir, rel, how, uint64(round), anything)
					kinds[fmt.Sprintf("%s %s: %d of %d", kindOf(rel), how, found, len(must))]++
				})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for k, n := range kinds {
		t.Logf("%s (%d times)", k, n)
	}
}

// kindOf says what kind of file lies at a path.
func kindOf(rel string) string {
	switch base := filepath.Base(rel); {
	case strings.HasPrefix(rel, filepath.Join("bodies", "tmp")):
		return "part"
	case filepath.Ext(base) == besideSuffix:
		return "beside"
	case strings.HasPrefix(rel, "bodies"):
		return "body"
	case filepath.Ext(base) != "":
		return filepath.Ext(base)[1:]
	default:
		return strings.TrimRight(base, "-0123456789")
	}
}

// damageOne damages a copy of the folder and opens it. It returns how many
// objects are there still.
func damageOne(t *testing.T, dir, rel, how string, seed uint64, anything map[string]may) (found int) {
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	private(t, copied)
	path := filepath.Join(copied, rel)
	if do := damages[how]; do == nil {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	} else {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, do(raw, rand.New(rand.NewPCG(seed, 7))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	for again := range 2 {
		s, err := openIndexed(t, copied, Config{MinFree: -1, Logger: logTo(&log)})
		if err != nil {
			t.Fatalf("%s: does not open: %v", rel, err)
		}
		if err := s.hold(anything); err != nil {
			t.Errorf("%s, time %d: %v\n%s", rel, again, err, log.String())
		}
		if err := s.hold(anything); err != nil { // now that what was rotten is gone
			t.Errorf("%s, time %d, second look: %v", rel, again, err)
		}
		found = s.Stats().Objects
		works(t, s)
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if strings.Contains(log.String(), "example.com") || strings.Contains(log.String(), "banned") {
		t.Errorf("log: %s", log.String())
	}
	return found
}

// private makes the modes what they were.
func private(t *testing.T, dir string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			return os.Chmod(path, folderMode)
		} else if err == nil {
			return os.Chmod(path, fileMode)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// works stores one more object, reads it and removes it.
func works(t *testing.T, s opened) {
	t.Helper()
	req, m, body := object("new", 1000)
	put(t, s, req, m, body)
	st, err := s.Lookup(req, t0)
	if err != nil {
		t.Fatalf("what was stored after the damage is not there: %v", err)
	}
	st.Body.Close()
	if _, err := s.Remove(req.URL.String()); err != nil {
		t.Error(err)
	}
	if _, err := s.Lookup(req, t0); !errors.Is(err, fetch.ErrMiss) {
		t.Error(err)
	}
}
