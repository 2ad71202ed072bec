//go:build system

package testnet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// kills is how often TestKilledUnderLoad kills the node: 200 before a release.
func kills() int {
	if *full {
		return 200
	}
	return 5
}

// get gets url through the node and reports whether it was answered from the
// cache. An error says that the client did not get want, whole.
func (p *process) get(url string, want []byte) (hit bool, err error) {
	tr := p.transport()
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr, Timeout: time.Minute}).Get(url)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return false, err
	case resp.StatusCode != http.StatusOK:
		return false, fmt.Errorf("status %d", resp.StatusCode)
	case !bytes.Equal(got, want):
		return false, fmt.Errorf("%w: %d octets of %d", errWrong, len(got), len(want))
	}
	return strings.Contains(resp.Header.Get("Cache-Status"), ";hit"), nil
}

var errWrong = fmt.Errorf("wrong octets")

// TestKilledUnderLoad: a node that is killed again and again while clients
// download starts each time, never delivers a wrong octet, has what it had, and
// its account is that of the files (ST2).
func TestKilledUnderLoad(t *testing.T) {
	o := testOrigin(t)
	const objects = 60
	body := func(i int) []byte { return Random(1000+(i%6)*150_000, uint64(i)) }
	for i := range objects {
		o.Put(fmt.Sprintf("/%d", i), File{Body: body(i)})
	}
	p := startSmall(t, "1GiB")
	hits := 0
	for round := range kills() {
		var done atomic.Bool
		var clients sync.WaitGroup
		for c := range 4 {
			clients.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(round), uint64(c)))
				for !done.Load() {
					i := rng.IntN(objects)
					if _, err := p.get(fmt.Sprintf("%s/%d", o.URL, i), body(i)); err != nil && strings.Contains(err.Error(), errWrong.Error()) {
						t.Errorf("round %d: %v", round, err)
					}
				}
			})
		}
		<-time.After(time.Duration(50+rand.IntN(500)) * time.Millisecond)
		_ = p.cmd.Process.Signal(syscall.SIGKILL)
		done.Store(true)
		clients.Wait()
		_ = p.cmd.Wait()
		p.start()
		for i := range objects {
			hit, err := p.get(fmt.Sprintf("%s/%d", o.URL, i), body(i))
			if err != nil {
				t.Fatalf("round %d, object %d: %v", round, i, err)
			}
			if hit {
				hits++
			} else if round > 0 {
				t.Errorf("round %d: object %d was stored before, and is gone", round, i)
			}
		}
		p.holdAccount(objects)
	}
	t.Logf("%d kills, %d hits after them", kills(), hits)
}

// holdAccount holds what the node says that it stores against the files.
func (p *process) holdAccount(objects int) {
	p.t.Helper()
	var s struct {
		Cache struct{ Objects, Bytes int64 }
	}
	settled := func() bool {
		if err := json.Unmarshal(p.ask("status", "--json"), &s); err != nil {
			p.t.Fatal(err)
		}
		return s.Cache.Objects == int64(objects)
	}
	for end := time.Now().Add(5 * time.Second); !settled() && time.Now().Before(end); {
		<-time.After(20 * time.Millisecond)
	}
	files, _ := filepath.Glob(filepath.Join(p.data, "bodies", "?", "??", "*"))
	size, bodies := int64(0), 0
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			p.t.Fatal(err)
		}
		size += info.Size()
		if filepath.Ext(f) == "" {
			bodies++
		}
	}
	// The records of the index are in the account, too.
	if s.Cache.Objects != int64(bodies) || s.Cache.Bytes < size || s.Cache.Bytes > size+int64(bodies)*8<<10 {
		p.t.Errorf("%d objects of %d octets; on disk %d bodies, %d octets", s.Cache.Objects, s.Cache.Bytes, bodies, size)
	}
}

// TestFullDisk: while 20 clients download, something else fills the disk to the
// last octet. All of them get what they want, the node goes on, and stores
// again when there is room (ST6).
func TestFullDisk(t *testing.T) {
	o := testOrigin(t)
	const clients, size = 20, 4 << 20
	body := func(i int) []byte { return Random(size, uint64(i)) }
	for i := range clients + 2 {
		o.Put(fmt.Sprintf("/%d", i), File{Body: body(i)})
	}
	p := startSmall(t, "1GiB")
	p.kill()
	if err := syscall.Mount("tmpfs", p.data, "tmpfs", 0, "size=420m,mode=700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if err := syscall.Unmount(p.data, 0); err != nil {
			t.Error(err)
		}
	})
	p.start()
	o.Pace.SetRate(40 << 20)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			if _, err := p.get(fmt.Sprintf("%s/%d", o.URL, i), body(i)); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	<-time.After(500 * time.Millisecond)
	filler := filepath.Join(p.data, "filler")
	fill(t, filler)
	all.Wait()
	fill(t, filler)
	o.Pace.SetRate(0)
	if _, err := p.get(fmt.Sprintf("%s/%d", o.URL, clients), body(clients)); err != nil {
		t.Errorf("on the full disk: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	last := fmt.Sprintf("%s/%d", o.URL, clients+1)
	hit := false
	for end := time.Now().Add(20 * time.Second); !hit && time.Now().Before(end); {
		var err error
		if hit, err = p.get(last, body(clients+1)); err != nil {
			t.Fatalf("with room again: %v", err)
		}
	}
	if !hit {
		t.Error("nothing is stored any more")
	}
}

// fill writes to path until the disk takes no more.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		t.Log(err)
		return
	}
	defer f.Close()
	for n := 1 << 20; n > 0; {
		if _, err := f.Write(make([]byte, n)); err != nil {
			n /= 2
		}
	}
}

// TestFewDescriptors: with 64 and 256 file descriptors and many clients a
// client gets all or an error that says so; the node does not end, and serves
// when they are gone (ST7).
func TestFewDescriptors(t *testing.T) {
	o, body := testOrigin(t), Random(300_000, 1)
	for i := range 10 {
		o.Put(fmt.Sprintf("/%d", i), File{Body: body})
	}
	for _, limit := range []int{64, 256} {
		p := startSmall(t, "1GiB")
		p.kill()
		p.args = append([]string{"-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, limit), "sh", p.path}, p.args...)
		p.path = "/bin/sh"
		p.start()
		var served, refused atomic.Int64
		var all sync.WaitGroup
		for i := range 500 {
			all.Go(func() {
				_, err := p.get(fmt.Sprintf("%s/%d", o.URL, i%10), body)
				switch {
				case err == nil:
					served.Add(1)
				case strings.Contains(err.Error(), errWrong.Error()):
					t.Errorf("%d descriptors: %v", limit, err)
				default:
					refused.Add(1)
				}
			})
		}
		all.Wait()
		for end := time.Now().Add(20 * time.Second); ; {
			_, err := p.get(o.URL+"/1", body)
			if err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%d descriptors, afterwards: %v", limit, err)
			}
		}
		t.Logf("%d descriptors: %d of 500 clients served, %d refused", limit, served.Load(), refused.Load())
		p.kill()
	}
}
