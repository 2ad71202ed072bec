package cache

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// crashEnv makes the test binary the child of TestKill, in the folder named.
// With crashChurn the limit is low and URLs are few, so that responses are
// evicted and replaced all the time.
const (
	crashEnv   = "FLASHCROWD_CACHE_CRASH_DIR"
	crashChurn = "FLASHCROWD_CACHE_CRASH_CHURN"
)

func crashLimit(churn bool) int64 {
	if churn {
		return 4 << 20
	}
	return DefaultLimit
}

// crashChild stores bodies from four goroutines until it is killed. It prints
// what has lasted, and what is about to go.
func crashChild(dir string) {
	churn := os.Getenv(crashChurn) != ""
	db, err := openDB(dir)
	if err != nil {
		crashExit(err)
	}
	s, err := Open(Config{Dir: dir, DB: db, Limit: crashLimit(churn), MinFree: -1})
	if err != nil {
		crashExit(err)
	}
	fmt.Println("ready")
	c := crasher{s: s, churn: churn}
	for range 4 {
		go func() {
			for i := rand.Uint64N(1 << 40); ; i++ {
				if err := c.store(i); err != nil && !errors.Is(err, errForgotten) {
					crashExit(err)
				}
			}
		}()
	}
	select {}
}

func crashExit(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

type crasher struct {
	s     *Store
	churn bool
	mu    sync.Mutex // held while a line is printed
}

func (c *crasher) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Printf(format+"\n", args...)
}

func crashBody(seed uint64) []byte { return fetchtest.Body(seed, int(seed%5)*50_000+100) }

// store stores one response; every seventh is freshened, every eleventh
// removed.
func (c *crasher) store(i uint64) error {
	path, seed := i, i&0xffffff
	if c.churn {
		path = i % 30
	}
	body := crashBody(seed)
	req := fetchtest.Request(fmt.Sprintf("http://example.com/%d", path))
	m := fetchtest.Meta(req, time.Now(), -1, "Cache-Control", "max-age=60", "Etag", fmt.Sprintf(`"%d"`, seed))
	m.Shared = i%2 == 0
	w, err := c.s.Create(req, m)
	if err != nil {
		return err
	}
	defer w.Release()
	if _, err := w.WriteAt(body, 0); err != nil {
		return err
	}
	if err := w.Commit(fetchtest.Seal(body)); err != nil {
		return err
	}
	c.say("stored %s %d", req.URL, seed)
	switch {
	case i%7 == 0:
		return c.freshen(req)
	case i%11 == 0:
		c.say("removing %s", req.URL)
		if _, err := c.s.Remove(req.URL.String()); err != nil {
			return err
		}
		c.say("removed %s", req.URL)
	}
	return nil
}

func (c *crasher) freshen(req *fetch.Request) error {
	old, err := c.s.Lookup(req, time.Now())
	if c.churn && err != nil {
		return nil // another goroutine was here
	} else if err != nil {
		return err
	}
	defer old.Body.Close()
	not := fetchtest.Meta(req, time.Now(), 0, "X-Fresh", strings.Repeat("x", 100))
	not.Status = 304
	f, err := c.s.Freshen(req, old, not, time.Now())
	if err == nil {
		return f.Body.Close()
	}
	if c.churn {
		return nil
	}
	return err
}

// TestKill: whatever moment the process is killed at, each response that was
// reported as committed is found whole, each that was reported as removed is
// gone, everything else is whole or a miss, and the account is that of the
// files.
func TestKill(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 2
	}
	for _, churn := range []bool{false, true} {
		t.Run(fmt.Sprintf("churn=%v", churn), func(t *testing.T) {
			dir, said, found := t.TempDir(), make(map[string]int64), 0
			for range rounds {
				crashRun(t, dir, churn, said)
				s := open(t, dir, Config{Limit: crashLimit(churn), MinFree: -1})
				found += crashVerify(t, s, churn, said)
				checkAccount(t, s, dir)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("%d rounds, %d URLs, %d bodies found", rounds, len(said), found)
			if found == 0 {
				t.Error("nothing was ever stored")
			}
		})
	}
}

// What the child said last of a URL, if not which version it has stored.
const (
	saidRemoved  = -1
	saidRemoving = -2 // it may be there or not
)

// crashRun runs the child for a moment and kills it. It notes in said what the
// child said last of each URL.
func crashRun(t *testing.T, dir string, churn bool, said map[string]int64) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+dir)
	if churn {
		cmd.Env = append(cmd.Env, crashChurn+"=1")
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // what was cut off says nothing
		}
		var url string
		var seed int64
		if line == "ready\n" {
			time.AfterFunc(time.Duration(20+rand.IntN(400))*time.Millisecond, func() { cmd.Process.Kill() })
		} else if n, _ := fmt.Sscanf(line, "stored %s %d\n", &url, &seed); n == 2 {
			said[url] = seed
		} else if n, _ := fmt.Sscanf(line, "removing %s\n", &url); n == 1 {
			said[url] = saidRemoving
		} else if n, _ := fmt.Sscanf(line, "removed %s\n", &url); n == 1 {
			said[url] = saidRemoved
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v\n%s", err, stderr.String())
	}
}

// crashVerify holds the store against what the child said, and returns how
// many bodies it found.
func crashVerify(t *testing.T, s opened, churn bool, said map[string]int64) (found int) {
	t.Helper()
	for url, want := range said {
		st, err := s.Lookup(fetchtest.Request(url), time.Now())
		if err != nil {
			if want >= 0 && !churn {
				t.Errorf("%s was reported as stored, and is lost: %v", url, err)
			}
			continue
		}
		found++
		var seed int64
		fmt.Sscanf(st.Meta.Header.Get("Etag"), `"%d"`, &seed)
		if !churn && want != saidRemoving && seed != want {
			t.Errorf("%s is version %d, reported as %d", url, seed, want)
		}
		got, err := io.ReadAll(st.Body)
		if err != nil || !bytes.Equal(got, crashBody(uint64(seed))) {
			t.Errorf("%s: body is not that of version %d: %v", url, seed, err)
		}
		st.Body.Close()
	}
	return found
}
