package cache

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Create is as fetch.Cache says. A body that is longer than the limit is
// fetch.ErrNotStorable and ErrFull; one for which there is no room now, because
// others are being written, is ErrFull.
func (s *Store) Create(req *fetch.Request, m *fetch.Meta) (fetch.Writer, error) {
	if err := s.admissible(req, m); err != nil {
		return nil, err
	}
	w, err := s.create(m)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// create begins the body of m.
func (s *Store) create(m *fetch.Meta) (*writer, error) {
	if !s.enter() {
		return nil, ErrClosed
	}
	defer s.leave()
	w := s.newWriter(m, newName())
	if err := s.reserve(w, w.room); err != nil {
		return nil, fmt.Errorf("cache: reserve %d octets: %w", m.Length, err)
	}
	var err error
	if m.Length >= 0 && m.Length <= lateLength {
		w.file = &lateFile{create: func() (file, error) { return s.bodies.create(w.name) }, octets: make([]byte, 0, m.Length)}
	} else if w.file, err = s.bodies.create(w.name); err != nil {
		s.release(w)
		return nil, fmt.Errorf("cache: create body: %w", err)
	}
	s.mu.Lock()
	s.writers[w] = struct{}{}
	s.mu.Unlock()
	return w, nil
}

// admissible says why the response m to req cannot be written, nil if it can.
func (s *Store) admissible(req *fetch.Request, m *fetch.Meta) error {
	if why := unstorable(req, m); why != "" {
		return fmt.Errorf("%w: %s", fetch.ErrNotStorable, why)
	}
	if limit := s.Stats().Limit; m.Length > limit {
		return fmt.Errorf("%w: %w for %d octets under a limit of %d", fetch.ErrNotStorable, ErrFull, m.Length, limit)
	}
	if id, err := urlID(m.URL); err != nil || id != m.ID {
		return fmt.Errorf("%w: id is not of the url", fetch.ErrNotStorable)
	}
	return nil
}

// newWriter returns a writer without file or room, which nobody knows.
func (s *Store) newWriter(m *fetch.Meta, n name) *writer {
	return &writer{s: s, meta: storedForm(m), name: n, version: versionOf(m), room: max(m.Length, 0), saved: time.Now()}
}

// writer is a fetch.Writer over a temporary file. All its methods may be
// called in any order and at once; what comes too late fails.
type writer struct {
	s    *Store
	meta *fetch.Meta
	name name
	file file
	// version is zero where the body could not be resumed.
	version [16]byte
	// also are further digests of a body that will wait (waiting.go).
	also []verify.Digest

	held int64 // octets reserved; guarded by Store.mu
	// invalid and forgotten: Invalidate or Remove was called for the URL
	// since Create. Guarded by Store.mu.
	invalid, forgotten bool

	mu      sync.Mutex // guards following
	room    int64      // as held
	failure error      // of a write; it fails Commit
	ended   bool       // Commit, Suspend or Abort was called
	right   []fetch.Span
	saving  bool      // a checkpoint is being made
	saved   time.Time // when the last was, or the writer was made
	unsaved bool      // right differs from what the last one has
	// lastingOctets are those of the last one.
	lastingOctets int64

	// checkpoints are the goroutines that make them; whoever ends the writer
	// waits for them. disk is held by the one that does.
	checkpoints sync.WaitGroup
	disk        sync.Mutex // guards following
	lasting     []chunk    // in the index, in order; nil for none
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
	if !errors.Is(w.end(), errEnded) {
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
	ended, failure := w.ended, w.failure
	w.ended = true
	w.mu.Unlock()
	if ended {
		return errEnded
	}
	w.checkpoints.Wait()
	return failure
}

// withdraw takes what checkpoints have left out of the index, and unlinks the
// temporary file. Its octets are given back by Release, since until then they
// take room on the disk.
func (w *writer) withdraw() {
	if w.s.enter() {
		w.s.logged(w.unsave())
		w.s.logged(w.s.bodies.removeTemp(w.name))
		w.s.leave()
	}
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
