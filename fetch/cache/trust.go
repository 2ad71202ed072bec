package cache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// trust is how much of one body this process has held against its state
// list. A body that this process wrote itself is trusted whole; one that it
// found is read with checks until each piece was seen to be right; one that
// somebody has changed since starts again.
type trust struct {
	mu   sync.Mutex // guards following
	of   stamp      // of the file, for which the rest holds
	seen fetch.Pieces
	left int // pieces not yet seen
}

// stamp tells a file from what was in its place before: it changes whenever
// somebody writes to the file, or puts another there.
type stamp struct {
	size  int64
	mtime int64 // in nanoseconds
	inode uint64
}

func stampOf(info fs.FileInfo) stamp {
	return stamp{info.Size(), info.ModTime().UnixNano(), inodeOf(info)}
}

// believe trusts the whole of a body that was just written.
func (t *trust) believe(info fs.FileInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of, t.seen, t.left = stampOf(info), nil, 0
}

// begin readies t for a body of n pieces whose file is as info says, and
// reports whether all of it is trusted already.
func (t *trust) begin(info fs.FileInfo, n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if of := stampOf(info); t.of != of {
		t.of, t.seen, t.left = of, fetch.NewPieces(n), n
	}
	return t.left == 0
}

func (t *trust) has(piece int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left == 0 || t.seen.Has(piece)
}

func (t *trust) add(piece int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left > 0 && !t.seen.Has(piece) {
		t.seen.Add(piece)
		t.left--
	}
}

// body is a complete body, open for reading.
type body interface {
	io.ReadSeekCloser
	io.ReaderAt
}

var (
	_ body = (*plainBody)(nil)
	_ body = (*checkedBody)(nil)
)

// checkedBody reads a body of which not all pieces are trusted yet: before the
// first octet of a piece leaves, the whole piece is held against the states
// around it.
// ReadAt may be called at once from many goroutines; Read and Seek not.
type checkedBody struct {
	file   file
	layout verify.Layout
	list   *verify.StateList
	trust  *trust
	// reject is called when a piece is wrong or cannot be read. It is set
	// before anybody else gets the body.
	reject func(error)
	held   *held

	at int64 // of Read
}

// MayBeRotten is as fetch.Stored says.
func (*checkedBody) MayBeRotten() {}

// Read reads on from where the last Read ended.
func (b *checkedBody) Read(p []byte) (int, error) {
	n, err := b.ReadAt(p, b.at)
	b.at += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// Seek is as io.Seeker says.
func (b *checkedBody) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.layout.Length
	}
	if offset < 0 {
		return 0, fmt.Errorf("cache: seek before the start: %w", os.ErrInvalid)
	}
	b.at = offset
	return offset, nil
}

// ReadAt is as io.ReaderAt says. A piece that is not what it was fails it with
// ErrDamaged, and the octets before the piece are read.
func (b *checkedBody) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("cache: read before the start: %w", os.ErrInvalid)
	}
	done := 0
	for done < len(p) && off < b.layout.Length {
		i := b.layout.PieceAt(off)
		want := min(b.layout.Offset(i+1)-off, int64(len(p)-done))
		n, err := b.readPiece(p[done:done+int(want)], off, i)
		done += n
		off += int64(n)
		if err != nil {
			return done, err
		}
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// readPiece fills p, which lies in piece i, from off.
func (b *checkedBody) readPiece(p []byte, off int64, i int) (int, error) {
	if b.trust.has(i) {
		n, err := b.file.ReadAt(p, off)
		if n == len(p) {
			return n, nil
		}
		return n, b.rejected(i, err)
	}
	if int64(len(p)) == b.layout.Size(i) {
		if err := b.check(p, i); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	buf := pieceBuffer(b.layout)
	defer pieces.Put(buf)
	piece := (*buf)[:b.layout.Size(i)]
	if err := b.check(piece, i); err != nil {
		return 0, err
	}
	return copy(p, piece[off-b.layout.Offset(i):]), nil
}

// pieces are buffers for one piece, which checks share.
var pieces sync.Pool

// pieceBuffer returns a buffer that holds any piece of l. It goes back to
// pieces.
func pieceBuffer(l verify.Layout) *[]byte {
	if buf, ok := pieces.Get().(*[]byte); ok && int64(len(*buf)) >= l.PieceSize {
		return buf
	}
	buf := make([]byte, l.PieceSize)
	return &buf
}

// check reads piece i whole and holds it against the states around it.
func (b *checkedBody) check(piece []byte, i int) error {
	n, err := b.file.ReadAt(piece, b.layout.Offset(i))
	if n == len(piece) && b.list.Intact(i, piece) {
		b.trust.add(i)
		return nil
	}
	clear(piece)
	return b.rejected(i, err)
}

// rejected returns why piece i cannot be had, and rejects the body unless it
// was only closed. cause is the error of reading, nil or io.EOF for octets that
// are wrong or missing.
func (b *checkedBody) rejected(i int, cause error) error {
	if errors.Is(cause, os.ErrClosed) {
		return cause
	}
	err := fmt.Errorf("%w: piece %d", ErrDamaged, i)
	if cause != nil && cause != io.EOF {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	b.reject(err)
	return err
}

// checkAll holds all pieces against their states.
func (b *checkedBody) checkAll() error {
	buf := pieceBuffer(b.layout)
	defer pieces.Put(buf)
	for i := range b.layout.Pieces() {
		if b.trust.has(i) {
			continue
		}
		if err := b.check((*buf)[:b.layout.Size(i)], i); err != nil {
			return err
		}
	}
	return nil
}

// Close ends reading.
func (b *checkedBody) Close() error { return b.held.close(b.file) }
