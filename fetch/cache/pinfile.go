package cache

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/flashcrowd/flashcrowd/dht"
)

// What is pinned stands in the index, and once more in a small file beside it:
// what a user wants to keep must not be lost with an index, which is made again
// from the bodies. The file is written first, so that it has no less than what
// Pin promised; an index that is there is right where they differ.

const (
	pinFile        = "pins"
	pinFileVersion = 1
	// maxPinFile is more than as many pins as there may be objects take.
	maxPinFile = 64 << 20
)

func (s *Store) pinPath() string { return filepath.Join(s.cfg.Dir, pinFile) }

// encodePins returns the file that has these pins.
func encodePins(ids map[dht.ID]struct{}) []byte {
	e := newEncoder(pinFileVersion)
	e.number(uint64(len(ids)))
	for _, id := range slices.SortedFunc(maps.Keys(ids), func(a, b dht.ID) int { return slices.Compare(a[:], b[:]) }) {
		e.raw(id[:])
	}
	return e.seal()
}

// decodePins is the inverse of encodePins.
func decodePins(b []byte) (map[dht.ID]struct{}, error) {
	d, err := newDecoder(b, pinFileVersion)
	if err != nil {
		return nil, err
	}
	ids := make(map[dht.ID]struct{})
	for range d.int(len(d.b) / len(dht.ID{})) {
		ids[dht.ID(d.raw(len(dht.ID{})))] = struct{}{}
	}
	return ids, d.end()
}

// writePins makes the file have these pins. When it returns that lasts. The
// caller holds pinning.
func (s *Store) writePins(ids map[dht.ID]struct{}) error {
	files, path := s.cfg.FS, s.pinPath()
	next := path + ".next"
	f, err := s.bodies.createFile(next)
	if err != nil {
		return err
	}
	_, err = f.Write(encodePins(ids))
	if err == nil {
		err = syncFile(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, ignoreMissing(files.Remove(next)))
	}
	if err := files.Rename(next, path); err != nil {
		return err
	}
	return s.bodies.syncFolder(s.cfg.Dir)
}

// readPins reads the file. That there is none, or that it makes no sense, is no
// pin.
func (s *Store) readPins() (map[dht.ID]struct{}, error) {
	f, err := s.cfg.FS.Open(s.pinPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxPinFile))
	if err != nil {
		return nil, err
	}
	ids, err := decodePins(raw)
	if err != nil {
		s.log.Warn("rejected", "file", pinFile, "err", err)
		return nil, nil
	}
	return ids, nil
}

// matchPins makes index and file agree: a new index takes the pins of the file,
// and the file those of any other.
func (s *Store) matchPins(renew bool) error {
	filed, err := s.readPins()
	if err != nil {
		s.logged(err) // of the disk: the pins of the index are there
		filed = nil
	}
	pins := s.pinned()
	if !renew {
		if !maps.Equal(pins, filed) {
			s.logged(s.writePins(pins))
		}
		return nil
	}
	b := s.cfg.DB.NewBatch()
	defer b.Close()
	s.mu.Lock()
	for id := range filed {
		b.Set(pinKey(id), nil, nil)
		s.entries.pins[id] = struct{}{}
	}
	s.mu.Unlock()
	if b.Empty() {
		return nil
	}
	return b.Commit(pebble.NoSync) // it lasts once the form key does
}

// createFile makes a small file that is no body.
func (b bodies) createFile(path string) (interface {
	io.WriteCloser
	Sync() error
}, error) {
	if b.onDisk() {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
		if err != nil {
			return nil, err
		}
		return f, nil
	}
	return b.fs.Create(path, writes)
}
