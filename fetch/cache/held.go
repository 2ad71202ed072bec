package cache

import (
	"os"
	"sync/atomic"
)

// held keeps an entry from being evicted while its file is open: what is
// evicted gives no room back before the last reader has closed it.
type held struct {
	s     *Store
	e     *entry
	ended atomic.Bool
}

// hold returns what its caller releases, by close or release.
func (s *Store) hold(e *entry) *held {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries.hold(e)
	return &held{s: s, e: e}
}

// release is called once or more, inside or outside the store, also when it is
// closed.
func (h *held) release() {
	if h.ended.Swap(true) {
		return
	}
	h.s.mu.Lock()
	h.s.entries.release(h.e)
	over := h.s.entries.over() > 0
	h.s.mu.Unlock()
	if over {
		h.s.trimIfOpen()
	}
}

// close closes the file of the body, and releases it.
func (h *held) close(f file) error {
	defer h.release()
	return f.Close()
}

// plainBody is a body that this process trusts whole.
type plainBody struct {
	file
	held *held
}

// Plain returns the file, by which the kernel can send the body; nil where that
// is not of the disk itself. Reading it moves the body, and closing the body
// closes it.
func (b *plainBody) Plain() *os.File {
	f, _ := b.file.(*os.File)
	return f
}

// Close ends reading.
func (b *plainBody) Close() error { return b.held.close(b.file) }
