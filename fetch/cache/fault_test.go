package cache

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// faultEnv makes the test binary the child of TestFaults, in the folder named;
// faultPlan is what fails there. A child, because an index that cannot be
// written ends the process.
const (
	faultEnv  = "FLASHCROWD_CACHE_FAULT_DIR"
	faultPlan = "FLASHCROWD_CACHE_FAULT_PLAN"
)

// faulty is one way in which a disk fails: operations of one kind, from the nth
// on, once or for good.
type faulty struct {
	Kind  errorfs.OpKind
	Nth   int64
	Stays bool
	Errno syscall.Errno
	Where string // part of the path
}

func (f faulty) String() string {
	return fmt.Sprintf("%s on the %dth operation of kind %d in %s, for good %v", f.Errno, f.Nth, f.Kind, f.Where, f.Stays)
}

// faultLine is a line that the child prints.
type faultLine struct {
	URL      string
	Versions []uint64
	Absent   bool
	Held     []fetch.Span
}

// faultChild works on a disk that fails. It prints what it was promised.
func faultChild(dir string) {
	var plan faulty
	if err := json.Unmarshal([]byte(os.Getenv(faultPlan)), &plan); err != nil {
		faultExit(err)
	}
	var n atomic.Int64
	disk := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind != plan.Kind || !strings.Contains(op.Path, plan.Where) {
			return nil
		}
		if i := n.Add(1) - 1; i == plan.Nth || i > plan.Nth && plan.Stays {
			return &os.PathError{Op: "fault", Path: filepath.Base(op.Path), Err: plan.Errno}
		}
		return nil
	}))
	s, db, err := OpenWith(Config{Dir: dir, FS: disk, MinFree: -1, Logger: logTo(os.Stderr)},
		filepath.Join(dir, "index"), &pebble.Options{Logger: quiet{}, MemTableSize: 64 << 10})
	if err != nil {
		faultExit(err)
	}
	l := &ledger{urls: make(map[string]may)}
	for i := range uint64(12) { // what furnished has left
		l.urls[fmt.Sprintf("http://example.com/%d", i)] = may{versions: map[uint64]bool{i + 1: true}}
	}
	l.say = func(url string, m may) {
		line := faultLine{URL: url, Absent: m.absent, Held: m.held}
		for v := range m.versions {
			line.Versions = append(line.Versions, v)
		}
		raw, _ := json.Marshal(line)
		fmt.Printf("%s\n", raw)
	}
	c := &clerk{s: opened{s, db}, l: l, rng: rand.New(rand.NewPCG(uint64(plan.Nth), uint64(plan.Kind))), next: 100}
	for range 40 {
		if err := c.step(); err != nil {
			fmt.Fprintln(os.Stderr, "step:", err)
		}
		c.admitLosses()
	}
	if err := c.s.Close(); err != nil {
		faultExit(err)
	}
	os.Exit(0)
}

func faultExit(err error) {
	fmt.Fprintln(os.Stderr, "exit:", err)
	os.Exit(3)
}

// admitLosses notes what is a miss by now: what cannot be read is, and no more
// is asked of a broken disk.
func (c *clerk) admitLosses() {
	for url, m := range c.l.urls {
		if st, err := c.s.Lookup(fetchtest.Request(url), t0); err == nil {
			if err := rightVersion(url, st, m); err != nil && !errors.Is(err, ErrDamaged) && !errors.As(err, new(syscall.Errno)) {
				faultExit(err)
			}
		} else if !m.absent {
			m.absent = true
			c.l.set(url, m)
		}
		if p, err := c.s.Partial(fetchtest.Request(url), t0); err == nil {
			p.Body.Close()
		} else if m.held != nil {
			m.held = nil
			c.l.set(url, m)
		}
	}
}

// TestFaults: whatever kind of operation of the disk fails, once or from then
// on, nothing wrong is served; what fails names the cause; and when the disk
// works again, all that was committed and not lost before everyone's eyes is
// there, and the account is that of the files (ST3).
func TestFaults(t *testing.T) {
	dir, must := furnished(t)
	ended := make(map[string]int)
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, 4)
	for _, where := range []string{"bodies", "index"} {
		for kind := errorfs.OpCreate; kind <= errorfs.OpFileFlush; kind++ {
			plans := []faulty{{kind, 0, true, syscall.ENOSPC, where}, {kind, 3, false, syscall.EIO, where}}
			for i := range *seeds - 2 {
				plans = append(plans, faulty{kind, 1 + int64(i)*4, i%2 == 0, syscall.EIO, where})
			}
			for _, f := range plans {
				slots <- struct{}{}
				all.Go(func() {
					defer func() { <-slots }()
					how := fault(t, dir, must, f)
					mu.Lock()
					defer mu.Unlock()
					ended[where+": "+how]++
				})
			}
		}
	}
	all.Wait()
	t.Logf("%v", ended)
	met := 0 // how a failing index ends a process differs between machines, but it does
	for how, n := range ended {
		if strings.HasPrefix(how, "index: ") && how != "index: hit nothing" {
			met += n
		}
	}
	if ended["bodies: went on"] == 0 || met == 0 {
		t.Error("that is not what a disk does")
	}
}

// faultTime is how long a child may take. With indexTime it is one whose index
// has no room: pebble waits for ever for room for its tables, and goes on when
// there is some; to kill it then is one more test.
const (
	faultTime = time.Minute
	indexTime = 5 * time.Second
)

// fault runs a child on a copy of dir, and says how it ended.
func fault(t *testing.T, dir string, must map[string]may, f faulty) string {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	plan, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	patience := faultTime
	if f.Where == "index" && f.Stays {
		patience = indexTime
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), faultEnv+"="+copied, faultPlan+"="+string(plan))
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if exited := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	promised := make(map[string]may)
	for url, m := range must {
		// What the child has not touched is there, unless it could not be read.
		promised[url] = may{versions: m.versions, absent: true}
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var l faultLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Errorf("%v: %v", f, err)
		}
		m := may{versions: make(map[uint64]bool), absent: l.Absent, held: l.Held}
		for _, v := range l.Versions {
			m.versions[v] = true
		}
		promised[l.URL] = m
	}
	s, err := openIndexed(t, copied, Config{MinFree: -1})
	if err != nil {
		t.Errorf("%v: does not open any more: %v", f, err)
		return "dead"
	}
	defer s.Close()
	if err := s.hold(promised); err != nil {
		t.Errorf("%v: %v\n%s", f, err, complaints.String())
	}
	named := strings.Contains(complaints.String(), f.Errno.Error())
	switch code := cmd.ProcessState.ExitCode(); {
	case ctx.Err() != nil && f.Where == "index":
		return "waited for room"
	case code != 0 && strings.Contains(complaints.String(), "genericcache"):
		// Once in a while pebble falls over a goroutine of its own when it
		// cannot be opened.
		return "fell in pebble"
	case code != 0 && !named:
		t.Errorf("%v: ended with %d, and did not say why:\n%s", f, code, complaints.String())
		return "silent"
	case code == 0 && named:
		return "went on"
	case code == 0:
		return "hit nothing"
	default:
		return fmt.Sprintf("ended with %d", code)
	}
}
