//go:build system

package testnet

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkMissBesideSquid measures what a miss costs: first octet of a small
// body, rate and CPU of a large one, directly, through a node and through
// Squid, in turn. Nothing in it is a test of time.
func BenchmarkMissBesideSquid(b *testing.B) {
	large := Random(256<<20, 21)
	o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := large
		if strings.HasPrefix(r.URL.Path, "/small") {
			body = large[:1<<10]
		}
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	}))
	defer o.Close()
	node := startProcess(b, 0, "none")
	squid, pid := startSquidMiss(b)
	ways := []struct {
		name, proxy string
		pid         int
	}{{"direct", "", 0}, {"node", node.Proxy, node.cmd.Process.Pid}, {"squid", squid, pid}}
	first, rate, cpu := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	for b.Loop() {
		for i := range 100 {
			for _, w := range ways {
				out := missTimes(b, w.proxy, fmt.Sprintf("%s/small/%d/%s/%d", o.URL, b.N, w.name, i))
				first[w.name] = append(first[w.name], out[0]*1000)
			}
		}
		for i := range 5 {
			for _, w := range ways {
				before := cpuSeconds(b, w.pid)
				out := missTimes(b, w.proxy, fmt.Sprintf("%s/large/%d/%s/%d", o.URL, b.N, w.name, i))
				cpu[w.name] = append(cpu[w.name], cpuSeconds(b, w.pid)-before)
				rate[w.name] = append(rate[w.name], float64(len(large))/1e6/out[1])
			}
		}
	}
	for _, w := range ways {
		b.ReportMetric(middle(first[w.name]), w.name+"-first-ms")
		b.ReportMetric(middle(rate[w.name]), w.name+"-MB/s")
		if w.pid != 0 {
			b.ReportMetric(float64(len(large))/1e6/middle(cpu[w.name]), w.name+"-MB/CPU-s")
		}
	}
}

func middle(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// missTimes returns first octet and total in seconds.
func missTimes(b *testing.B, proxy, url string) (times [2]float64) {
	b.Helper()
	args := []string{"-sS", "--fail", "-o", "/dev/null", "-w", "%{time_starttransfer} %{time_total}"}
	if proxy == "" {
		args = append(args, "--noproxy", "*", url)
	} else {
		args = append(args, "--noproxy", "", "-x", proxy, url)
	}
	out, err := exec.Command("curl", args...).Output()
	if err != nil {
		b.Fatalf("curl %s: %v", url, err)
	}
	if _, err := fmt.Sscan(string(out), &times[0], &times[1]); err != nil {
		b.Fatal(err)
	}
	return times
}

// cpuSeconds of a process so far.
func cpuSeconds(b *testing.B, pid int) float64 {
	b.Helper()
	if pid == 0 {
		return 0
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}

// startSquidMiss runs a Squid without a disk cache.
func startSquidMiss(b *testing.B) (proxy string, pid int) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	dir, err := os.MkdirTemp("", "squid-miss-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		b.Fatal(err)
	}
	conf := filepath.Join(dir, "squid.conf")
	text := "http_port " + addr + "\nhttp_access allow all\npid_filename none\naccess_log none\ncache_log " + dir +
		"/cache.log\ncache_store_log none\nshutdown_lifetime 0 seconds\nmax_filedescriptors 1024\ncoredump_dir " + dir + "\nvisible_hostname squid.test\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command("squid", "--foreground", "-N", "-f", conf)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for end := time.Now().Add(30 * time.Second); ; {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return "http://" + addr, cmd.Process.Pid
		}
		if time.Now().After(end) {
			b.Fatal("squid does not listen")
		}
		tick := time.NewTimer(50 * time.Millisecond)
		<-tick.C
	}
}
