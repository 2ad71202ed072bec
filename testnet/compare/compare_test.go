//go:build system

package compare

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestEachCacheIsSetUpFairly: the second request for a page is answered by
// each of the caches without the origin.
func TestEachCacheIsSetUpFairly(t *testing.T) {
	o := startOrigin(t)
	for _, c := range servers {
		t.Run(c.name, func(t *testing.T) {
			s := c.start(t, o)
			get(t, s.url()+"/1k", octets1k)
			before := o.requests(t)
			get(t, s.url()+"/1k", octets1k)
			if came := o.requests(t) - before; came != 0 {
				t.Errorf("the origin got %d requests for a page that is fresh for an hour", came)
			}
			if s.cpu() < 0 {
				t.Error("no CPU time")
			}
		})
	}
}

// get fetches a page of so many octets.
func get(t testing.TB, u string, octets int64) {
	t.Helper()
	resp, err := http.Get(u)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != octets || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d, %d octets of %d, %v", u, resp.StatusCode, n, octets, err)
	}
}

// figures of each server by name, one of each round.
type figures map[string][]float64

func (f figures) add(name string, v float64) { f[name] = append(f[name], v) }

// median of the rounds.
func (f figures) median(name string) float64 {
	if len(f[name]) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(f[name]))
	return s[len(s)/2]
}

// row prints the medians of all servers and reports ours and its ratio to
// nginx's.
func (f figures) row(b *testing.B, what, unit string, names ...string) {
	line := []string{fmt.Sprintf("%-24s", what)}
	for _, n := range names {
		line = append(line, fmt.Sprintf("%s %.4g", n, f.median(n)))
	}
	b.Logf("%s  (%s)", strings.Join(line, "  "), unit)
}

// BenchmarkHits compares hits: requests (GB at 1 GiB) a second of CPU time of
// the server. Every iteration is a round over all servers and sizes.
func BenchmarkHits(b *testing.B) {
	o := startOrigin(b)
	var all []*server
	var names []string
	for _, c := range servers {
		s := c.start(b, o)
		all, names = append(all, s), append(names, c.name)
		for page, octets := range map[string]int64{"/1k": octets1k, "/100k": octets100k, "/1g": octets1g} {
			get(b, s.url()+page, octets)
			get(b, s.url()+page, octets)
		}
	}
	small, middle, large := figures{}, figures{}, figures{}
	for b.Loop() {
		for _, s := range all {
			small.add(s.name, perSecond(b, s, "/1k"))
			middle.add(s.name, perSecond(b, s, "/100k"))
			large.add(s.name, secondsPerGB(b, s, "/1g"))
		}
	}
	small.row(b, "hits of 1 KiB", "requests a CPU second", names...)
	middle.row(b, "hits of 100 KiB", "requests a CPU second", names...)
	large.row(b, "hits of 1 GiB", "CPU seconds a GB", names...)
	b.ReportMetric(small.median("flashcrowd")/small.median("nginx"), "x-nginx-1KiB")
	b.ReportMetric(middle.median("flashcrowd")/middle.median("nginx"), "x-nginx-100KiB")
	b.ReportMetric(large.median("flashcrowd")/large.median("nginx"), "x-nginx-CPU-1GiB")
}

var requestsIn = regexp.MustCompile(`(\d+) requests in`)

// perSecond loads the server with 64 connections for 4 s and returns how many
// requests it answered a second of its CPU time.
func perSecond(b *testing.B, s *server, page string) float64 {
	b.Helper()
	before := s.cpu()
	out, err := exec.Command("wrk", "-t1", "-c64", "-d4s", s.url()+page).CombinedOutput()
	used := s.cpu() - before
	m := requestsIn.FindSubmatch(out)
	if err != nil || m == nil || strings.Contains(string(out), "Non-2xx") {
		b.Fatalf("wrk at %s: %v\n%s", s.name, err, out)
	}
	n, _ := strconv.ParseFloat(string(m[1]), 64)
	return n / used.Seconds()
}

