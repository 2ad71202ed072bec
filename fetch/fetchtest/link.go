package fetchtest

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// Link is a line of limited rate. Transfers over one Link take turns, chunk by
// chunk. The zero value is without limit and delay. Fields may be changed
// until the first use.
type Link struct {
	// Rate in octets a second; 0 is without limit.
	Rate float64
	// Latency from a question to the first octet of its answer.
	Latency time.Duration
	// Via is the line behind this one, such as that of the client, which
	// others may share; nil for none.
	Via *Link

	mu   sync.Mutex // guards following
	rate float64    // set by SetRate
	set  bool
	free time.Time // when the line is free again
}

// SetRate changes the rate from now on.
func (l *Link) SetRate(octetsPerSecond float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate, l.set = octetsPerSecond, true
}

const (
	// maxChunk is what one turn carries at most, chunkTime how long it takes
	// at most.
	maxChunk  = 32 << 10
	chunkTime = 20 * time.Millisecond
	// window is how far a sender may be ahead of its receiver.
	window = 100 * time.Millisecond
)

// chunk returns how many of n octets one turn carries.
func (l *Link) chunk(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rate := l.rateLocked(); rate > 0 {
		n = min(n, max(int(rate*chunkTime.Seconds()), 1))
	}
	return min(n, maxChunk)
}

func (l *Link) rateLocked() float64 {
	if l.set {
		return l.rate
	}
	return l.Rate
}

// turn reserves the line for n octets that are there from the moment at on. It
// returns when they have passed.
func (l *Link) turn(n int, at time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	rate := l.rateLocked()
	if rate <= 0 {
		return at
	}
	if l.free.Before(at) {
		l.free = at
	}
	l.free = l.free.Add(time.Duration(float64(n) / rate * float64(time.Second)))
	return l.free
}

// carry waits until up to n octets, which follow what left at the moment
// before, have arrived. It returns how many, and when they left.
func (l *Link) carry(ctx context.Context, n int, before time.Time) (int, time.Time, error) {
	if l == nil {
		return min(n, maxChunk), before, ctx.Err()
	}
	now := time.Now()
	switch oldest := now.Add(-window); {
	case l.Via == nil:
		before = now
	case before.Before(oldest):
		before = oldest
	}
	n = l.chunk(n)
	left := l.turn(n, before)
	at := left
	for via := l.Via; via != nil; via = via.Via {
		at = via.turn(n, at)
	}
	return n, left, wait(ctx, time.Until(at))
}

// answer waits for the latency of the line.
func (l *Link) answer(ctx context.Context) error {
	if l == nil {
		return ctx.Err()
	}
	return wait(ctx, l.Latency)
}

// wait lasts for d, or until ctx is done, and returns ctx's cause.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

var errClosed = errors.New("fetchtest: transfer closed")

// flow is one transfer over a link. Close may be called while Read runs.
type flow struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	link   *Link
	data   []byte    // not sent yet
	end    error     // what comes after data; nil waits for ever
	left   time.Time // when the latest octets left
	sent   func(octets int)
	ended  func()
	once   sync.Once
}

func newFlow(ctx context.Context, link *Link, data []byte, end error, sent func(int), ended func()) *flow {
	f := &flow{link: link, data: data, end: end, left: time.Now(), sent: sent, ended: ended}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	return f
}

func (f *flow) Read(p []byte) (int, error) {
	if len(f.data) == 0 && f.end != nil && f.ctx.Err() == nil {
		f.over()
		return 0, f.end
	}
	if len(f.data) == 0 {
		<-f.ctx.Done()
	}
	n, left, err := f.link.carry(f.ctx, min(len(p), len(f.data)), f.left)
	f.left = left
	if err != nil {
		f.over()
		return 0, context.Cause(f.ctx)
	}
	copy(p, f.data[:n])
	f.data = f.data[n:]
	f.sent(n)
	return n, nil
}

// over notes once that nothing more will be sent.
func (f *flow) over() { f.once.Do(f.ended) }

// Close ends the transfer.
func (f *flow) Close() error {
	f.cancel(errClosed)
	f.over()
	return nil
}

var _ io.ReadCloser = (*flow)(nil)
