package cache

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// reserveSize is how much of the disk is kept back for the index: a log that
// cannot be written ends the process, and some thousand changes fit in here, in
// which the store makes room.
const reserveSize = 8 << 20

// reserved returns the disk for an index, with a file at path that gives way
// when the disk is full.
func reserved(path string, log *slog.Logger) vfs.FS {
	return vfs.OnDiskFull(vfs.Default, func() {
		log.Warn("disk full", "reserve", "given up")
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("disk full", "err", err)
		}
	})
}

// makeReserve makes the file at path, unless it is there or there is little
// room. That there is none is no error.
func makeReserve(path string) error {
	if info, err := os.Stat(path); err == nil && info.Size() == reserveSize {
		return nil
	}
	if u, err := vfs.Default.GetDiskUsage(filepath.Dir(path)); err != nil || u.AvailBytes < 4*reserveSize {
		return nil
	}
	// Not Preallocate, which not every disk knows.
	err := os.WriteFile(path, make([]byte, reserveSize), fileMode)
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