// secondsPerGB downloads a page of 1 GiB four times and returns the CPU time
// of the server for each 10^9 octets.
func secondsPerGB(b *testing.B, s *server, page string) float64 {
	b.Helper()
	const times = 4
	before := s.cpu()
	for range times {
		if out, err := exec.Command("curl", "-sfo", "/dev/null", s.url()+page).CombinedOutput(); err != nil {
			b.Fatalf("curl at %s: %v\n%s", s.name, err, out)
		}
	}
	return (s.cpu() - before).Seconds() / (times * octets1g / 1e9)
}

// BenchmarkMisses compares what a page costs that nobody has: time to its
// first octet, and octets a second of CPU time, straight, through us and
// through Squid as forward proxies.
func BenchmarkMisses(b *testing.B) {
	o := startOrigin(b)
	ours, squid := startFlashcrowd(b, o), startSquid(b, o)
	ways := []struct {
		name   string
		server *server
		client *http.Client
	}{
		{"direct", nil, through(nil)},
		{"flashcrowd", ours, through(ours)},
		{"squid", squid, through(squid)},
	}
	first, tail, perCPU, wall := figures{}, figures{}, figures{}, figures{}
	page := 0
	for b.Loop() {
		for _, w := range ways {
			var took []time.Duration
			for range 1000 {
				page++
				took = append(took, firstOctet(b, w.client, fmt.Sprintf("%s/each-1k/%d", o.url(), page)))
			}
			slices.Sort(took)
			first.add(w.name, took[len(took)/2].Seconds()*1e3)
			tail.add(w.name, took[len(took)*99/100].Seconds()*1e3)
		}
		for _, w := range ways {
			page++
			rate, cpu := download(b, w.client, w.server, fmt.Sprintf("%s/each-256m/%d", o.url(), page))
			wall.add(w.name, rate)
			perCPU.add(w.name, cpu)
		}
	}
	first.row(b, "first octet, p50", "ms", "direct", "flashcrowd", "squid")
	tail.row(b, "first octet, p99", "ms", "direct", "flashcrowd", "squid")
	wall.row(b, "256 MiB", "MB/s", "direct", "flashcrowd", "squid")
	perCPU.row(b, "256 MiB", "MB a CPU second of the proxy", "flashcrowd", "squid")
	b.ReportMetric(first.median("flashcrowd")-first.median("direct"), "ms-more-than-direct")
	b.ReportMetric(perCPU.median("flashcrowd")/perCPU.median("squid"), "x-squid-MB/CPU-s")
}

// through returns a client that uses s as forward proxy; nil goes straight.
func through(s *server) *http.Client {
	t := &http.Transport{MaxIdleConnsPerHost: 4, DisableCompression: true}
	if s != nil {
		t.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", s.forward)})
	}
	return &http.Client{Transport: t}
}

// firstOctet returns how long the first octet of a page took.
func firstOctet(b *testing.B, c *http.Client, u string) time.Duration {
	b.Helper()
	begin := time.Now()
	resp, err := c.Get(u)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	var one [1]byte
	if _, err := io.ReadFull(resp.Body, one[:]); err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("GET %s: %d, %v", u, resp.StatusCode, err)
	}
	took := time.Since(begin)
	_, _ = io.Copy(io.Discard, resp.Body)
	return took
}

// download fetches 256 MiB and returns MB a second, and MB a second of CPU
// time of the server.
func download(b *testing.B, c *http.Client, s *server, u string) (rate, perCPU float64) {
	b.Helper()
	var before time.Duration
	if s != nil {
		before = s.cpu()
	}
	begin := time.Now()
	resp, err := c.Get(u)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != octets256m {
		b.Fatalf("GET %s: %d octets, %v", u, n, err)
	}
	const mb = octets256m / 1e6
	rate = mb / time.Since(begin).Seconds()
	if s != nil {
		perCPU = mb / (s.cpu() - before).Seconds()
	}
	return rate, perCPU
}
