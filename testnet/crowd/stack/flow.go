package stack

import (
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// flow is the octets that go one way of a connection. Only a full socket
// buffer keeps a writer waiting: libp2p writes with mutexes held, and whoever
// waits for one of those stops virtual time.
type flow struct {
	from, to *host
	delay    time.Duration

	mu       sync.Mutex // guards following
	changed  *sync.Cond
	waiting  []byte // in the socket buffer of the sender
	leaving  bool   // a segment is on the sender's line
	arrived  []byte
	ahead    int       // on its way, or not read
	last     time.Time // when something arrives
	slowed   time.Time // when the sender may go on
	finished bool      // nothing more is written
	ending   bool      // and that is on its way
	ended    bool      // and has arrived
	left     bool      // the reader has gone
	broken   bool      // reset
	readBy   deadline
	writeBy  deadline
}

// deadline is a time after which a call fails; its timer wakes who waits.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func newFlow(from, to *host, delay time.Duration) *flow {
	f := &flow{from: from, to: to, delay: delay}
	f.changed = sync.NewCond(&f.mu)
	return f
}

func (f *flow) setDeadline(d *deadline, t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = t
	if wait := time.Until(t); !t.IsZero() && wait > 0 {
		d.timer = time.AfterFunc(wait, f.wake)
	}
	f.changed.Broadcast()
	return nil
}

func (f *flow) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed.Broadcast()
}

func (f *flow) read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.left:
			return 0, net.ErrClosed
		case f.readBy.passed():
			return 0, errDeadline
		case len(f.arrived) > 0:
			n := copy(p, f.arrived)
			f.arrived = f.arrived[n:]
			f.ahead -= n
			f.pumpLocked()
			return n, nil
		case f.broken:
			return 0, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
		case f.ended:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		f.changed.Wait()
	}
}

func (f *flow) write(p []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for n < len(p) || n == 0 {
		switch {
		case f.finished:
			return n, net.ErrClosed
		case f.broken || f.left:
			return n, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
		case len(f.waiting) < socketBuffer:
			size := min(len(p)-n, socketBuffer)
			f.waiting = append(f.waiting, p[n:n+size]...)
			if n += size; size == 0 {
				return n, nil
			}
			f.pumpLocked()
			continue
		case f.writeBy.passed():
			return n, errDeadline
		}
		f.changed.Wait()
	}
	return n, nil
}

// pumpLocked puts the next segment on the sender's line, if it may.
func (f *flow) pumpLocked() {
	now := time.Now()
	switch {
	case f.leaving || f.broken:
		return
	case len(f.waiting) == 0 && f.finished && !f.ending:
		f.ending = true
		time.AfterFunc(f.delay+1, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.later(time.Now(), func() { f.ended = true })
		})
		return
	case len(f.waiting) == 0 || f.ahead >= window:
		return
	}
	f.leaving = true
	if wait := f.slowed.Sub(now); wait > 0 {
		time.AfterFunc(wait, f.goOn)
		return
	}
	n := min(len(f.waiting), segment)
	data := append([]byte(nil), f.waiting[:n]...)
	f.waiting = f.waiting[n:]
	f.ahead += n
	f.changed.Broadcast()
	wait := f.from.up.pass(n, now).Sub(now)
	time.AfterFunc(wait, f.goOn)
	time.AfterFunc(wait+f.delay, func() { f.reach(data) })
}

// goOn ends what kept the sender from its next segment.
func (f *flow) goOn() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leaving = false
	f.pumpLocked()
}

// reach is a segment at the receiver's line.
func (f *flow) reach(data []byte) {
	now := time.Now()
	at := f.to.down.pass(len(data), now)
	f.mu.Lock()
	defer f.mu.Unlock()
	if behind := at.Sub(now); behind > queue {
		f.slowed = now.Add(behind - queue)
	}
	f.later(at, func() { f.arrived = append(f.arrived, data...) })
}

// later does do, and wakes who waits, at a time after all that came before.
// mu is held.
func (f *flow) later(at time.Time, do func()) {
	if !at.After(f.last) {
		at = f.last.Add(1)
	}
	f.last = at
	time.AfterFunc(time.Until(at), func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		do()
		f.changed.Broadcast()
	})
}

// finish ends what is written; the reader gets the rest and the end.
func (f *flow) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.finished {
		f.finished = true
		f.changed.Broadcast()
		f.pumpLocked()
	}
}

// abandon ends what is read: the sender learns of it a while later.
func (f *flow) abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left {
		return
	}
	f.left = true
	f.arrived = nil
	f.changed.Broadcast()
	time.AfterFunc(f.delay, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.broken, f.waiting = true, nil
		f.changed.Broadcast()
	})
}

// reset ends both at once.
func (f *flow) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = true
	f.arrived, f.waiting = nil, nil
	f.changed.Broadcast()
}
