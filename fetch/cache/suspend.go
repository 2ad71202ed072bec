package cache

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/flashcrowd/flashcrowd/fetch"
)

const (
	// checkpointOctets and checkpointEvery are how much a crash may lose of
	// what was right: so many octets that a checkpoint, two syncs of the disk,
	// is rare beside them, and where they come slowly, so much time.
	checkpointOctets = 16 << 20
	checkpointEvery  = 3 * time.Second
)

// Checkpoint is as fetch.Writer says. Of a body that cannot be resumed nothing
// is kept.
func (w *writer) Checkpoint(spans []fetch.Span) {
	if w.version == [16]byte{} {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	grown := lengthOf(spans) - w.lastingOctets
	w.right, w.unsaved = append(w.right[:0], spans...), true
	if w.saving || grown < checkpointOctets && time.Since(w.saved) < checkpointEvery {
		return
	}
	w.saving = true
	w.checkpoints.Go(func() { w.s.logged(w.saveNow()) })
}

// saveNow makes last what is right by now, unless the writer has ended or the
// store is closed. It enters before it takes disk, as everybody does: Close
// takes disk when nobody is in any more.
func (w *writer) saveNow() error {
	if !w.s.enter() {
		return nil
	}
	defer w.s.leave()
	w.disk.Lock()
	defer w.disk.Unlock()
	w.mu.Lock()
	spans, save := slices.Clone(w.right), w.unsaved && !w.ended
	w.unsaved = w.unsaved && !save
	w.mu.Unlock()
	var err error
	if save {
		_, _, err = w.save(spans)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.saving, w.saved, w.lastingOctets = false, time.Now(), lengthOf(spans)
	return err
}

// lasts reports whether the index names the body.
func (w *writer) lasts() bool {
	w.disk.Lock()
	defer w.disk.Unlock()
	return w.lasting != nil
}

// save makes the octets in spans last, and then the index that names them. It
// returns what the index holds then, nil where there is nothing to keep, and
// the length of its record. disk is held, and the store entered.
func (w *writer) save(spans []fetch.Span) (*part, int, error) {
	chunks := chunksOf(spans, w.meta.Length)
	if len(chunks) == 0 {
		return nil, 0, w.unsaveLocked()
	}
	if err := syncFile(w.file); err != nil {
		return nil, 0, fmt.Errorf("sync part: %w", err)
	}
	if w.lasting == nil {
		if err := w.s.bodies.hold(); err != nil {
			return nil, 0, fmt.Errorf("sync folder of part: %w", err)
		}
	}
	if err := w.sumUp(chunks); err != nil {
		return nil, 0, fmt.Errorf("read part: %w", err)
	}
	w.s.mu.Lock()
	p := &part{meta: w.meta, invalid: w.invalid, chunks: chunks}
	w.s.mu.Unlock()
	value, err := p.encode()
	if err != nil {
		return nil, 0, err
	}
	if err := w.indexPart(value); err != nil {
		return nil, 0, fmt.Errorf("index part: %w", err)
	}
	w.lasting = chunks
	return p, len(value), nil
}

// indexPart writes value, unless the URL was removed meanwhile.
func (w *writer) indexPart(value []byte) error {
	w.s.rewrite.Lock()
	defer w.s.rewrite.Unlock()
	w.s.mu.Lock()
	forgotten := w.forgotten
	w.s.mu.Unlock()
	if forgotten {
		return errForgotten
	}
	return w.s.cfg.DB.Set(partKey(w.meta.ID, w.name), value, durable)
}

// sumUp fills in the checksums, of which those that last are known.
func (w *writer) sumUp(chunks []chunk) error {
	buf := pieceBuffer(layoutOf(w.meta))
	defer pieces.Put(buf)
	for i := range chunks {
		c := &chunks[i]
		at, ok := slices.BinarySearchFunc(w.lasting, *c, func(a, b chunk) int { return cmp.Compare(a.Offset, b.Offset) })
		if ok && w.lasting[at].Span == c.Span {
			c.sum = w.lasting[at].sum
			continue
		}
		octets := (*buf)[:c.Len()]
		if n, err := w.file.ReadAt(octets, c.Offset); n < len(octets) {
			if err == io.EOF {
				err = fmt.Errorf("%d octets at %d were never written", c.Len(), c.Offset)
			}
			return err
		}
		c.sum = sum(octets)
	}
	return nil
}

// unsave takes the body out of the index, if it is there. The store is
// entered.
func (w *writer) unsave() error {
	w.disk.Lock()
	defer w.disk.Unlock()
	return w.unsaveLocked()
}

func (w *writer) unsaveLocked() error {
	if w.lasting == nil {
		return nil
	}
	w.lasting = nil
	return w.s.cfg.DB.Delete(partKey(w.meta.ID, w.name), durable)
}

// Suspend is as fetch.Writer says.
func (w *writer) Suspend(spans []fetch.Span) error {
	if err := w.end(); err == errEnded {
		return err
	}
	kept, err := w.suspend(spans)
	if !kept {
		w.withdraw()
	}
	w.Release()
	if err != nil {
		return fmt.Errorf("cache: suspend: %w", err)
	}
	return nil
}

// suspend makes an entry of what w has, and reports whether it did.
func (w *writer) suspend(spans []fetch.Span) (kept bool, err error) {
	if w.version == [16]byte{} {
		return false, nil
	}
	if !w.s.enter() {
		return false, ErrClosed
	}
	defer w.s.leave()
	w.disk.Lock()
	defer w.disk.Unlock()
	p, encoded, err := w.save(spans)
	if err != nil || p == nil {
		return false, err
	}
	e := newPart(w.name, p, encoded)
	if err := w.trim(p, e.trust); err != nil {
		return false, fmt.Errorf("trim part: %w", err)
	}
	return w.s.admitPart(w, e), nil
}

// trim gives the disk back what is not held, and believes the rest.
func (w *writer) trim(p *part, t *trust) error {
	held := p.held()
	end := held[len(held)-1].End
	if err := w.file.Truncate(end); err != nil {
		return err
	}
	for _, gap := range fetch.Missing(fetch.Span{End: end}, held) {
		punch(w.file, gap.Offset, gap.Len())
	}
	info, err := w.file.Stat()
	if err != nil {
		return err
	}
	t.believe(info)
	return nil
}

// admitPart lets e be found, in the place of what it replaces, and reports
// whether it did: not where the URL was removed meanwhile, nor where more of
// the same version is there.
func (s *Store) admitPart(w *writer, e *entry) bool {
	s.mu.Lock()
	more := slices.ContainsFunc(s.entries.byID[e.id], func(o *entry) bool {
		return o.part && o.version == e.version && o.body > e.body
	})
	if w.forgotten || more {
		s.mu.Unlock()
		return false
	}
	delete(s.writers, w)
	s.entries.reserved -= w.held
	w.held = 0
	s.entries.add(e)
	e.used = time.Now().Unix()
	dropped := s.entries.supersede(e)
	over := s.entries.trim()
	s.mu.Unlock()
	s.logged(s.discard(append(dropped, over...), pebble.NoSync))
	return true
}
