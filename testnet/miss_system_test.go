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
// body, rate and CPU of a large one that is stored and of one that must not be,
// directly, through a node and through two Squids, in turn. One Squid has a
// disk cache, as a node has; the other has memory alone, where a large body
// goes through it unstored. Nothing in it is a test of time.
func BenchmarkMissBesideSquid(b *testing.B) {
	large := Random(256<<20, 21)
	o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := large
		w.Header().Set("Cache-Control", "public, max-age=60")
		switch {
		case strings.HasPrefix(r.URL.Path, "/small"):
			body = large[:1<<10]
		case strings.HasPrefix(r.URL.Path, "/passed"):
			w.Header().Set("Cache-Control", "no-store")
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	}))
	defer o.Close()
	node := startProcess(b, 0, "none")
	squid, pid := startSquidMiss(b, false)
	storing, storingPID := startSquidMiss(b, true)
	ways := []struct {
		name, proxy string
		pid         int
	}{{"direct", "", 0}, {"node", node.Proxy, node.cmd.Process.Pid}, {"squid", squid, pid}, {"squid-disk", storing, storingPID}}
	first, rate, cpu := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	for b.Loop() {
		for i := range 200 {
			for _, w := range ways {
				out := missTimes(b, w.proxy, fmt.Sprintf("%s/small/%d/%s/%d", o.URL, b.N, w.name, i))
				first[w.name] = append(first[w.name], out[0]*1000)
			}
		}
		for i := range 5 {
			for _, kind := range []string{"stored", "passed"} {
				for _, w := range ways {
					before := cpuSeconds(b, w.pid)
					out := missTimes(b, w.proxy, fmt.Sprintf("%s/%s/%d/%s/%d", o.URL, kind, b.N, w.name, i))
					cpu[w.name+kind] = append(cpu[w.name+kind], cpuSeconds(b, w.pid)-before)
					rate[w.name+kind] = append(rate[w.name+kind], float64(len(large))/1e6/out[1])
				}
			}
		}
	}
	for _, w := range ways {
		b.ReportMetric(middle(first[w.name]), w.name+"-first-ms")
		for _, kind := range []string{"stored", "passed"} {
			b.ReportMetric(middle(rate[w.name+kind]), w.name+"-"+kind+"-MB/s")
			if w.pid != 0 {
				b.ReportMetric(float64(len(large))/1e6/middle(cpu[w.name+kind]), w.name+"-"+kind+"-MB/CPU-s")
			}
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

// startSquidMiss runs a Squid, with a disk cache or without.
func startSquidMiss(b *testing.B, disk bool) (proxy string, pid int) {
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
	if disk {
		text += "maximum_object_size 1 GB\ncache_dir ufs " + dir + "/cache 10000 16 256\n"
	}
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	if disk {
		if out, err := exec.Command("squid", "-z", "-N", "-f", conf).CombinedOutput(); err != nil {
			b.Fatalf("squid -z: %v\n%s", err, out)
		}
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
