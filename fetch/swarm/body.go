package swarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// errBodyClosed is what Read returns after Close.
var errBodyClosed = errors.New("swarm: read after close")

// body reads the octets that answer a get or states. Close may be called
// while Read runs, and ends it.
type body struct {
	source *source
	cancel context.CancelCauseFunc
	piece  int   // first piece, for the proof of a lie
	total  int64 // as the peer announced

	mu    sync.Mutex // guards following
	call  *call      // nil once it has ended
	got   int64      // octets of all data frames so far
	rest  []byte     // of the last data frame, not read yet
	ahead int        // octets of the last data frame that are still on the line
	last  bool       // no data frame follows
	err   error      // what Read returns when nothing is left
}

// open sends req, whose answer must be want octets.
func (p *source) open(ctx context.Context, req request, want int64, piece int) (*body, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	c, err := p.call(ctx, req)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	if c.first.kind != ansHead || c.first.total != want {
		err := c.fail(malformed("answer of kind %d announces %d octets, asked for %d", c.first.kind, c.first.total, want))
		cancel(nil)
		return nil, err
	}
	p.lend(c.first.credit)
	return &body{source: p, cancel: cancel, piece: piece, total: want, call: c}, nil
}

// Read implements io.Reader. After total octets it reads on until the peer
// says that these were all, so that one which sends more is found out.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.call != nil && b.call.ctx.Err() != nil {
		b.endLocked(b.call.ctx.Err())
	}
	for len(b.rest) == 0 && b.ahead == 0 && b.err == nil && len(p) > 0 {
		b.advanceLocked()
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	if n == 0 && b.ahead > 0 {
		n = b.passLocked(p)
	}
	if len(b.rest) == 0 && b.ahead == 0 && b.last {
		b.finishLocked()
	}
	if n == 0 && len(p) > 0 {
		return 0, b.err
	}
	return n, nil
}

// passLocked reads octets of the frame that is on the line straight into p.
func (b *body) passLocked(p []byte) int {
	n, err := b.call.line.in.r.Read(p[:min(len(p), b.ahead)])
	b.ahead -= n
	b.call.remote.bytesFrom.Add(int64(n))
	if n == 0 && err != nil {
		b.endLocked(brokenOff(overdue(inFrame(err))))
	}
	return n
}

// advanceLocked reads one more data frame into rest, or only its header and sets
// ahead, or sets err.
func (b *body) advanceLocked() {
	if b.last {
		b.finishLocked()
		return
	}
	octets, last, ok, err := b.call.line.in.data(b.call.line.number, b.total-b.got)
	if ok {
		b.got += int64(octets)
		b.ahead, b.last = octets, last
		return
	}
	if err != nil {
		b.endLocked(brokenOff(overdue(err)))
		return
	}
	a, err := b.call.line.next()
	switch {
	case err != nil:
		b.endLocked(brokenOff(err))
		return
	case a.kind != ansData:
		b.endLocked(malformed("answer of kind %d amid data", a.kind))
		return
	}
	b.got += int64(len(a.octets))
	if b.got > b.total || a.last && b.got < b.total {
		b.lieLocked(len(a.octets))
		return
	}
	b.call.remote.bytesFrom.Add(int64(len(a.octets)))
	b.rest, b.last = a.octets, a.last
}

// lieLocked bans the peer, which announced total octets and sent others.
func (b *body) lieLocked(octets int) {
	s := b.source.swarm
	s.metrics.rejected.WithLabelValues(rejectLength).Add(float64(octets))
	s.Ban(verify.LengthLie(b.source.String(), b.source.want.Proof.Digest(), b.piece, b.total, b.got, time.Now()))
	b.endLocked(fmt.Errorf("%w: announced %d octets, sent %d", fetch.ErrBanned, b.total, b.got))
}

// finishLocked ends b after its last octet.
func (b *body) finishLocked() {
	if b.err == nil {
		b.dropFrameLocked()
		b.call.succeed()
		b.call, b.err = nil, io.EOF
		b.cancel(nil)
	}
}

// endLocked ends b because of err.
func (b *body) endLocked(err error) {
	b.dropFrameLocked()
	b.err = fmt.Errorf("get from %s: %w", b.source, b.call.fail(err))
	b.call = nil
	b.cancel(nil)
}

// dropFrameLocked forgets the frame under way.
func (b *body) dropFrameLocked() { b.rest, b.ahead, b.last = nil, 0, false }

// Close stops the transfer if it has not ended.
func (b *body) Close() error {
	b.cancel(errBodyClosed)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.call != nil {
		b.endLocked(errBodyClosed)
	}
	b.err = errBodyClosed
	return nil
}
