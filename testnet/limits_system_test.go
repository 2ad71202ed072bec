//go:build system

package testnet

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/testnet/netns/trial"
)

// full makes tests take the counts that a release is held to.
var full = flag.Bool("full", false, "run the long counts")

// startSmall runs a node with a cache of size and no swarm.
func startSmall(t *testing.T, size string) *process {
	t.Helper()
	path, err := trial.Binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, name: "node", path: path, data: t.TempDir()}
	p.args = []string{
		"up", "--network", "lab", "--bootstrap", "none", "--swarm", "off", "--data", p.data, "--proxy", "127.0.0.1:0",
		"--admin", "127.0.0.1:0", "--log-level", "error", "--cache-size", size,
	}
	p.start()
	t.Cleanup(p.kill)
	return p
}

// fetch gets url through the node and returns how many octets came.
func (p *process) fetch(url string) (int64, error) {
	resp, err := (&http.Client{Transport: p.transport()}).Get(url)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return io.Copy(io.Discard, resp.Body)
}

func (p *process) transport() *http.Transport {
	proxy, err := url.Parse(p.Proxy)
	if err != nil {
		p.t.Fatal(err)
	}
	return &http.Transport{Proxy: http.ProxyURL(proxy), DisableCompression: true, DisableKeepAlives: true}
}

// settledBy waits until what is counted is at most limit.
func settledBy(t *testing.T, limit int, count func() int) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); ; <-tick.C {
		n := count()
		if n <= limit {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d are left, at most %d should be", n, limit)
		}
	}
}

// descriptors of the process.
func (p *process) descriptors() int {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(entries)
}

// TestOR02EndlessBody: a body of no known length, many times as long as the
// cache, comes whole, and takes neither memory nor more disk than there is.
func TestOR02EndlessBody(t *testing.T) {
	size := int64(1 << 30)
	if *full {
		size = 10 << 30
	}
	o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=600")
		left := size
		if r.URL.Path == "/warm" {
			left = 128 << 20
		}
		piece := make([]byte, 1<<20)
		for w.WriteHeader(200); left > 0; left -= int64(len(piece)) {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}))
	defer o.Close()
	n := startSmall(t, "64MiB")
	n.fetch(o.URL + "/warm")
	n.peak()
	n.fetch(o.URL + "/warm")
	warm := n.peak()
	got, err := n.fetch(o.URL + "/endless")
	if err != nil || got != size {
		t.Errorf("%d octets of %d: %v", got, size, err)
	}
	peak, disk := n.peak(), diskOf(t, n.data)
	t.Logf("%d MiB: peak %d MiB, %d MiB after 128 MiB; %d MiB on disk", size>>20, peak>>20, warm>>20, disk>>20)
	if peak-warm > 16<<20 {
		t.Errorf("it took %d octets of memory", peak-warm)
	}
	if disk > 128<<20 {
		t.Errorf("%d octets on disk under a limit of 64 MiB", disk)
	}
}

// diskOf returns how many octets the files below dir have.
func diskOf(t *testing.T, dir string) (total int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return ignoreGone(err)
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return ignoreGone(err)
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// bomb is 10 GiB of zeros, as gzip members of 1 MiB each (RFC 1952).
func bomb(t *testing.T) []byte {
	t.Helper()
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	if _, err := z.Write(make([]byte, 1<<20)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return bytes.Repeat(member.Bytes(), 10<<10)
}

// TestOR12GzipBomb: it passes as it is.
func TestOR12GzipBomb(t *testing.T) {
	packed := bomb(t)
	o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=600")
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Length", fmt.Sprint(len(packed)))
		w.Write(packed)
	}))
	defer o.Close()
	n := startSmall(t, "1GiB")
	n.fetch(o.URL + "/warm")
	n.fetch(o.URL + "/warm")
	n.peak()
	n.fetch(o.URL + "/warm")
	warm := n.peak()
	for range 3 { // a miss and hits
		if got, err := n.fetch(o.URL + "/bomb"); err != nil || got != int64(len(packed)) {
			t.Errorf("%d octets of %d: %v", got, len(packed), err)
		}
	}
	peak := n.peak()
	t.Logf("%d octets: peak %d MiB, %d MiB before", len(packed), peak>>20, warm>>20)
	if peak-warm > 16<<20 {
		t.Errorf("it took %d octets of memory", peak-warm)
	}
}

// TestPX06IdleTunnels: 10 000 clients want a tunnel each. Those that get none
// are told so, the others live, the dashboard answers, and none leaves a trace.
func TestPX06IdleTunnels(t *testing.T) {
	const clients = 10_000
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer l.Close()
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { io.Copy(c, c); c.Close() })
		}
	})
	n := startSmall(t, "64MiB")
	before := n.descriptors()
	at := strings.TrimPrefix(n.Proxy, "http://")
	var open []net.Conn
	closeAll := func() {
		for _, c := range open {
			c.Close()
		}
		open = nil
	}
	defer closeAll()
	refused := 0
	for range clients {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n", l.Addr())
		resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: "CONNECT"})
		switch {
		case err != nil:
			t.Fatal(err)
		case resp.StatusCode == 200:
			open = append(open, c)
		case resp.StatusCode == 503 && strings.Contains(resp.Header.Get("Proxy-Status"), "connection_limit_reached"):
			refused++
			c.Close()
		default:
			t.Fatalf("status %d %v", resp.StatusCode, resp.Header)
		}
	}
	t.Logf("%d tunnels, %d refused, peak %d MiB", len(open), refused, n.peak()>>20)
	if len(open) < 4000 || refused < 4000 {
		t.Errorf("%d tunnels, %d refused", len(open), refused)
	}
	for i := 0; i < len(open); i += 97 {
		c := open[i]
		c.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(c, "ping"); err != nil {
			t.Fatalf("tunnel %d: %v", i, err)
		}
		if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
			t.Fatalf("tunnel %d: %v", i, err)
		}
	}
	resp, err := http.Get(adminURL(t, n) + "/healthz")
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("dashboard: %v %v", resp, err)
	}
	resp.Body.Close()
	closeAll()
	settledBy(t, before+16, n.descriptors)
}

// TestSlowClientsCostLittle: hundreds that read nothing of a body, and origins
// that send nothing of one, cost a bounded part of memory each, and nothing
// once they are gone.
func TestSlowClientsCostLittle(t *testing.T) {
	const clients = 300
	stop := make(chan struct{})
	o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if strings.HasPrefix(r.URL.Path, "/slow") {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			select {
			case <-stop:
			case <-r.Context().Done():
			}
			return
		}
		piece := make([]byte, 64<<10)
		for range 64 << 4 { // 64 MiB
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}))
	defer o.Close()
	defer close(stop)
	n := startSmall(t, "64MiB")
	n.fetch(o.URL + "/warm")
	files := n.descriptors()
	n.peak()
	at := strings.TrimPrefix(n.Proxy, "http://")
	for _, kind := range []string{"fast", "slow"} {
		warm := n.peak()
		var open []net.Conn
		for i := range clients {
			c, err := net.Dial("tcp", at)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, c)
			fmt.Fprintf(c, "GET %s/%s/%d HTTP/1.1\r\nHost: x\r\n\r\n", o.URL, kind, i)
		}
		<-time.After(time.Second) // what flows in that time may all be held
		cost := (n.peak() - warm) / clients
		t.Logf("%s: %d KiB each", kind, cost>>10)
		if cost > 512<<10 {
			t.Errorf("%s: %d octets each", kind, cost)
		}
		for _, c := range open {
			c.Close()
		}
		settledBy(t, files+16, n.descriptors)
	}
}
