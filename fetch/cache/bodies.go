package cache

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// bodies is the folder of body files:
//
//	tmp/NAME           being written, or incomplete
//	N/AM/E…            complete: one hexadecimal digit, two, and the rest
//
// 4096 folders: few enough to read all of them at start, and each holds 64
// files at the most objects that there may be.
type bodies struct {
	fs  vfs.FS
	dir string
	// lasting are the folders whose own names are known to outlive a power cut.
	lasting *folders
}

// folders is a set of paths. It may be used by many goroutines at once.
type folders struct {
	mu  sync.Mutex
	set map[string]bool
}

const (
	folderMode = 0o700
	fileMode   = 0o600
)

// writes is what pebble's file systems call the purpose of a file; only their
// statistics use it.
const writes = vfs.WriteCategoryUnspecified

// openBodies makes the folder.
func openBodies(files vfs.FS, dir string) (bodies, error) {
	b := bodies{fs: files, dir: dir, lasting: &folders{set: make(map[string]bool)}}
	tmp := filepath.Join(dir, "tmp")
	if err := files.MkdirAll(tmp, folderMode); err != nil {
		return b, fmt.Errorf("make folder: %w", err)
	}
	for _, d := range []string{dir, tmp} {
		if !b.onDisk() {
			break
		}
		if err := os.Chmod(d, folderMode); err != nil {
			return b, fmt.Errorf("protect folder: %w", err)
		}
	}
	return b, errors.Join(b.syncFolder(dir), b.syncFolder(filepath.Dir(dir)))
}

// onDisk reports whether bodies are files of the operating system.
func (b bodies) onDisk() bool { return b.fs == vfs.Default }

func (b bodies) temp(n name) string { return filepath.Join(b.dir, "tmp", n.String()) }

func (b bodies) path(n name) string {
	s := n.String()
	return filepath.Join(b.dir, s[:1], s[1:3], s[3:])
}

// create makes the file in which a body is written.
func (b bodies) create(n name) (file, error) {
	if b.onDisk() {
		return plain(os.OpenFile(b.temp(n), os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode))
	}
	return b.other(b.temp(n))
}

// reopen opens a body that was being written, to go on with it.
func (b bodies) reopen(n name) (file, error) {
	if b.onDisk() {
		return plain(os.OpenFile(b.temp(n), os.O_RDWR, 0))
	}
	if _, err := b.fs.Stat(b.temp(n)); err != nil {
		return nil, err
	}
	return b.other(b.temp(n))
}

// open opens a complete body.
func (b bodies) open(n name) (file, error) {
	if b.onDisk() {
		return plain(os.Open(b.path(n)))
	}
	f, err := b.fs.Open(b.path(n))
	if err != nil {
		return nil, err
	}
	return &otherFile{name: n.String(), f: f}, nil
}

func (b bodies) other(path string) (file, error) {
	f, err := b.fs.OpenReadWrite(path, writes)
	if err != nil {
		return nil, err
	}
	return &otherFile{name: filepath.Base(path), f: f}, nil
}

