package cache

import (
	"bytes"
	cmdline "flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

// How much the tests of crashes do: `go test ./fetch/cache -run Crash -seeds
// 1000 -operations 200` for a night.
var (
	seeds      = cmdline.Int("seeds", 2, "how many workloads are crashed")
	operations = cmdline.Int("operations", 25, "how many operations a workload has")
)

const otherDir = "/data"

// openOn opens a store on another file system, with an index so small that it
// is flushed and compacted now and then.
func openOn(files vfs.FS, limit int64, log io.Writer) (opened, error) {
	if err := files.MkdirAll(otherDir, folderMode); err != nil {
		return opened{}, err
	}
	root, err := files.OpenDir("/")
	if err != nil {
		return opened{}, err
	}
	if err := root.Sync(); err != nil { // the data folder is there before anything is promised
		return opened{}, err
	}
	root.Close()
	cfg := Config{Dir: otherDir, FS: files, Limit: limit, MinFree: -1}
	if log != nil {
		cfg.Logger = logTo(log)
	}
	s, db, err := OpenWith(cfg, otherDir+"/index", &pebble.Options{Logger: quiet{}, MemTableSize: 32 << 10})
	return opened{s, db}, err
}

// may is what may be found of one URL after a crash.
type may struct {
	versions map[uint64]bool
	absent   bool
	held     []fetch.Span // of a part, at least; nil when none is promised
}

// ledger is what a workload was promised. A crash reads it while nothing is
// promised or taken back.
type ledger struct {
	sync.RWMutex
	urls map[string]may
	say  func(url string, m may) // hears each change; nil hears nothing
}

func (l *ledger) set(url string, m may) {
	l.Lock()
	defer l.Unlock()
	l.urls[url] = m
	if l.say != nil {
		l.say(url, m)
	}
}

func (l *ledger) get(url string) may {
	l.RLock()
	defer l.RUnlock()
	return l.urls[url]
}

// crashed is a disk after a crash, and what must be on it.
type crashed struct {
	disk *vfs.MemFS
	must map[string]may
	when string
}

// clerk does a random workload, and says what it was promised.
type clerk struct {
	*testing.T
	s    opened
	rng  *rand.Rand
	l    *ledger
	next uint64
	// churn: the limit is so low that anything may be evicted.
	churn bool
}

func (c *clerk) url() string { return fmt.Sprintf("http://example.com/%d", c.rng.IntN(8)) }

// bodyOfVersion follows from the version.
func bodyOfVersion(v uint64) []byte {
	sizes := []int{0, 1, 900, 5000, 70_000, verify.MinPieceSize}
	return fetchtest.Body(v, sizes[v%uint64(len(sizes))])
}

func metaOfVersion(url string, v uint64) (*fetch.Request, *fetch.Meta) {
	req := fetchtest.Request(url)
	m := fetchtest.Meta(req, t0.Add(time.Duration(v)*time.Second), int64(len(bodyOfVersion(v))),
		"Cache-Control", "max-age=60", "Etag", fmt.Sprintf(`"%d"`, v))
	m.Shared = v%2 == 0
	return req, m
}

// step does one random operation. An operation that fails on a sound disk is a
// failure of the test.
func (c *clerk) step() error {
	url := c.url()
	switch was := c.l.get(url); c.rng.IntN(10) {
	case 0:
		c.l.set(url, may{versions: was.versions, absent: true})
		if _, err := c.s.Remove(url); err != nil {
			return fmt.Errorf("remove: %w", err)
		}
		c.l.set(url, may{absent: true})
		return nil
	case 1:
		c.s.Invalidate(url)
		return nil
	case 2:
		return c.freshen(url)
	case 3, 4:
		return c.suspend(url, was)
	default:
		return c.put(url, was)
	}
}

func (c *clerk) put(url string, was may) error {
	c.next++
	v := c.next
	req, m := metaOfVersion(url, v)
	body := bodyOfVersion(v)
	w, err := c.s.Create(req, m)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	defer w.Release()
	if c.rng.IntN(8) == 0 {
		w.Abort()
		return nil
	}
	if err := writePieces(w, body); err != nil {
		w.Abort()
		return err
	}
	return c.commit(url, was, w, v)
}

func writePieces(w fetch.Writer, body []byte) error {
	for at := 0; at < len(body); at += 30_000 {
		if _, err := w.WriteAt(body[at:min(at+30_000, len(body))], int64(at)); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

// commit commits version v, and notes that it may be there from then, and must
// be once that is done.
func (c *clerk) commit(url string, was may, w fetch.Writer, v uint64) error {
	both := maps.Clone(was.versions)
	if both == nil {
		both = map[uint64]bool{}
	}
	both[v] = true
	c.l.set(url, may{versions: both, absent: was.absent || len(was.versions) == 0 || c.churn})
	if err := w.Commit(fetchtest.Seal(bodyOfVersion(v))); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	c.l.set(url, may{versions: map[uint64]bool{v: true}, absent: c.churn})
	return nil
}

func (c *clerk) freshen(url string) error {
	req := fetchtest.Request(url)
	old, err := c.s.Lookup(req, t0)
	if err != nil {
		return nil // nothing is there
	}
	defer old.Body.Close()
	not := fetchtest.Meta(req, old.Meta.ResponseTime.Add(time.Millisecond), 0, "X-Fresh", fmt.Sprint(c.rng.IntN(100)))
	not.Status = 304
	fresh, err := c.s.Freshen(req, old, not, t0)
	if err != nil {
		return fmt.Errorf("freshen: %w", err)
	}
	return fresh.Body.Close()
}

// suspend keeps half of a body of its own URL, or goes on with what was kept.
func (c *clerk) suspend(url string, was may) error {
	url += "/part"
	was = c.l.get(url)
	const v = 4 // of two pieces
	req, m := metaOfVersion(url, v)
	body := bodyOfVersion(v)
	half := []fetch.Span{{Offset: 100, End: 40_000}}
	w, held, err := c.s.Resume(req, m)
	if err == nil {
		if got := readHeld(w, held, body); got != nil {
			w.Abort()
			return got
		}
		if err := writePieces(w, body); err != nil {
			w.Abort()
			return err
		}
		defer w.Release()
		return c.commit(url, may{versions: was.versions, absent: true}, w, v)
	}
	if w, err = c.s.Create(req, m); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if err := writePieces(w, body[:50_000]); err != nil {
		w.Abort()
		return err
	}
	c.l.set(url, may{versions: was.versions, absent: was.absent || len(was.versions) == 0 || c.churn})
	if err := w.Suspend(half); err != nil {
		return fmt.Errorf("suspend: %w", err)
	}
	if !c.churn {
		c.l.set(url, may{versions: was.versions, absent: was.absent || len(was.versions) == 0, held: half})
	}
	return nil
}

// readHeld returns an error when what is held is not what was written.
func readHeld(r io.ReaderAt, held []fetch.Span, body []byte) error {
	for _, h := range held {
		got := make([]byte, h.Len())
		if n, err := r.ReadAt(got, h.Offset); int64(n) < h.Len() || string(got) != string(body[h.Offset:h.End]) {
			return fmt.Errorf("held octets %v are wrong: %w", h, err)
		}
	}
	return nil
}

// hold holds a store against what was promised. It returns an error that says
// what is wrong.
func (s opened) hold(must map[string]may) error {
	for url, m := range must {
		st, err := s.Lookup(fetchtest.Request(url), t0)
		if err != nil {
			if !m.absent {
				return fmt.Errorf("%s was committed, and is lost: %w", url, err)
			}
		} else if err := rightVersion(url, st, m); err != nil {
			return err
		}
		if m.held == nil {
			continue
		}
		p, err := s.Partial(fetchtest.Request(url), t0)
		if err != nil {
			return fmt.Errorf("what was suspended of %s is lost: %w", url, err)
		}
		if missing := fetch.Missing(m.held[0], p.Held); len(missing) > 0 {
			return fmt.Errorf("%s: %v of what was suspended is lost", url, missing)
		}
		err = readHeld(p.Body, p.Held, bodyOfVersion(4))
		p.Body.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", url, err)
		}
	}
	return s.account()
}

func rightVersion(url string, st *fetch.Stored, m may) error {
	defer st.Body.Close()
	var v uint64
	fmt.Sscanf(st.Meta.Header.Get("Etag"), `"%d"`, &v)
	if !m.versions[v] {
		return fmt.Errorf("%s: version %d was found, which was removed, replaced or never committed", url, v)
	}
	got, err := io.ReadAll(st.Body)
	if err != nil || string(got) != string(bodyOfVersion(v)) {
		return fmt.Errorf("%s: %d octets that are not version %d: %w", url, len(got), v, err)
	}
	return nil
}

// account holds the account against the files and the index.
func (s opened) account() error {
	var size int64
	objects := 0
	for f, err := range s.bodies.all() {
		if err != nil {
			return err
		}
		size += f.size
		if !f.beside {
			objects++
		}
	}
	for _, prefix := range []string{prefixRecord, prefixSide, prefixPart} {
		if err := s.scan(prefix, func(_, value []byte) {
			size += int64(len(value))
			if prefix == prefixPart {
				if p, err := decodePart(value); err == nil {
					size += lengthOf(p.held())
				}
				objects++
			}
		}); err != nil {
			return err
		}
	}
	if st := s.Stats(); st.Bytes != size || st.Objects != objects {
		return fmt.Errorf("account: %d objects of %d octets; on disk: %d of %d", st.Objects, st.Bytes, objects, size)
	}
	return nil
}

// recover opens the disk after a crash and holds it against what must be there,
// closes, and does so once more.
func (c crashed) recover(limit int64) error {
	for range 2 {
		var log bytes.Buffer
		s, err := openOn(c.disk, limit, &log)
		if err != nil {
			return fmt.Errorf("crash %s: open: %w", c.when, err)
		}
		for _, m := range c.must { // one that was never finished may be lost
			if !m.absent && strings.Contains(log.String(), "index lost") {
				return fmt.Errorf("crash %s: the index was lost:\n%s", c.when, log.String())
			}
		}
		if err := s.hold(c.must); err != nil {
			s.Close()
			return fmt.Errorf("crash %s: %w", c.when, err)
		}
		if err := s.Close(); err != nil {
			return fmt.Errorf("crash %s: close: %w", c.when, err)
		}
	}
	return nil
}

// crashes runs a workload on a disk that crashes before each of its operations,
// and returns how often it did.
func crashes(t *testing.T, seed uint64, churn bool) int {
	rng := rand.New(rand.NewPCG(seed, 1))
	disk := vfs.NewCrashableMem()
	l := &ledger{urls: make(map[string]may)}
	limit := int64(DefaultLimit)
	if churn {
		limit = 250_000
	}
	found := make(chan crashed, 4)
	var mu sync.Mutex // guards following
	n, live, cloning := 0, true, rand.New(rand.NewPCG(seed, 2))
	hook := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
			return nil // after it the disk is as before
		}
		mu.Lock()
		defer mu.Unlock()
		if n++; !live || n%crashStride != 0 {
			return nil
		}
		l.RLock()
		c := crashed{
			disk: disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 0, 50, 100}[cloning.IntN(4)], RNG: cloning}),
			must: maps.Clone(l.urls), when: fmt.Sprintf("before operation %d (%d of %s), seed %d, churn %v", n, op.Kind, op.Path, seed, churn),
		}
		l.RUnlock()
		found <- c
		return nil
	})
	var recovered sync.WaitGroup
	for range 2 {
		recovered.Go(func() {
			for c := range found {
				if err := c.recover(limit); err != nil && !t.Failed() {
					t.Error(err)
				}
			}
		})
	}
	s, err := openOn(errorfs.Wrap(disk, hook), limit, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &clerk{T: t, s: s, rng: rng, l: l, churn: churn}
	for i := 0; i < *operations && !t.Failed(); i++ {
		if err := c.step(); err != nil {
			t.Errorf("operation %d: %v", i, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	mu.Lock()
	live = false
	mu.Unlock()
	close(found)
	recovered.Wait()
	return n
}

// TestCrashSabotage: whatever operation of the disk a power cut comes before,
// and whatever it leaves of what was not synced, all that was committed is
// there and right, all that was removed is gone, and the account is that of the
// files (ST1). Under the build tag sabotage nothing is synced, and it fails.
func TestCrashSabotage(t *testing.T) {
	for _, churn := range []bool{false, true} {
		t.Run(fmt.Sprintf("churn=%v", churn), func(t *testing.T) {
			total := 0
			for seed := range *seeds {
				total += crashes(t, uint64(seed), churn)
			}
			t.Logf("%d operations of the disk in %d workloads, a crash before each %d", total, *seeds, crashStride)
			if total < 4**operations**seeds {
				t.Errorf("hardly anything was done")
			}
		})
	}
}
