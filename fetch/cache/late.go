package cache

import (
	"io"
	"io/fs"
	"os"
	"sync"
)

// lateLength is how long a body may be that has no file before it must last:
// to make one takes a disk longer than a web server nearby takes to answer, and
// the client waits for it.
const lateLength = 64 << 10

// lateFile is a body in memory until it must last. It may be used by many
// goroutines at once, but for Read and Seek. Who reads never waits for the disk
// while the file is made.
type lateFile struct {
	create func() (file, error)

	change sync.Mutex // held while octets are written or the file is made

	mu     sync.RWMutex // guards following, which change under change alone
	octets []byte       // all there is, until more is written to the file
	made   file         // nil until it is there
	closed bool
}

// file returns the file, with what was written.
func (l *lateFile) file() (file, error) {
	l.change.Lock()
	defer l.change.Unlock()
	return l.makeLocked()
}

func (l *lateFile) makeLocked() (file, error) {
	switch {
	case l.closed:
		return nil, os.ErrClosed
	case l.made != nil:
		return l.made, nil
	}
	f, err := l.create()
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteAt(l.octets, 0); err != nil {
		f.Close()
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made = f
	return f, nil
}

func (l *lateFile) WriteAt(p []byte, off int64) (int, error) {
	l.change.Lock()
	defer l.change.Unlock()
	if end := off + int64(len(p)); l.made == nil && end <= lateLength && !l.closed {
		l.mu.Lock()
		defer l.mu.Unlock()
		if missing := end - int64(len(l.octets)); missing > 0 {
			l.octets = append(l.octets, make([]byte, missing)...)
		}
		return copy(l.octets[off:], p), nil
	}
	f, err := l.makeLocked()
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	l.octets = nil
	l.mu.Unlock()
	return f.WriteAt(p, off)
}

func (l *lateFile) ReadAt(p []byte, off int64) (int, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	switch {
	case l.closed:
		return 0, os.ErrClosed
	case l.octets == nil && l.made != nil:
		return l.made.ReadAt(p, off)
	case len(p) == 0: // as a file says
		return 0, nil
	case off >= int64(len(l.octets)):
		return 0, io.EOF
	}
	n := copy(p, l.octets[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close leaves no file behind where none was made.
func (l *lateFile) Close() error {
	l.change.Lock()
	defer l.change.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return os.ErrClosed
	}
	l.closed, l.octets = true, nil
	if l.made == nil {
		return nil
	}
	return l.made.Close()
}

func (l *lateFile) Read(p []byte) (int, error) {
	f, err := l.file()
	if err != nil {
		return 0, err
	}
	return f.Read(p)
}

func (l *lateFile) Seek(offset int64, whence int) (int64, error) {
	f, err := l.file()
	if err != nil {
		return 0, err
	}
	return f.Seek(offset, whence)
}

func (l *lateFile) Stat() (fs.FileInfo, error) {
	f, err := l.file()
	if err != nil {
		return nil, err
	}
	return f.Stat()
}

func (l *lateFile) Sync() error {
	f, err := l.file()
	if err != nil {
		return err
	}
	return f.Sync()
}

func (l *lateFile) Truncate(size int64) error {
	f, err := l.file()
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.octets = nil
	l.mu.Unlock()
	return f.Truncate(size)
}
