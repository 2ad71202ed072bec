package fetch

import (
	"context"
	"errors"
	"io"
	"os"
)

// mended is a stored body of which not all was held against its hashes since
// the process began: where the disk turns out to have changed it, the origin
// goes on, so that its reader need not ask twice. The cache has forgotten the
// response by then, and nobody is blamed.
type mended struct {
	stored io.ReadSeekCloser
	origin Source
	length int64
	off    int64
	took   func(int64) // hears of each octet of the origin

	ctx    context.Context
	cancel context.CancelFunc
	rest   io.ReadCloser // the origin's, from where the disk was wrong; else nil
}

// mend returns what a reader gets of s.
func (j *journey) mend(s *Stored) io.ReadSeekCloser {
	if _, may := s.Body.(interface{ MayBeRotten() }); !may || s.Meta.Length <= 0 {
		return s.Body
	}
	m := &mended{stored: s.Body, origin: j.f.cfg.Origin.Source(whole(j.req), s.Meta), length: s.Meta.Length}
	m.ctx, m.cancel = context.WithCancel(j.f.ctx)
	taken := int64(0)
	m.took = func(n int64) {
		taken += n
		j.f.stats.origin(n)
		j.sources = []SourceBytes{{Kind: "cache", Bytes: m.length - taken}, {Kind: "origin", Bytes: taken}}
	}
	return m
}

func (m *mended) Read(p []byte) (int, error) {
	if m.rest != nil {
		return m.readRest(p)
	}
	n, err := m.stored.Read(p)
	m.off += int64(n)
	switch {
	case n > 0:
		return n, nil // and should there be an error, it comes again
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, os.ErrClosed):
		return 0, err
	}
	rest, refused := m.origin.Open(m.ctx, Span{m.off, m.length})
	if refused != nil {
		return 0, errors.Join(err, refused)
	}
	m.rest = rest
	return m.readRest(p)
}

func (m *mended) readRest(p []byte) (int, error) {
	n, err := m.rest.Read(p)
	m.off += int64(n)
	m.took(int64(n))
	return n, err
}

// Seek is as io.Seeker says.
func (m *mended) Seek(offset int64, whence int) (int64, error) {
	off, err := m.stored.Seek(offset, whence)
	if err == nil && m.rest != nil && off != m.off {
		m.rest.Close()
		m.rest = nil
	}
	if err == nil {
		m.off = off
	}
	return off, err
}

func (m *mended) Close() error {
	m.cancel()
	if m.rest != nil {
		m.rest.Close()
	}
	return m.stored.Close()
}
