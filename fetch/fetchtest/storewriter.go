package fetchtest

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// storeWriter is a body on its way into a Store.
type storeWriter struct {
	s    *Store
	meta *fetch.Meta

	mu       sync.RWMutex // guards following
	body     []byte
	ended    bool         // by Commit, Suspend or Abort
	right    []fetch.Span // of the last Checkpoint
	released bool
}

var errOver = errors.New("fetchtest: writer is over")

func (w *storeWriter) WriteAt(p []byte, off int64) (int, error) {
	if !w.s.spend(&w.s.written, w.s.WriteLimit, len(p)) {
		return 0, ErrDisk
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return 0, errOver
	}
	if grow := off + int64(len(p)) - int64(len(w.body)); grow > 0 {
		w.body = append(w.body, make([]byte, grow)...)
	}
	return copy(w.body[off:], p), nil
}

// spend takes n of a limit; it reports whether there was so much.
func (s *Store) spend(used *int64, limit int64, n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	*used += int64(n)
	return limit <= 0 || *used <= limit
}

func (w *storeWriter) ReadAt(p []byte, off int64) (int, error) {
	if !w.s.spend(&w.s.read, w.s.ReadLimit, len(p)) {
		return 0, ErrDisk
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	switch {
	case w.released:
		return 0, errOver
	case len(p) == 0:
		return 0, nil
	case off >= int64(len(w.body)):
		return 0, io.EOF
	}
	n := copy(p, w.body[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Commit implements fetch.Writer.
func (w *storeWriter) Commit(seal fetch.Seal) error {
	time.Sleep(w.s.CommitTime)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return errOver
	}
	w.ended = true
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	d := seal.Whole.Digest
	if w.s.FailCommit || d.Length() != int64(len(w.body)) || !bytes.Equal(sumOf(d.Algorithm(), w.body), d.Sum()) {
		return ErrDisk
	}
	meta := *w.meta
	meta.Length = d.Length()
	if seal.Evidence != nil {
		meta.Evidence = seal.Evidence
	}
	w.s.entries = append(w.s.entries, &entry{meta: &meta, body: w.body, seal: seal})
	w.s.supersedeLocked(&meta)
	if tag := w.meta.StrongETag(); tag != "" {
		w.s.rememberLocked(memo{w.meta.ID, tag, w.meta.Coding()}, d)
	}
	return nil
}

func sumOf(alg verify.Algorithm, body []byte) []byte {
	if alg == verify.SHA512 {
		sum := sha512.Sum512(body)
		return sum[:]
	}
	sum := sha256.Sum256(body)
	return sum[:]
}

// Abort implements fetch.Writer.
func (w *storeWriter) Abort() { w.end() }

// Release implements fetch.Writer.
func (w *storeWriter) Release() { w.end() }

func (w *storeWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.endLocked()
}

func (w *storeWriter) endLocked() {
	w.s.mu.Lock()
	delete(w.s.writers, w)
	w.s.mu.Unlock()
	w.ended, w.released = true, true
}
