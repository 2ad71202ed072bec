package cache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

func layoutOf(m *fetch.Meta) verify.Layout { return verify.LayoutOf(m.Length) }

// Resume is as fetch.Cache says. Octets that the disk has changed are not
// among those that it returns; to find them it reads once what this process has
// not read or written itself.
func (s *Store) Resume(req *fetch.Request, m *fetch.Meta) (fetch.Writer, []fetch.Span, error) {
	if err := s.admissible(req, m); err != nil {
		return nil, nil, err
	}
	if !s.enter() {
		return nil, nil, ErrClosed
	}
	defer s.leave()
	e := s.claim(m.ID, versionOf(m))
	if e == nil {
		return nil, nil, fetch.ErrMiss
	}
	w := s.newWriter(m, e.name)
	if err := s.reserve(w, w.room); err != nil {
		s.unclaim(e)
		return nil, nil, fmt.Errorf("cache: reserve %d octets: %w", m.Length, err)
	}
	held, err := w.takeOver(e)
	if err != nil {
		s.release(w)
		s.log.Warn("rejected", "id", e.id, "err", err)
		s.logged(s.discard([]*entry{e}, pebble.NoSync))
		return nil, nil, fmt.Errorf("%w: %w", fetch.ErrMiss, err)
	}
	s.mu.Lock()
	s.writers[w] = struct{}{}
	s.mu.Unlock()
	return w, held, nil
}

// claim takes the part of a version with the most octets out of the entries,
// so that nobody else finds it; nil when there is none.
func (s *Store) claim(id dht.ID, version [16]byte) (best *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries.byID[id] {
		if e.part && e.version == version && version != [16]byte{} && (best == nil || e.body > best.body) {
			best = e
		}
	}
	if best != nil {
		s.entries.drop(best)
	}
	return best
}

// unclaim undoes claim.
func (s *Store) unclaim(e *entry) {
	s.mu.Lock()
	e.gone = false
	s.entries.add(e)
	over := s.entries.trim()
	s.mu.Unlock()
	s.logged(s.discard(over, pebble.NoSync))
}

