package cache

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"
)

// bodies is the folder of body files:
//
//	tmp/NAME           being written, or incomplete
//	N/AM/E…            complete: one hexadecimal digit, two, and the rest
//
// 4096 folders: few enough to read all of them at start, and each holds 64
// files at the most objects that there may be.
type bodies struct{ dir string }

const (
	folderMode = 0o700
	fileMode   = 0o600
)

// openBodies makes the folder.
func openBodies(dir string) (bodies, error) {
	b := bodies{dir}
	tmp := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(tmp, folderMode); err != nil {
		return b, fmt.Errorf("make folder: %w", err)
	}
	for _, d := range []string{dir, tmp} {
		if err := os.Chmod(d, folderMode); err != nil {
			return b, fmt.Errorf("protect folder: %w", err)
		}
	}
	return b, syncFolder(dir)
}

func (b bodies) temp(n name) string { return filepath.Join(b.dir, "tmp", n.String()) }

func (b bodies) path(n name) string {
	s := n.String()
	return filepath.Join(b.dir, s[:1], s[1:3], s[3:])
}

// create makes the file in which a body is written.
func (b bodies) create(n name) (*os.File, error) {
	return os.OpenFile(b.temp(n), os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
}

// keep moves the written body, which must be synced, to where it stays. When
// it returns, the body is there also after a power cut.
func (b bodies) keep(n name) error {
	path := b.path(n)
	err := os.Rename(b.temp(n), path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := b.makeFolder(filepath.Dir(path)); err != nil {
			return err
		}
		err = os.Rename(b.temp(n), path)
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// putBack undoes keep.
func (b bodies) putBack(n name) error { return os.Rename(b.path(n), b.temp(n)) }

// makeFolder makes dir and its parent, and syncs those that name them.
func (b bodies) makeFolder(dir string) error {
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(dir)); err != nil {
		return err
	}
	return syncFolder(b.dir)
}

func (b bodies) open(n name) (*os.File, error) { return os.Open(b.path(n)) }

// reopen opens a body that was being written, to go on with it.
func (b bodies) reopen(n name) (*os.File, error) { return os.OpenFile(b.temp(n), os.O_RDWR, 0) }

// hold makes the name of a body that is being written last.
func (b bodies) hold() error { return syncFolder(filepath.Join(b.dir, "tmp")) }

// remove removes a body. That there is none is no error; whoever has it open
// can read it still.
func (b bodies) remove(n name) error { return ignoreMissing(os.Remove(b.path(n))) }

// removeTemp is remove for a body that is being written.
func (b bodies) removeTemp(n name) error { return ignoreMissing(os.Remove(b.temp(n))) }

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// found is one complete body on disk.
type found struct {
	name  name
	size  int64
	mtime time.Time
}

// all yields the bodies on disk, and stops with an error that it yields. Files
// with other names are not ours and left alone.
func (b bodies) all() iter.Seq2[found, error] {
	return func(yield func(found, error) bool) {
		err := filepath.WalkDir(b.dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			n, ok := b.nameAt(path)
			if !ok || !e.Type().IsRegular() {
				return nil
			}
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			if !yield(found{n, info.Size(), info.ModTime()}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(found{}, err)
		}
	}
}

// unfinished yields the bodies that are being written or incomplete, and stops
// with an error that it yields.
func (b bodies) unfinished() iter.Seq2[name, error] {
	return func(yield func(name, error) bool) {
		left, err := os.ReadDir(filepath.Join(b.dir, "tmp"))
		for _, e := range left {
			if n, ok := parseName(e.Name()); ok && !yield(n, nil) {
				return
			}
		}
		if err != nil {
			yield(name{}, err)
		}
	}
}

// nameAt is the inverse of path.
func (b bodies) nameAt(path string) (n name, ok bool) {
	rel, err := filepath.Rel(b.dir, path)
	if err != nil || len(rel) != 2*len(n)+2 {
		return n, false
	}
	n, ok = parseName(rel[:1] + rel[2:4] + rel[5:])
	return n, ok && b.path(n) == path
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
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
