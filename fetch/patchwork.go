package fetch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// patchwork reads the octets [off,end) of a body in order: what is held from
// the disk, what is missing from the origin, one range for each gap. Close may be
// called while another goroutine reads.
type patchwork struct {
	ctx  context.Context
	src  Source
	disk io.ReaderAt
	held []Span
	keep *keeping // takes what the origin sends; nil keeps nothing

	off, end int64
	until    int64 // where the turn ends
	sent     int64 // octets that were read, of which
	fresh    int64 // the origin's

	mu      sync.Mutex // guards following
	closed  bool
	ahead   io.ReadCloser // the gap aheadOf, opened before its turn; see begin
	aheadOf Span
	from    io.ReadCloser // the origin, while it is its turn
}

// begin asks the origin for the first gap: before anything is promised it is
// known that the origin has the same representation still.
func (b *patchwork) begin() (err error) {
	if missing := Missing(Span{b.off, b.end}, b.held); len(missing) > 0 {
		b.aheadOf = missing[0]
		b.ahead, err = b.src.Open(b.ctx, missing[0])
	}
	return err
}

// next begins the turn of whoever has the octet at off.
func (b *patchwork) next() error {
	b.turn(nil)
	missing := Missing(Span{b.off, b.end}, b.held)
	switch {
	case len(missing) == 0:
		b.until = b.end
		return nil
	case missing[0].Offset > b.off:
		b.until = missing[0].Offset
		return nil
	}
	from := b.takeAhead(missing[0])
	if from == nil {
		var err error
		if from, err = b.src.Open(b.ctx, missing[0]); err != nil {
			return err
		}
	}
	b.until = missing[0].End
	return b.turn(from)
}

// takeAhead returns what was opened before its turn, if that is gap.
func (b *patchwork) takeAhead(gap Span) io.ReadCloser {
	b.mu.Lock()
	defer b.mu.Unlock()
	ahead := b.ahead
	b.ahead = nil
	if ahead != nil && b.aheadOf != gap { // less is held than was thought
		ahead.Close()
		return nil
	}
	return ahead
}

// turn ends the turn of the origin, and begins that of from unless b is closed.
func (b *patchwork) turn(from io.ReadCloser) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.from != nil {
		b.from.Close()
	}
	b.from = from
	if b.closed && from != nil {
		b.from = nil
		from.Close()
		return errClosed
	}
	return nil
}

func (b *patchwork) Read(p []byte) (int, error) {
	if b.off >= b.end {
		return 0, io.EOF
	}
	if b.off >= b.until {
		if err := b.next(); err != nil {
			return 0, &Failure{Incomplete, err}
		}
	}
	p = p[:min(int64(len(p)), b.until-b.off)]
	n, err := b.read(p)
	b.off += int64(n)
	b.sent += int64(n)
	if b.off >= b.end && b.keep != nil {
		b.keep.end()
	}
	if n > 0 || err == io.EOF && b.off >= b.until {
		return n, nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (b *patchwork) read(p []byte) (int, error) {
	b.mu.Lock()
	from, closed := b.from, b.closed
	b.mu.Unlock()
	switch {
	case closed:
		return 0, errClosed
	case from == nil:
		return b.disk.ReadAt(p, b.off)
	}
	n, err := from.Read(p)
	b.fresh += int64(n)
	if b.keep != nil {
		b.keep.f.stats.origin(int64(n))
		b.keep.add(p[:n], b.off)
	}
	return n, err
}

// fromDisk reports whether what was read last is no news.
func (b *patchwork) fromDisk() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.from == nil
}

// Close ends reading, also one that is under way.
func (b *patchwork) Close() error {
	b.mu.Lock()
	b.closed = true
	for _, open := range []io.ReadCloser{b.from, b.ahead} {
		if open != nil {
			open.Close()
		}
	}
	b.ahead = nil
	b.mu.Unlock()
	if b.keep != nil {
		b.keep.end()
	}
	return nil
}

// gaps returns the origin as source of what is missing of m, for a reader who
// waits: what it asks for is the reader's own request, which no back-off holds
// up.
func (f *Fetcher) gaps(req *Request, m *Meta) Source {
	if m.StrongETag() == "" {
		return f.cfg.Origin.Source(req, m)
	}
	return &gapSource{f, req, m}
}

type gapSource struct {
	f   *Fetcher
	req *Request
	m   *Meta
}

func (s *gapSource) String() string { return "origin" }

// Open implements Source.
func (s *gapSource) Open(ctx context.Context, span Span) (io.ReadCloser, error) {
	tag := s.m.StrongETag()
	ans, err := s.f.cfg.Origin.Send(ctx, s.req, http.Header{
		"Range":    {fmt.Sprintf("bytes=%d-%d", span.Offset, span.End-1)},
		"If-Range": {tag},
	})
	if err != nil {
		return nil, err
	}
	if ans.Part == span && ans.Total == s.m.Length && ans.Meta.StrongETag() == tag && ans.Meta.Coding() == s.m.Coding() {
		return ans.Body, nil
	}
	ans.Body.Close()
	if isError(ans.Meta.Status) || ans.Meta.Status == http.StatusTooManyRequests {
		return nil, &Failure{Protocol, fmt.Errorf("a range was answered with status %d", ans.Meta.Status)}
	}
	return nil, ErrChanged
}
