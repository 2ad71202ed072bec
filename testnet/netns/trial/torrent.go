//go:build linux

package trial

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/testnet/netns"
)

// torrent is Aria2 or Libtorrent: a torrent with web seed, and a tracker on a
// line without limit. Peers ask the tracker again every 2 s, or those that come
// at once would not know each other for minutes.
type torrent struct {
	client
	file string

	mu        sync.Mutex // guards processes
	processes []*netns.Process
}

// client is a program that downloads a torrent, stays to give it on, and leaves
// the time at which it had all beside the file, with .done behind the name.
type client interface {
	// ready finds the program; what it needs besides goes to dir.
	ready(dir string) error
	// command downloads torrent to dir.
	command(torrent, dir string) (program string, args []string)
	fmt.Stringer
}

// aria2 is aria2c with its defaults, but for what the trial is without: IPv6,
// the DHT, and an end of giving.
type aria2 struct{ program, hook string }

func (*aria2) String() string { return "aria2" }

// doneHook is what aria2 runs when a download is complete: the file is $3.
const doneHook = `#!/bin/sh
date +%s.%N >"$3.time" && mv "$3.time" "$3.done"
`

func (a *aria2) ready(dir string) (err error) {
	if a.program, err = need("aria2c"); err != nil {
		return err
	}
	a.hook = filepath.Join(dir, "done")
	if err := os.WriteFile(a.hook, []byte(doneHook), 0o755); err != nil {
		return fmt.Errorf("trial: write hook: %w", err)
	}
	return nil
}

func (a *aria2) command(torrent, dir string) (string, []string) {
	return a.program, []string{"--no-conf", "--quiet", "--dir=" + dir, "--file-allocation=none", "--disable-ipv6",
		"--enable-dht=false", "--enable-dht6=false", "--bt-tracker-interval=2", "--bt-max-peers=0", "--listen-port=6881",
		"--seed-ratio=0.0", "--on-bt-download-complete=" + a.hook, torrent}
}

func (m *torrent) prepare(ctx context.Context, w *world) (err error) {
	if err := m.ready(w.net.Dir); err != nil {
		return err
	}
	maker, err := need("mktorrent")
	if err != nil {
		return err
	}
	tracker, err := w.net.Host(ctx, "tracker", netns.Line{})
	if err != nil {
		return err
	}
	m.file = filepath.Join(w.net.Dir, "file.torrent")
	announce := "http://" + tracker.Addr.String() + ":6969/announce"
	make := w.origin.host.Command(ctx, maker, "-a", announce, "-w", w.origin.url(filePath), "-o", m.file, w.origin.file)
	if out, err := make.CombinedOutput(); err != nil {
		return fmt.Errorf("trial: mktorrent: %w: %s", err, out)
	}
	return m.startTracker(ctx, w, tracker)
}

// startTracker lets opentracker serve this torrent: Debian builds it so that it
// serves only what is on its list.
func (m *torrent) startTracker(ctx context.Context, w *world, host *netns.Host) error {
	program, err := need("opentracker")
	if err != nil {
		return err
	}
	reader, err := need("aria2c")
	if err != nil {
		return err
	}
	about, err := exec.CommandContext(ctx, reader, "--no-conf", "-S", m.file).Output()
	if err != nil {
		return fmt.Errorf("trial: read torrent: %w", err)
	}
	_, hash, _ := strings.Cut(string(about), "Info Hash: ")
	hash, _, ok := strings.Cut(hash, "\n")
	if !ok {
		return fmt.Errorf("trial: aria2c -S tells no info hash: %q", about)
	}
	dir := filepath.Join(w.net.Dir, "tracker") // its root from now on
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("trial: make folder: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "served"), []byte(hash+"\n"), 0o644); err != nil {
		return fmt.Errorf("trial: write the tracker's list: %w", err)
	}
	_, err = host.Start(nil, nil, program, "-i", host.Addr.String(), "-p", "6969", "-P", "6969", "-d", dir, "-w", "served")
	return err
}

func (m *torrent) visit(ctx context.Context, w *world, i int) (v visit, err error) {
	h := w.peers[i]
	dir := filepath.Join(w.net.Dir, h.Name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return v, fmt.Errorf("trial: make folder: %w", err)
	}
	begin := time.Now()
	program, args := m.command(m.file, dir)
	p, err := h.Start(nil, os.Stderr, program, args...)
	if err != nil {
		return v, err
	}
	m.mu.Lock()
	m.processes = append(m.processes, p)
	m.mu.Unlock()
	file := filepath.Join(dir, filepath.Base(filePath))
	done, err := await(ctx, p, file+".done")
	if err != nil {
		return v, fmt.Errorf("trial: %s on %s: %w", m, h.Name, err)
	}
	v.last = done.Sub(begin)
	return v, w.compare(file, h)
}

// await returns the time that the client left in a file.
func await(ctx context.Context, p *netns.Process, file string) (t time.Time, err error) {
	for {
		if text, err := os.ReadFile(file); err == nil {
			seconds, fraction, _ := strings.Cut(strings.TrimSpace(string(text)), ".")
			s, err := strconv.ParseInt(seconds, 10, 64)
			if err != nil {
				return t, err
			}
			ns, err := strconv.ParseInt(fraction, 10, 64)
			return time.Unix(s, ns), err
		}
		select {
		case <-p.Ended():
			return t, fmt.Errorf("it ended before it was done")
		case <-ctx.Done():
			return t, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (m *torrent) cpu() (time.Duration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return sumCPU(m.processes)
}
