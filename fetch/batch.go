package fetch

import (
	"net"
	"sync"
	"time"
)

// BatchReads returns c with reads that take more at a time where octets trickle
// in. On a line of some 10 Mbit/s each segment wakes its reader by itself, and
// all that follows (records, frames, writes, copies) is paid for once a segment.
// While bulk comes in slowly, a Read waits a moment, a few milliseconds at most,
// for more to gather; single messages, fast lines and the first octets of a
// transfer are never kept waiting.
func BatchReads(c net.Conn) net.Conn { return &batched{Conn: c} }

const (
	// batchSize is what a read should find, batchWait how long it waits for it
	// at most, and leastBatchWait what is not worth a timer.
	batchSize      = 24 << 10
	batchWait      = 4 * time.Millisecond
	leastBatchWait = time.Millisecond
	// leastBulk octets that come at bulkRate or more, without a gap of bulkGap,
	// are bulk and no conversation.
	leastBulk = 24 << 10
	bulkRate  = 512 << 10 // octets a second
	bulkGap   = 2 * batchWait
	// bulkWindow is over what time the rate is taken.
	bulkWindow = 20 * time.Millisecond
)

// batchBuffers hold what one read takes beyond what it was asked for.
var batchBuffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// batched is a connection whose reads are batched. As with any connection one
// goroutine at a time reads.
type batched struct {
	net.Conn
	buf     *[]byte // taken while octets are left in it
	rest    []byte  // of buf
	last    time.Time
	bulk    int // octets without a gap
	since   time.Time
	octets  int     // since then
	rate    float64 // octets a second, once there was a bulkWindow
	emptied bool    // the last read took all that was there
}

func (b *batched) Read(p []byte) (int, error) {
	if len(b.rest) > 0 {
		return b.take(p), nil
	}
	if b.bulk < leastBulk || b.rate < bulkRate {
		n, err := b.Conn.Read(p)
		b.note(n, n < len(p))
		return n, err
	}
	b.gather()
	if len(p) >= batchSize {
		n, err := b.Conn.Read(p)
		b.note(n, n < len(p))
		return n, err
	}
	b.buf = batchBuffers.Get().(*[]byte)
	n, err := b.Conn.Read(*b.buf)
	b.note(n, n < len(*b.buf))
	b.rest = (*b.buf)[:n]
	return b.take(p), err
}

// take gives what is left of an earlier read.
func (b *batched) take(p []byte) int {
	n := copy(p, b.rest)
	if b.rest = b.rest[n:]; len(b.rest) == 0 && b.buf != nil {
		batchBuffers.Put(b.buf)
		b.buf = nil
	}
	return n
}

// note takes in that a read brought n octets. emptied: there were no more.
func (b *batched) note(n int, emptied bool) {
	now := time.Now()
	if now.Sub(b.last) <= bulkGap {
		b.bulk = min(b.bulk+n, leastBulk)
	} else {
		b.bulk, b.rate, b.octets, b.since = 0, 0, 0, now
	}
	b.last, b.emptied = now, emptied
	b.octets += n
	if over := now.Sub(b.since); over >= bulkWindow {
		b.rate = float64(b.octets) / over.Seconds()
		b.octets, b.since = 0, now
	}
}

// gather waits until about batchSize octets should be there.
func (b *batched) gather() {
	if !b.emptied {
		return
	}
	wait := min(time.Duration(batchSize/b.rate*float64(time.Second)), batchWait)
	if wait -= time.Since(b.last); wait >= leastBatchWait {
		time.Sleep(wait)
	}
}
