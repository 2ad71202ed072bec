//go:build linux

package trial

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
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

// curl downloads on a host and compares. Its output is read as it comes, so
// the times are those of the body.
func curl(ctx context.Context, h *netns.Host, want [sha256.Size]byte, args ...string) (v visit, err error) {
	cmd := h.Command(ctx, "curl", append([]string{"-sS", "--fail", "--noproxy", "", "-N"}, args...)...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		return v, fmt.Errorf("trial: curl: %w", err)
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return v, fmt.Errorf("trial: curl: %w", err)
	}
	hash, buf, octets := sha256.New(), make([]byte, 64<<10), 0
	for err == nil {
		var n int
		if n, err = out.Read(buf); n > 0 && octets == 0 {
			v.first = time.Since(begin)
		}
		octets += n
		_, _ = hash.Write(buf[:n]) // never fails
	}
	v.last = time.Since(begin)
	if !errors.Is(err, io.EOF) {
		return v, errors.Join(fmt.Errorf("trial: read from curl: %w", err), cmd.Wait())
	}
	err = cmd.Wait()
	v.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if err != nil {
		return v, fmt.Errorf("trial: curl on %s after %d octets: %w: %s", h.Name, octets, err, bytes.TrimSpace(complaints.Bytes()))
	}
	if [sha256.Size]byte(hash.Sum(nil)) != want {
		return v, fmt.Errorf("%w: curl on %s got %d", errWrong, h.Name, octets)
	}
	return v, nil
}
