package cache

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// Create is as fetch.Cache says. A body that is longer than the limit is
// fetch.ErrNotStorable and ErrFull; one for which there is no room now, because
// others are being written, is ErrFull.
func (s *Store) Create(req *fetch.Request, m *fetch.Meta) (fetch.Writer, error) {
	if why := unstorable(req, m); why != "" {
		return nil, fmt.Errorf("%w: %s", fetch.ErrNotStorable, why)
	}
	if m.Length > s.cfg.Limit {
		return nil, fmt.Errorf("%w: %w for %d octets under a limit of %d", fetch.ErrNotStorable, ErrFull, m.Length, s.cfg.Limit)
	}
	id, err := urlID(m.URL)
	if err != nil || id != m.ID {
		return nil, fmt.Errorf("%w: id is not of the url", fetch.ErrNotStorable)
	}
	if !s.enter() {
		return nil, ErrClosed
	}
	defer s.leave()
	w := &writer{s: s, meta: storedForm(m), name: newName(), room: max(m.Length, 0)}
	if err := s.reserve(w, w.room); err != nil {
		return nil, fmt.Errorf("cache: reserve %d octets: %w", m.Length, err)
	}
	if w.file, err = s.bodies.create(w.name); err != nil {
		s.release(w)
		return nil, fmt.Errorf("cache: create body: %w", err)
	}
	s.mu.Lock()
	s.writers[w] = struct{}{}
	s.mu.Unlock()
	return w, nil
}

// writer is a fetch.Writer over a temporary file. All its methods may be
// called in any order and at once; what comes too late fails.
type writer struct {
	s    *Store
	meta *fetch.Meta
	name name
	file *os.File

	held int64 // octets reserved; guarded by Store.mu
	// invalid and forgotten: Invalidate or Remove was called for the URL
	// since Create. Guarded by Store.mu.
	invalid, forgotten bool

	mu      sync.Mutex // guards following
	room    int64      // as held
	failure error      // of a write; it fails Commit
	ended   bool       // Commit or Abort was called
}

// growth is the step in which room is reserved for a body of unknown length.
const growth = 4 << 20

var errEnded = errors.New("cache: writer has ended")

// WriteAt is as io.WriterAt says. It fails with ErrFull when a body of unknown
// length outgrows the limit; what was written can be read still.
func (w *writer) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off > math.MaxInt64-int64(len(p)) {
		return 0, fmt.Errorf("cache: write at %d: %w", off, os.ErrInvalid)
	}
	if err := w.makeRoom(off + int64(len(p))); err != nil {
		return 0, err
	}
	n, err := w.file.WriteAt(p, off)
	if err != nil {
		w.fail(err)
		return n, fmt.Errorf("cache: write body: %w", err)
	}
	return n, nil
}

// makeRoom sees to it that end octets are reserved.
func (w *writer) makeRoom(end int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return errEnded
	}
	if end <= w.room {
		return nil
	}
	if !w.s.enter() {
		return ErrClosed
	}
	defer w.s.leave()
	err := w.s.reserve(w, end+growth)
	if err == nil {
		w.room = end + growth
		return nil
	}
	if err = w.s.reserve(w, end); err != nil {
		w.failure = errors.Join(w.failure, err)
		return fmt.Errorf("cache: reserve %d octets: %w", end, err)
	}
	w.room = end
	return nil
}

func (w *writer) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failure = errors.Join(w.failure, err)
}

// ReadAt is as io.ReaderAt says.
func (w *writer) ReadAt(p []byte, off int64) (int, error) { return w.file.ReadAt(p, off) }

// Abort forgets the response.
func (w *writer) Abort() {
	if w.end() == nil {
		w.withdraw()
	}
	w.Release()
}

// Release closes the file. It may be called more than once.
func (w *writer) Release() {
	w.file.Close()
	w.s.release(w)
}

// end notes that no more is written, and returns why there is nothing that
// could be committed.
func (w *writer) end() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return errEnded
	}
	w.ended = true
	return w.failure
}

// withdraw unlinks the temporary file. Its octets are given back by Release,
// since until then they take room on the disk.
func (w *writer) withdraw() {
	w.s.logged(w.s.bodies.removeTemp(w.name))
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	delete(w.s.writers, w)
}

// Commit is as fetch.Writer says.
func (w *writer) Commit(seal fetch.Seal) error {
	err := w.end()
	if errors.Is(err, errEnded) {
		return err
	}
	if err == nil {
		err = w.commit(seal)
	}
	if err != nil {
		w.withdraw()
		return fmt.Errorf("cache: commit: %w", err)
	}
	return nil
}
