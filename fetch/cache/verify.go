package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/flashcrowd/flashcrowd/verify"
)

// Verified is what Verify has found.
type Verified struct {
	// Objects that are as they were written, and the octets of their bodies.
	Objects int
	Bytes   int64
	// Damaged are the URLs of those that were not, which are removed.
	Damaged []string
}

// Verify reads every complete body, whatever this process has seen of it
// before, and holds it against its digest and its state list.
// What is wrong is removed, and a miss from then on; nobody is blamed. An error
// means that it ended early: ctx is done, or the store closed.
func (s *Store) Verify(ctx context.Context) (Verified, error) {
	var v Verified
	for _, e := range s.snapshot() {
		if ctx.Err() != nil {
			return v, fmt.Errorf("cache: verify: %w", ctx.Err())
		}
		switch url, err := s.verifyEntry(ctx, e); {
		case errors.Is(err, ErrClosed), ctx.Err() != nil:
			return v, fmt.Errorf("cache: verify: %w", err)
		case errors.Is(err, errGone):
		case err != nil:
			v.Damaged = append(v.Damaged, url)
		default:
			v.Objects++
			v.Bytes += e.body
		}
	}
	slices.Sort(v.Damaged)
	return v, nil
}

// verifyEntry verifies one body, and rejects it if it is wrong.
func (s *Store) verifyEntry(ctx context.Context, e *entry) (url string, err error) {
	if !s.enter() {
		return "", ErrClosed
	}
	defer s.leave()
	h := s.hold(e)
	defer h.release()
	r, err := s.read(e)
	if err == nil {
		url = r.meta.URL
		err = s.proveBody(ctx, e, r)
	}
	s.mu.Lock()
	gone := e.gone
	s.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		s.reject(e, err)
	}
	if err != nil && url == "" || err != nil && gone {
		return url, errGone
	}
	return url, err
}

// proveBody reads the body of e, whose record is r, from its file.
func (s *Store) proveBody(ctx context.Context, e *entry, r *record) error {
	sd, err := s.readSide(e, r)
	if err != nil {
		return err
	}
	f, info, err := s.openSized(e)
	if err != nil {
		return err
	}
	defer f.Close()
	whole, err := hashed(ctx, f, info.Size(), r.digest)
	if err != nil {
		return err
	}
	if whole.Digest != r.digest || !bytes.Equal(whole.States, sd.states) {
		return fmt.Errorf("%w: not what its digest says", ErrDamaged)
	}
	e.trust.believe(info)
	return nil
}

// hashed reads a body of size octets that should have the digest d.
func hashed(ctx context.Context, f io.Reader, size int64, d verify.Digest) (verify.Whole, error) {
	if size != d.Length() {
		return verify.Whole{}, fmt.Errorf("%w: %d octets, not %d", ErrDamaged, size, d.Length())
	}
	rec := verify.NewRecorder(d.Algorithm(), d.Length())
	if _, err := io.Copy(rec, io.LimitReader(&cancelled{ctx, f}, size)); err != nil {
		return verify.Whole{}, err
	}
	return rec.Whole(), nil
}

// cancelled ends a read that takes long.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

// Read is as io.Reader says, until ctx is done.
func (c *cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
