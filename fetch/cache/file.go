package cache

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// file is one open body. On the disk itself it is an *os.File, which sendfile
// takes; on any other file system octets are copied.
type file interface {
	io.ReadSeekCloser
	io.ReaderAt
	io.WriterAt
	Stat() (fs.FileInfo, error)
	Sync() error
	Truncate(size int64) error
}

var (
	_ file = (*os.File)(nil)
	_ file = (*otherFile)(nil)
)

// otherFile is a file of a file system that is not the disk itself. Unlike what
// it wraps it may be closed more than once, and while others read.
type otherFile struct {
	name string
	at   int64 // of Read, which one goroutine calls

	mu sync.RWMutex // held for reading while f is used
	f  vfs.File     // nil once closed
}

func (f *otherFile) use(do func(vfs.File) error) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.f == nil {
		return &fs.PathError{Op: "use", Path: f.name, Err: os.ErrClosed}
	}
	return do(f.f)
}

func (f *otherFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.use(func(v vfs.File) (err error) {
		n, err = v.ReadAt(p, off)
		return err
	})
	return n, err
}

func (f *otherFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.use(func(v vfs.File) (err error) {
		n, err = v.WriteAt(p, off)
		return err
	})
	return n, err
}

func (f *otherFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.at)
	f.at += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// Seek is as io.Seeker says.
func (f *otherFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.at
	case io.SeekEnd:
		info, err := f.Stat()
		if err != nil {
			return 0, err
		}
		offset += info.Size()
	}
	if offset < 0 {
		return 0, fmt.Errorf("cache: seek before the start: %w", os.ErrInvalid)
	}
	f.at = offset
	return offset, nil
}

func (f *otherFile) Stat() (info fs.FileInfo, err error) {
	err = f.use(func(v vfs.File) (err error) {
		info, err = v.Stat()
		return err
	})
	return info, err
}

func (f *otherFile) Sync() error { return f.use(vfs.File.Sync) }

// Truncate does nothing: what it would give back is room alone.
func (f *otherFile) Truncate(int64) error { return nil }

func (f *otherFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return os.ErrClosed
	}
	err := f.f.Close()
	f.f = nil
	return err
}