// takeOver makes the body of e that of w, and returns what is held of it. An
// error means that nothing is.
func (w *writer) takeOver(e *entry) ([]fetch.Span, error) {
	p, err := w.s.readPart(e)
	if err != nil {
		return nil, err
	}
	f, err := w.s.bodies.reopen(e.name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	e.trust.begin(info, len(p.chunks))
	b := &partBody{file: f, length: p.meta.Length, chunks: p.chunks, trust: e.trust, reject: func(error) {}}
	w.file, w.lasting = f, b.sound()
	if len(w.lasting) == 0 {
		f.Close()
		return nil, fmt.Errorf("%w: nothing of a part is left", ErrDamaged)
	}
	held := (&part{chunks: w.lasting}).held()
	w.right, w.lastingOctets = slices.Clone(held), lengthOf(held)
	return held, nil
}

// Partial is as fetch.Cache says.
func (s *Store) Partial(req *fetch.Request, now time.Time) (*fetch.Stored, error) {
	id, err := s.enterFor(req)
	if err != nil {
		return nil, err
	}
	defer s.leave()
	var best *entry
	var of *part
	for _, e := range s.parts(id) {
		p, err := s.readPart(e)
		if err == nil && selects(p.meta, req.Header) && allowed(req, p.meta) && (of == nil || later(p.meta, of.meta)) {
			best, of = e, p
		}
	}
	if best == nil {
		return nil, fetch.ErrMiss
	}
	return s.storedPart(req, best, of, now)
}

// storedPart opens e, of which p is known, as an answer to req.
func (s *Store) storedPart(req *fetch.Request, e *entry, p *part, now time.Time) (*fetch.Stored, error) {
	h := s.hold(e)
	f, err := s.bodies.reopen(e.name)
	if err == nil {
		var info fs.FileInfo
		if info, err = f.Stat(); err == nil {
			e.trust.begin(info, len(p.chunks))
		} else {
			f.Close()
		}
	}
	if err != nil {
		h.release()
		if errors.Is(err, fs.ErrNotExist) {
			s.reject(e, err)
		}
		return nil, fmt.Errorf("%w: open: %w", fetch.ErrMiss, err)
	}
	s.touch(e, now)
	v := judge(requestControl(req.Header), req.Face, p.meta, p.invalid, now)
	b := &partBody{
		file: f, length: p.meta.Length, chunks: p.chunks, trust: e.trust, reject: s.rejecter(e), held: h,
	}
	return &fetch.Stored{
		Meta: p.meta, Age: v.age, TTL: v.ttl, Fresh: v.fresh, StaleOK: v.staleOK,
		Unwanted: v.unwanted, Revalidate: v.revalidate,
		Body: b, Length: p.meta.Length, Held: p.held(),
	}, nil
}

// freshenPart is Freshen for an incomplete response.
func (s *Store) freshenPart(req *fetch.Request, old *fetch.Stored, m *fetch.Meta, now time.Time) (*fetch.Stored, error) {
	for _, e := range s.parts(old.Meta.ID) {
		if e.version != versionOf(old.Meta) {
			continue
		}
		p, err := s.changePart(e, pebble.NoSync, func(p *part) *part {
			if p.meta.ResponseTime.After(m.ResponseTime) && !p.invalid {
				return p
			}
			length := p.meta.Length
			p.meta, p.invalid = merged(req, p.meta, m), false
			p.meta.Shared, p.meta.Length = false, length
			return p
		})
		if err == nil && forbidden(p.meta, m.Authorized || p.meta.Authorized, req.Face) != "" {
			s.removeAll([]*entry{e}, durable)
			err = fetch.ErrNotStorable
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", fetch.ErrChanged, err)
		}
		return s.storedPart(req, e, p, now)
	}
	return nil, fmt.Errorf("%w: %w", fetch.ErrChanged, errGone)
}

// changePart rewrites what the index knows of e, a part, by next, and returns
// it.
func (s *Store) changePart(e *entry, how *pebble.WriteOptions, next func(*part) *part) (*part, error) {
	s.rewrite.Lock()
	defer s.rewrite.Unlock()
	s.mu.Lock()
	gone := e.gone
	s.mu.Unlock()
	if gone {
		return nil, errGone
	}
	value, closer, err := s.cfg.DB.Get(partKey(e.id, e.name))
	if err != nil {
		return nil, err
	}
	p, err := decodePart(value)
	closer.Close()
	if err != nil {
		return nil, err
	}
	p = next(p)
	changed, err := p.encode()
	if err != nil {
		return nil, err
	}
	if err := s.cfg.DB.Set(partKey(e.id, e.name), changed, how); err != nil {
		return nil, fmt.Errorf("write part: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries.resize(e, e.body+int64(len(changed)))
	return p, nil
}

// partBody reads what is held of an incomplete body: before the first octet of
// a chunk leaves that this process has not read or written yet, the whole
// chunk is held against its checksum. ReadAt may be called at once from many
// goroutines; Read and Seek not.
type partBody struct {
	file   file
	length int64
	chunks []chunk
	trust  *trust
	reject func(error)
	held   *held
	at     int64 // of Read
}

// errNotHeld: the octets asked for are not among those that are held.
var errNotHeld = errors.New("cache: octets that are not held")

// Read reads on from where the last Read ended.
func (b *partBody) Read(p []byte) (int, error) {
	if b.at >= b.length {
		return 0, io.EOF
	}
	if n := b.reach(b.at); n > 0 {
		p = p[:min(int64(len(p)), n)]
	}
	n, err := b.ReadAt(p, b.at)
	b.at += int64(n)
	return n, err
}

// reach returns how many octets may be read from off without a gap, within one
// chunk.
func (b *partBody) reach(off int64) int64 {
	if i := b.chunkAt(off); i >= 0 {
		return b.chunks[i].End - off
	}
	return 0
}

// chunkAt returns the chunk that holds the octet at off, or -1.
func (b *partBody) chunkAt(off int64) int {
	i, found := slices.BinarySearchFunc(b.chunks, off, func(c chunk, off int64) int {
		switch {
		case c.End <= off:
			return -1
		case c.Offset > off:
			return 1
		}
		return 0
	})
	if !found {
		return -1
	}
	return i
}

// Seek is as io.Seeker says, over the complete body.
func (b *partBody) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.length
	}
	if offset < 0 {
		return 0, fmt.Errorf("cache: seek before the start: %w", os.ErrInvalid)
	}
	b.at = offset
	return offset, nil
}

// ReadAt is as io.ReaderAt says. It reads nothing where the first octet is not
// held, and up to the first that is not.
func (b *partBody) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > math.MaxInt64-int64(len(p)) {
		return 0, fmt.Errorf("cache: read at %d: %w", off, os.ErrInvalid)
	}
	done := 0
	for done < len(p) && off < b.length {
		i := b.chunkAt(off)
		if i < 0 {
			return done, errNotHeld
		}
		n := int(min(b.chunks[i].End-off, int64(len(p)-done)))
		if err := b.check(i); err != nil {
			return done, err
		}
		if _, err := b.file.ReadAt(p[done:done+n], off); err != nil && err != io.EOF {
			return done, err
		}
		done += n
		off += int64(n)
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// check holds chunk i against its checksum, unless that was done.
func (b *partBody) check(i int) error {
	if b.trust.has(i) {
		return nil
	}
	buf := pieceBuffer(verify.LayoutOf(b.length))
	defer pieces.Put(buf)
	octets := (*buf)[:b.chunks[i].Len()]
	n, err := b.file.ReadAt(octets, b.chunks[i].Offset)
	if n == len(octets) && sum(octets) == b.chunks[i].sum {
		b.trust.add(i)
		return nil
	}
	if errors.Is(err, os.ErrClosed) {
		return err
	}
	damage := fmt.Errorf("%w: %d octets at %d", ErrDamaged, len(octets), b.chunks[i].Offset)
	if err != nil && err != io.EOF {
		damage = fmt.Errorf("%w: %w", damage, err)
	}
	b.reject(damage)
	return damage
}

// sound returns the chunks that are what they were.
func (b *partBody) sound() (out []chunk) {
	for i, c := range b.chunks {
		if b.check(i) == nil {
			out = append(out, c)
		}
	}
	return out
}

// Close ends reading.
func (b *partBody) Close() error { return b.held.close(b.file) }
