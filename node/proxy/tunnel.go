package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// tunnels are the CONNECT tunnels that are open or being opened.
type tunnels struct {
	max    int
	ctx    context.Context // ends at close
	cancel context.CancelFunc

	mu  sync.Mutex // guards following
	all map[*tunnel]struct{}
	wg  sync.WaitGroup // tunnels in all; Add only under mu and before ctx ends
}

func newTunnels(limit int) *tunnels {
	ts := &tunnels{max: limit, all: make(map[*tunnel]struct{})}
	ts.ctx, ts.cancel = context.WithCancel(context.Background())
	return ts
}

// open takes a place for one more tunnel; nil when there is none. Whoever got
// one calls done with it.
func (ts *tunnels) open() *tunnel {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.ctx.Err() != nil || len(ts.all) >= ts.max {
		return nil
	}
	t := &tunnel{}
	ts.all[t] = struct{}{}
	ts.wg.Add(1)
	return t
}

func (ts *tunnels) done(t *tunnel) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	delete(ts.all, t)
	ts.wg.Done()
}

// close ends all tunnels and waits for them.
func (ts *tunnels) close() {
	ts.mu.Lock()
	ts.cancel()
	for t := range ts.all {
		t.cut()
	}
	ts.mu.Unlock()
	ts.wg.Wait()
}

// tunnel carries octets between a client and where it wanted to be connected.
type tunnel struct {
	idle   time.Duration
	active atomic.Int64 // when octets were last seen to move, in Unix nanoseconds

	mu    sync.Mutex // guards following
	ended bool
	ends  []net.Conn
	watch *time.Timer
}

// carry moves octets both ways, the early ones of near first, until both
// directions have ended, one has failed, or nothing moved for idle, up to a
// quarter more. The end of one direction is passed on, and the other goes on.
// It closes both connections and returns the octets that went to near.
func (t *tunnel) carry(near, far net.Conn, early []byte, idle time.Duration) (octets int64) {
	t.begin(near, far, idle)
	defer t.cut()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if _, err := far.Write(early); err != nil {
			t.cut()
			return
		}
		t.pump(far, near)
	})
	return t.pump(near, far)
}

func (t *tunnel) begin(near, far net.Conn, idle time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ends, t.idle = []net.Conn{near, far}, idle
	t.touch()
	t.watch = time.AfterFunc(idle, t.check)
	if t.ended { // before it began
		t.endLocked()
	}
}

// hold makes conn end with the tunnel; it is the caller's otherwise.
func (t *tunnel) hold(conn net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ends = []net.Conn{conn}
	if t.ended {
		t.endLocked()
	}
}

const (
	// sip is what a tunnel waits with: while the kernel moves octets by itself
	// it holds a pipe for each direction, which is too dear for one that is
	// idle.
	sip = 4 << 10
	// gulp is how long the kernel is left alone at a time.
	gulp = time.Second
)

// pump moves octets from src to dst until src has ended or something fails,
// and returns how many. Where many come at once the kernel moves them, unseen,
// so the read deadline is for looking at the count now and then.
func (t *tunnel) pump(dst, src net.Conn) (total int64) {
	buf := make([]byte, sip)
	for {
		src.SetReadDeadline(time.Now().Add(t.idle / 4))
		n, err := src.Read(buf)
		if n > 0 {
			if _, werr := dst.Write(buf[:n]); werr != nil {
				err = werr
			}
			total += int64(n)
			t.touch()
		}
		if n == len(buf) && err == nil {
			var moved int64
			src.SetReadDeadline(time.Now().Add(min(gulp, t.idle/4)))
			if moved, err = io.Copy(dst, src); moved > 0 {
				total += moved
				t.touch()
			}
			if err == nil {
				err = io.EOF
			}
		}
		switch {
		case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		case err == io.EOF && closeWrite(dst):
			return total
		default:
			t.cut()
			return total
		}
	}
}

// closeWrite passes the end of one direction on, if dst can say it alone.
func closeWrite(dst net.Conn) bool {
	half, ok := dst.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}

func (t *tunnel) touch() { t.active.Store(time.Now().UnixNano()) }

// check cuts a tunnel in which nothing moves, even if both ends are stuck in a
// write.
func (t *tunnel) check() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	if rest := t.idle - time.Since(time.Unix(0, t.active.Load())); rest > 0 {
		t.watch.Reset(rest)
		return
	}
	t.endLocked()
}

// cut ends the tunnel, now or as soon as it begins.
func (t *tunnel) cut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endLocked()
}

func (t *tunnel) endLocked() {
	t.ended = true
	for _, c := range t.ends {
		c.Close()
	}
	if t.watch != nil {
		t.watch.Stop()
	}
}
