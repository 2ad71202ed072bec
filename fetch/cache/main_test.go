package cache

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"go.uber.org/goleak"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(faultEnv); dir != "" {
		faultChild(dir)
	}
	if dir := os.Getenv(crashEnv); dir != "" {
		if os.Getenv(crashParts) != "" {
			crashPartChild(dir)
		}
		crashChild(dir)
		return
	}
	// pebble leaves this one behind when it cannot open an index.
	left := goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2/vfs.(*diskHealthCheckingFS).startTickerLocked.func1")
	goleak.VerifyTestMain(m, left)
}

// quiet keeps pebble from talking.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	panic("pebble: " + fmt.Sprintf(format, args...))
}

func openDB(dir string) (*pebble.DB, error) {
	return pebble.Open(filepath.Join(dir, "index"), &pebble.Options{Logger: quiet{}})
}

// opened is a store with an index of its own.
type opened struct {
	*Store
	db *pebble.DB
}

func (o opened) Close() error {
	if err := o.Store.Close(); err != nil {
		return err
	}
	return o.db.Close()
}

// open opens a store in dir; whoever calls it closes it.
func open(t testing.TB, dir string, cfg Config) opened {
	t.Helper()
	db, err := openDB(dir)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Dir, cfg.DB = dir, db
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return opened{s, db}
}

// openTemp opens a store that is closed at the end of the test.
func openTemp(t testing.TB, cfg Config) opened {
	t.Helper()
	s := open(t, t.TempDir(), cfg)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	fetchtest.Cache(t, func(t *testing.T, dir string) fetchtest.CacheStore { return open(t, dir, Config{}) })
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// put stores body as the response m to req.
func put(t testing.TB, s fetch.Cache, req *fetch.Request, m *fetch.Meta, body []byte) {
	t.Helper()
	w, err := s.Create(req, m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt(body, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(fetchtest.Seal(body)); err != nil {
		t.Fatal(err)
	}
	w.Release()
}
