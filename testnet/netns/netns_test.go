//go:build system && linux

package netns

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// part says what this program does when a test starts it again as a child.
const part = "FLASHCROWD_NETNS_PART"

const bodySize = 12 << 20 // 5 s at 20 Mbit

func TestMain(m *testing.M) {
	switch os.Getenv(part) {
	case "":
		os.Exit(m.Run())
	case "serve":
		panic(http.ListenAndServe(":80", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, bodySize))
		})))
	case "peer":
		if err := peerPart(); err != nil {
			panic(err)
		}
	case "fall":
		fall()
	}
}

// fall makes a network with a program on it, and panics.
func fall() {
	net, err := New(context.Background())
	if err != nil {
		panic(err)
	}
	host, err := net.Host(context.Background(), "a", Line{})
	if err != nil {
		panic(err)
	}
	if _, err := host.Start(nil, nil, "sleep", "600"); err != nil {
		panic(err)
	}
	fmt.Println(net.Prefix, net.Dir)
	panic("on purpose")
}

func newNet(t *testing.T) *Net {
	t.Helper()
	net, err := New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := net.Close(); err != nil {
			t.Error(err)
		}
		wantNothingLeft(t, net.Prefix, net.Dir)
	})
	return net
}

func wantNothingLeft(t *testing.T, prefix, dir string) {
	t.Helper()
	out, err := exec.Command("ip", "netns", "list").Output()
	if err != nil || strings.Contains(string(out), prefix) {
		t.Errorf("namespaces left: %v\n%s", err, out)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("folder %s left: %v", dir, err)
	}
}

func addHost(t *testing.T, n *Net, name string, line Line) *Host {
	t.Helper()
	h, err := n.Host(t.Context(), name, line)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// startWeb serves bodySize octets at every path.
func startWeb(t *testing.T, h *Host) *Process {
	t.Helper()
	p, err := h.Start(nil, os.Stderr, "env", part+"=serve", os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// download returns the rate of a whole body.
func download(t *testing.T, from, to *Host) (Rate, error) {
	t.Helper()
	out, err := to.Command(t.Context(), "curl", "-sS", "--fail", "--retry", "9", "--retry-connrefused", "--retry-delay", "1", "-o", "/dev/null",
		"-w", `{"Octets": %{size_download}, "First": %{time_starttransfer}, "Last": %{time_total}}`, "http://"+from.Addr.String()+"/").Output()
	if err != nil {
		return 0, fmt.Errorf("curl on %s: %w", to.Name, err)
	}
	var got struct{ Octets, First, Last float64 }
	if err := json.Unmarshal(out, &got); err != nil {
		return 0, err
	}
	if got.Octets != bodySize {
		return 0, fmt.Errorf("curl on %s: %.0f octets", to.Name, got.Octets)
	}
	return Rate(got.Octets * 8 / (got.Last - got.First)), nil
}

// TestLineHasItsRate measures both directions, and that hosts reach each other
// at once without touching each other's lines.
func TestLineHasItsRate(t *testing.T) {
	net := newNet(t)
	slowUp := addHost(t, net, "slowup", Line{Up: 20 * Mbit})
	slowDown := addHost(t, net, "slowdown", Line{Down: 20 * Mbit})
	free := addHost(t, net, "free", Line{})
	startWeb(t, slowUp)
	startWeb(t, free)
	type result struct {
		rate Rate
		err  error
	}
	up, down := make(chan result), make(chan result)
	go func() { r, err := download(t, slowUp, free); up <- result{r, err} }()
	go func() { r, err := download(t, free, slowDown); down <- result{r, err} }()
	for name, got := range map[string]result{"up": <-up, "down": <-down} {
		if got.err != nil {
			t.Fatal(got.err)
		}
		t.Logf("%s: %.2f Mbit/s of body, %.2f of frames", name, float64(got.rate/1e4)/100, float64(got.rate)/1e6*1514/1448)
		if frames := got.rate * 1514 / 1448; frames < 19*Mbit || frames > 20.5e6 {
			t.Errorf("%s: a line of 20 Mbit/s carried %d bit/s", name, frames)
		}
	}
	sent, err := slowUp.Traffic(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if sent.Sent < bodySize*103/100 || sent.Sent > bodySize*108/100 {
		t.Errorf("the counter says %d octets left for a body of %d", sent.Sent, bodySize)
	}
	if free, err := download(t, free, slowUp); err != nil || free < 100*Mbit {
		t.Errorf("without a limit: %d bit/s, %v", free, err)
	}
}

func TestProcessesEndInOrder(t *testing.T) {
	net := newNet(t)
	host := addHost(t, net, "a", Line{})
	busy, err := host.Start(nil, nil, "sh", "-c", "while :; do :; done")
	if err != nil {
		t.Fatal(err)
	}
	for used, err := busy.CPU(); used == 0; used, err = busy.CPU() {
		if err != nil {
			t.Fatal(err)
		}
	}
	busy.Stop()
	if used, err := busy.CPU(); err != nil || used == 0 {
		t.Errorf("CPU time after the end: %v, %v", used, err)
	}
	if out, err := host.Command(t.Context(), "cat", "/proc/sys/net/ipv4/tcp_congestion_control").Output(); err != nil || string(out) != "reno\n" {
		t.Errorf("congestion control %q, %v", out, err)
	}
}

// TestNothingIsLeftAfterAPanic: the owner of the network dies without closing it.
func TestNothingIsLeftAfterAPanic(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), part+"=fall")
	// The reaper holds standard error until it is done, so reading it to its
	// end waits for that.
	complaints, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	trace, err := io.ReadAll(complaints)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(string(trace), "on purpose") {
		t.Fatalf("the child did not panic: %v\n%s", err, trace)
	}
	var prefix, dir string
	if _, err := fmt.Sscan(string(said), &prefix, &dir); err != nil {
		t.Fatalf("child said %q: %v", said, err)
	}
	wantNothingLeft(t, prefix, dir)
}
