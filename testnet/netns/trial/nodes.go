//go:build linux

package trial

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flashcrowd/flashcrowd/testnet/netns"
)

// Binary builds the real program, once, and returns where it is. Whoever calls
// it calls RemoveBinary before the process ends.
var Binary = sync.OnceValues(build)

func build() (string, error) {
	dir, err := os.MkdirTemp("", "flashcrowd-binary-")
	if err != nil {
		return "", fmt.Errorf("trial: make folder: %w", err)
	}
	built.Store(&dir)
	path := filepath.Join(dir, "flashcrowd")
	out, err := exec.Command("go", "build", "-o", path, "github.com/flashcrowd/flashcrowd/cmd/flashcrowd").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("trial: build: %w\n%s", err, out)
	}
	return path, nil
}

// built is the folder of the program, nil before there is one.
var built atomic.Pointer[string]

// RemoveBinary removes what Binary has built, if it has.
func RemoveBinary() {
	if dir := built.Load(); dir != nil {
		_ = os.RemoveAll(*dir)
	}
}

// nodes is Flashcrowd: a node on each peer, all of one network, which they
// join by the first.
type nodes struct {
	program   string
	processes []*netns.Process
}

const (
	nodeProxy = "http://127.0.0.1:3128"
	startTime = 30 * time.Second
)

func (m *nodes) prepare(ctx context.Context, w *world) (err error) {
	if m.program, err = Binary(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	bootstrap := "none"
	for _, h := range w.peers {
		address, err := m.start(ctx, w, h, bootstrap)
		if err != nil {
			return err
		}
		if bootstrap == "none" {
			bootstrap = address
		}
	}
	for _, h := range w.peers {
		if err := m.acquainted(ctx, w, h); err != nil {
			return err
		}
	}
	return nil
}

func data(w *world, h *netns.Host) string { return filepath.Join(w.net.Dir, h.Name) }

// start starts a node and returns its address once it is ready.
func (m *nodes) start(ctx context.Context, w *world, h *netns.Host, bootstrap string) (address string, err error) {
	out, in := io.Pipe()
	listen := fmt.Sprintf("/ip4/%[1]s/tcp/3130,/ip4/%[1]s/udp/3130/quic-v1", h.Addr)
	p, err := h.Start(in, os.Stderr, m.program, "up", "--network", "trial", "--bootstrap", bootstrap, "--listen", listen,
		"--data", data(w, h), "--log-level", "warn")
	if err != nil {
		return "", err
	}
	m.processes = append(m.processes, p)
	ready := make(chan string, 1)
	go func() { // it ends with the process, or with what ends the wait below
		defer close(ready)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			word, rest, _ := strings.Cut(lines.Text(), " ")
			switch {
			case word == "peer" && strings.Contains(rest, "/tcp/"):
				address = rest
			case word == "ready":
				ready <- address
			}
		}
	}()
	go func() {
		<-p.Ended()
		_ = in.Close()
	}()
	select {
	case address, ok := <-ready:
		if !ok || address == "" {
			return "", fmt.Errorf("trial: the node on %s ended before it was ready", h.Name)
		}
		return address, nil
	case <-ctx.Done():
		return "", fmt.Errorf("trial: the node on %s is not ready: %w", h.Name, ctx.Err())
	}
}

// acquainted waits until the node on h knows another, if there is one.
func (m *nodes) acquainted(ctx context.Context, w *world, h *netns.Host) error {
	for len(w.peers) > 1 {
		out, err := h.Command(ctx, m.program, "status", "--json", "--data", data(w, h)).Output()
		if err != nil {
			return fmt.Errorf("trial: status of %s: %w", h.Name, err)
		}
		var status struct {
			RoutingTable int `json:"routing_table"`
		}
		if err := json.Unmarshal(out, &status); err != nil {
			return fmt.Errorf("trial: status of %s: %w", h.Name, err)
		}
		if status.RoutingTable > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("trial: %s knows nobody: %w", h.Name, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

func (m *nodes) visit(ctx context.Context, w *world, i int) (visit, error) {
	return curl(ctx, w, w.peers[i], "-x", nodeProxy, w.origin.url(filePath))
}

func (m *nodes) cpu() (time.Duration, error) { return sumCPU(m.processes) }

func sumCPU(all []*netns.Process) (sum time.Duration, err error) {
	for _, p := range all {
		used, err := p.CPU()
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}