// plain keeps a nil *os.File from becoming a file.
func plain(f *os.File, err error) (file, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// keep moves the written body, which must be synced, to where it stays, with
// beside beside it. When it returns, the body is there also after a power cut.
func (b bodies) keep(n name, beside []byte) error {
	path := b.path(n)
	if err := b.makeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	if err := b.writeBeside(n, beside); err != nil {
		return err
	}
	if err := b.fs.Rename(b.temp(n), path); err != nil {
		return err
	}
	return b.syncFolder(filepath.Dir(path))
}

// putBack undoes keep.
func (b bodies) putBack(n name) error { return b.fs.Rename(b.path(n), b.temp(n)) }

// makeFolder makes dir and its parent, and syncs those that name them, once in
// the life of a process: another that was killed may have made them without.
func (b bodies) makeFolder(dir string) error {
	b.lasting.mu.Lock()
	defer b.lasting.mu.Unlock()
	if b.lasting.set[dir] {
		return nil
	}
	if err := b.fs.MkdirAll(dir, folderMode); err != nil {
		return err
	}
	if err := errors.Join(b.syncFolder(filepath.Dir(dir)), b.syncFolder(b.dir)); err != nil {
		return err
	}
	b.lasting.set[dir] = true
	return nil
}

// hold makes the name of a body that is being written last.
func (b bodies) hold() error { return b.syncFolder(filepath.Join(b.dir, "tmp")) }

// remove removes a body and what lies beside it. That there is none is no error;
// whoever has it open can read it still.
func (b bodies) remove(n name) error {
	return errors.Join(b.removeBeside(n), ignoreMissing(b.fs.Remove(b.path(n))))
}

func (b bodies) removeBeside(n name) error { return ignoreMissing(b.fs.Remove(b.beside(n))) }

// removeTemp is remove for a body that is being written.
func (b bodies) removeTemp(n name) error { return ignoreMissing(b.fs.Remove(b.temp(n))) }

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// found is one complete body on disk, or the file beside one.
type found struct {
	name   name
	size   int64
	beside bool
}

// all yields the bodies on disk and the files beside them, and stops with an error that it yields. Files
// with other names are not ours and left alone.
func (b bodies) all() iter.Seq2[found, error] {
	return func(yield func(found, error) bool) {
		for leaf, err := range b.leaves() {
			var names []string
			if err == nil {
				names, err = b.fs.List(leaf.path)
			}
			if err != nil {
				yield(found{}, err)
				return
			}
			for _, rest := range names {
				body, beside := strings.CutSuffix(rest, besideSuffix)
				n, ok := parseName(leaf.digits + body)
				if !ok {
					continue
				}
				info, err := b.fs.Stat(leaf.path + string(filepath.Separator) + rest)
				switch {
				case errors.Is(err, fs.ErrNotExist):
				case err != nil:
					yield(found{}, err)
					return
				case info.Mode().IsRegular() && !yield(found{n, info.Size(), beside}, nil):
					return
				}
			}
		}
	}
}

// leaf is a folder with bodies whose names begin with digits.
type leaf struct{ path, digits string }

// leaves yields the folders with bodies, as far as they are such as this package
// makes.
func (b bodies) leaves() iter.Seq2[leaf, error] {
	return func(yield func(leaf, error) bool) {
		firsts, err := b.fs.List(b.dir)
		if err != nil {
			yield(leaf{}, err)
			return
		}
		for _, first := range firsts {
			if len(first) != 1 || !isHex(first) {
				continue
			}
			dir := filepath.Join(b.dir, first)
			seconds, err := b.fs.List(dir)
			if err != nil {
				yield(leaf{}, err)
				return
			}
			for _, second := range seconds {
				if len(second) == 2 && isHex(second) && !yield(leaf{filepath.Join(dir, second), first + second}, nil) {
					return
				}
			}
		}
	}
}

// listing is all bodies at one moment.
type listing struct {
	found []found
	err   error
}

// listed is a listing that is being made.
type listed struct {
	done chan struct{}
	listing
}

// list begins to list all bodies, which takes as long as to read the index.
// Whoever calls list calls wait.
func (b bodies) list() *listed {
	l := &listed{done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for f, err := range b.all() {
			if err != nil {
				l.err = err
				return
			}
			l.found = append(l.found, f)
		}
	}()
	return l
}

// wait returns the listing once it is there.
func (l *listed) wait() listing {
	<-l.done
	return l.listing
}

func isHex(s string) bool {
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// unfinished yields the bodies that are being written or incomplete, and stops
// with an error that it yields.
func (b bodies) unfinished() iter.Seq2[name, error] {
	return func(yield func(name, error) bool) {
		left, err := b.fs.List(filepath.Join(b.dir, "tmp"))
		for _, e := range left {
			if n, ok := parseName(e); ok && !yield(n, nil) {
				return
			}
		}
		if err != nil {
			yield(name{}, err)
		}
	}
}

// parseName is the inverse of name.String.
func parseName(s string) (n name, ok bool) {
	if len(s) != 2*len(n) {
		return n, false
	}
	_, err := hex.Decode(n[:], []byte(s))
	return n, err == nil && n.String() == s
}

// syncFolder makes the names in a folder last.
func (b bodies) syncFolder(dir string) error {
	d, err := b.fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(syncFile(d), d.Close())
}

// free returns how many octets may still be written.
func (b bodies) free() (int64, error) {
	u, err := b.fs.GetDiskUsage(b.dir)
	return int64(u.AvailBytes), err
}
