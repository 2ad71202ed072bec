package cache

import (
	"context"
	"errors"
	"time"
)

const (
	// scrubRate is how many octets a second are read again: a hundredth of
	// what a disk and a core can, and 10 GiB in 22 minutes.
	scrubRate = 8 << 20
	// scrubEvery is from the beginning of one round to that of the next, and
	// scrubAfter from the start of a process, which has better to do, to the
	// first.
	scrubEvery = 24 * time.Hour
	scrubAfter = 5 * time.Minute
)

// Scrub reads all bodies again, slowly, and holds each piece against its hash,
// also where this process has seen it right before. What has rotted is a miss
// from then, and blames nobody. It returns nil when ctx is done or the store is
// closed; one goroutine calls it.
func (s *Store) Scrub(ctx context.Context) error {
	for wait := scrubAfter; ; {
		if !sleeps(ctx, wait) {
			return nil
		}
		begun := time.Now()
		if !s.scrub(ctx, scrubRate) {
			return nil
		}
		wait = max(scrubEvery-time.Since(begun), scrubAfter)
	}
}

// sleeps reports whether d has passed before ctx was done.
func sleeps(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// scrub is one round. It reports whether it came to its end.
func (s *Store) scrub(ctx context.Context, rate int64) bool {
	pace := pace{ctx: ctx, rate: rate}
	for _, e := range s.snapshot() {
		b, err := s.openToScrub(e)
		if errors.Is(err, ErrClosed) {
			return false
		}
		if err != nil {
			continue // it is no longer there, or was rejected
		}
		went := scrubBody(b, &pace)
		b.file.Close()
		if !went {
			return false
		}
	}
	return true
}

// openToScrub opens the body of e to be held against its hashes.
func (s *Store) openToScrub(e *entry) (*checkedBody, error) {
	if !s.enter() {
		return nil, ErrClosed
	}
	defer s.leave()
	r, err := s.readRecord(e)
	if err != nil {
		return nil, err
	}
	sd, err := s.readSide(e, r)
	if err != nil {
		s.reject(e, err)
		return nil, err
	}
	f, info, err := s.openSized(e)
	if err != nil {
		return nil, err
	}
	e.trust.begin(info, r.digest.Layout().Pieces())
	return &checkedBody{file: f, layout: r.digest.Layout(), list: sd.list, trust: e.trust, reject: s.rejecter(e)}, nil
}

// scrubBody holds all of b against its hashes. It reports whether there is time
// for more; a rotten body is rejected, and that is all.
func scrubBody(b *checkedBody, p *pace) bool {
	buf := pieceBuffer(b.layout)
	defer pieces.Put(buf)
	for i := range b.layout.Pieces() {
		size := b.layout.Size(i)
		if !p.take(size) {
			return false
		}
		if b.check((*buf)[:size], i) != nil {
			return true
		}
	}
	return true
}

// pace lets octets through at a rate.
type pace struct {
	ctx  context.Context
	rate int64
	debt time.Duration
}

// paceSteps is how long the waits are: shorter ones would wake the machine more
// often than it is worth.
const paceSteps = 100 * time.Millisecond

// take waits until n more octets may be read. It reports whether ctx lets it.
func (p *pace) take(n int64) bool {
	p.debt += time.Duration(float64(n) / float64(p.rate) * float64(time.Second))
	if p.debt < paceSteps {
		return p.ctx.Err() == nil
	}
	debt := p.debt
	p.debt = 0
	return sleeps(p.ctx, debt)
}
