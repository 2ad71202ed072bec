//go:build linux

package trial

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/flashcrowd/flashcrowd/testnet/netns"
)

// visit is how one peer got the file.
type visit struct {
	// first and last are when its first and its last octet came, from when the
	// peer asked. Zero first is unknown.
	first, last time.Duration
	// cpu that ended with the visit.
	cpu time.Duration
}

// errWrong is a download that ended well with other octets than the origin's.
var errWrong = errors.New("trial: wrong octets")

// curl downloads on a host into a file, as the clients of torrents do, and compares
// that afterwards.
func curl(ctx context.Context, w *world, h *netns.Host, args ...string) (v visit, err error) {
	file := filepath.Join(w.net.Dir, h.Name+".curl")
	cmd := h.Command(ctx, "curl", append([]string{"-sS", "--fail", "--noproxy", "", "-o", file, "-w", "%{time_starttransfer} %{time_total}"}, args...)...)
	var said, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &complaints
	begin := time.Now()
	err = cmd.Run()
	v.last = time.Since(begin)
	if cmd.ProcessState != nil {
		v.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	if err != nil {
		return v, fmt.Errorf("trial: curl on %s after %v: %w: %s", h.Name, v.last, err, bytes.TrimSpace(complaints.Bytes()))
	}
	var toFirst, toLast float64 // seconds, from a moment after begin
	if _, err := fmt.Sscan(said.String(), &toFirst, &toLast); err != nil {
		return v, fmt.Errorf("trial: curl on %s said %q: %w", h.Name, &said, err)
	}
	v.first = v.last - time.Duration((toLast-toFirst)*float64(time.Second))
	return v, w.compare(file, h)
}

// compare holds what a host wrote into file against what the origin has.
func (w *world) compare(file string, h *netns.Host) error {
	body, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("trial: read what %s wrote: %w", h.Name, err)
	}
	defer body.Close()
	hash := sha256.New()
	octets, err := io.Copy(hash, body)
	if err != nil {
		return fmt.Errorf("trial: read what %s wrote: %w", h.Name, err)
	}
	if [sha256.Size]byte(hash.Sum(nil)) != w.origin.sum {
		return fmt.Errorf("%w: %s got %d", errWrong, h.Name, octets)
	}
	return nil
}
