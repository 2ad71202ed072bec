//go:build system

package testnet

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"syscall"
	"testing"
	"time"
)

// halfway reads about half of what url has through p, and returns how many
// octets that were.
func (p *process) halfway(rawURL string, half int64) int64 {
	p.t.Helper()
	proxy, err := url.Parse(p.Proxy)
	if err != nil {
		p.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(rawURL)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.CopyN(io.Discard, resp.Body, half)
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// TestProcessResumes: a node that is killed, or told to end, halfway through a
// download goes on from there when it is started again: the origin sends the
// rest, and so does a peer.
func TestProcessResumes(t *testing.T) {
	const size = 32 << 20
	for _, how := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		for _, peers := range []bool{false, true} {
			name := how.String()
			if peers {
				name += " with a peer"
			}
			t.Run(name, func(t *testing.T) { resumes(t, size, how, peers) })
		}
	}
}

func resumes(t *testing.T, size int, how syscall.Signal, peers bool) {
	o, body := testOrigin(t), Random(size, 5)
	o.Put("/big.iso", File{Body: body})
	link := o.URL + "/big.iso"
	p := startProcess(t, 0, "none")
	var helper *process
	if peers {
		helper = startProcess(t, 1, "none")
		if _, err := helper.curl(link, body); err != nil {
			t.Fatal(err)
		}
	}
	o.Pace.SetRate(8 << 20)
	p.halfway(link, int64(size)/2)
	<-time.After(1200 * time.Millisecond) // a checkpoint a second
	before := o.Pace.Sent()
	_ = p.cmd.Process.Signal(how)
	_ = p.cmd.Wait()
	if peers {
		o.Pace.SetRate(512 << 10)
		p.args[slices.Index(p.args, "none")] = helper.Peers[0] // whom it did not know before
	}
	p.start()
	if _, err := p.curl(link, body); err != nil {
		t.Fatal(err)
	}
	r := p.why(link)
	disk, rest := from(r, "cache"), o.Pace.Sent()-before
	t.Logf("the origin sent %d octets before and %d after; the receipt: %+v", before, rest, r.Sources)
	if disk < int64(size)/4 || disk == int64(size) {
		t.Errorf("%d octets of %d were there still", disk, size)
	}
	if sum := from(r, "origin") + from(r, "peer"); sum != int64(size)-disk {
		t.Errorf("%d octets came for the rest of %d", sum, int64(size)-disk)
	}
	if rest > int64(size)-disk+2<<20 || peers && rest > (int64(size)-disk)/2 {
		t.Errorf("the origin sent %d octets for the rest of %d", rest, int64(size)-disk)
	}
}
