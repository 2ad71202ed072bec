//go:build system

package testnet

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// startProcesses starts n nodes that know each other through the first.
func startProcesses(t testing.TB, n int) []*process {
	t.Helper()
	all := []*process{startProcess(t, 0, "none")}
	for i := 1; i < n; i++ {
		all = append(all, startProcess(t, i, all[0].Peers[0]))
	}
	return all
}

func (p *process) mustCurl(url string, want []byte) time.Duration {
	p.t.Helper()
	took, err := p.curl(url, want)
	if err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
	return took
}

func TestProcessTakesTheFileFromAnother(t *testing.T) {
	body := Random(64<<20, 11)
	web := startNginx(t, body)
	nodes := startProcesses(t, 3)
	url := web.URL + "/big.bin"

	nodes[0].mustCurl(url, body)
	web.Pace.SetRate(uplink)
	before := web.Pace.Sent()
	took := nodes[1].mustCurl(url, body)
	sent := web.Pace.Sent() - before

	r := nodes[1].why(url)
	t.Logf("node 2: %.2f s; the origin sent %d octets (%.2f %%); receipt %+v", took.Seconds(), sent, 100*float64(sent)/float64(len(body)), r.Sources)
	if got := from(r, "peer"); got < int64(len(body))*9/10 {
		t.Errorf("why says that peers delivered %d of %d octets", got, len(body))
	}
	if sent > int64(len(body))/10 {
		t.Errorf("the origin sent %d of %d octets", sent, len(body))
	}
}

func TestFiveProcessesFetchTogether(t *testing.T) {
	body := Random(64<<20, 12)
	web := startNginx(t, body)
	nodes := startProcesses(t, 5)
	url := web.URL + "/big.bin"

	nodes[0].mustCurl(url, body)
	web.Pace.SetRate(uplink)
	before := web.Pace.Sent()
	var g errgroup.Group
	for _, p := range nodes[1:] {
		g.Go(func() error { _, err := p.curl(url, body); return err })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("the origin sent %d octets to four nodes", web.Pace.Sent()-before)
	for _, p := range nodes[1:] {
		if got := from(p.why(url), "origin"); got > int64(len(body))/10 {
			t.Errorf("%s took %d of %d octets from the origin", p.name, got, len(body))
		}
	}
}

// TestKilledNodeHarmsNobody kills the only complete peer while three others
// fetch from it, and then one of those in the middle of its download.
func TestKilledNodeHarmsNobody(t *testing.T) {
	body := Random(64<<20, 13)
	web := startNginx(t, body)
	nodes := startProcesses(t, 4)
	url := web.URL + "/big.bin"
	nodes[0].mustCurl(url, body)
	web.Pace.SetRate(8 * uplink)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var g errgroup.Group
	for _, p := range nodes[1:3] {
		g.Go(func() error { _, err := p.curl(url, body); return err })
	}
	g.Go(func() error { _, _ = nodes[3].curl(url, body); return nil }) // it is killed
	victim := nodes[3]
	if err := waitFor(ctx, func() bool { return web.Pace.Sent() > int64(len(body))+1<<20 }); err != nil {
		t.Fatal(err)
	}
	victim.kill()
	nodes[0].kill()
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	victim.start()
	victim.mustCurl(url, body)
}

// BenchmarkOneHasIt compares five nodes that fetch together, after one of them
// has the file, with one direct download over the same uplink.
func BenchmarkOneHasIt(b *testing.B) {
	body := Random(64<<20, 14)
	for b.Loop() {
		web := startNginx(b, body)
		nodes := startProcesses(b, 5)
		url := web.URL + "/big.bin"
		nodes[0].mustCurl(url, body)
		web.Pace.SetRate(uplink)
		direct, err := curl(b, body, url)
		if err != nil {
			b.Fatal(err)
		}
		slowest := make(chan time.Duration, 4)
		var g errgroup.Group
		for _, p := range nodes[1:] {
			g.Go(func() error {
				took, err := p.curl(url, body)
				slowest <- took
				return err
			})
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
		var worst time.Duration
		for range 4 {
			worst = max(worst, <-slowest)
		}
		b.ReportMetric(direct.Seconds(), "direct-s")
		b.ReportMetric(worst.Seconds(), "slowest-s")
		b.ReportMetric(direct.Seconds()/worst.Seconds(), "times-faster")
		for _, p := range nodes {
			p.kill()
		}
	}
}
