package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/flashcrowd/flashcrowd/dht"
)

// errIndex: the index cannot be read. It never leaves the package.
var errIndex = errors.New("cache: index cannot be read")

// OpenWith opens the index in the folder index, and the store over it, as Open
// does with cfg.DB. An index that is damaged is replaced by an empty one, and
// made again from what lies beside the bodies; what is taken in like that must
// be validated before it is used. Whatever else used the index finds it empty
// then. Whoever calls OpenWith closes the store and then the index.
func OpenWith(cfg Config, index string, o *pebble.Options) (*Store, *pebble.DB, error) {
	files := cfg.FS
	if files == nil {
		files = vfs.Default
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s, db, err := openWith(cfg, index, o, log)
	if err == nil || !damaged(err) {
		return s, db, err
	}
	log.Warn("index lost", "err", err)
	if err := files.RemoveAll(index); err != nil {
		return nil, nil, fmt.Errorf("cache: remove damaged index: %w", err)
	}
	return openWith(cfg, index, o, log)
}

func openWith(cfg Config, index string, o *pebble.Options, log *slog.Logger) (*Store, *pebble.DB, error) {
	options := *o
	options.FS = cfg.FS
	if cfg.FS == nil {
		options.FS = reserved(index+".reserve", log)
	}
	listener := pebble.EventListener{}
	if o.EventListener != nil {
		listener = *o.EventListener
	}
	if listener.DataCorruption == nil { // pebble's own ends the process
		listener.DataCorruption = func(info pebble.DataCorruptionInfo) {
			log.Warn("index damaged", "path", info.Path, "err", info.Details)
		}
	}
	options.EventListener = &listener
	db, err := pebble.Open(index, &options)
	if err != nil {
		return nil, nil, fmt.Errorf("cache: open index: %w: %w", errIndex, err)
	}
	cfg.DB = db
	s, err := Open(cfg)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	if cfg.FS == nil {
		s.logged(makeReserve(index + ".reserve"))
	}
	return s, db, nil
}

// damaged reports whether err, of the index, says that it is not what it was,
// rather than that it cannot be read now: then the operating system says so.
func damaged(err error) bool {
	var no syscall.Errno
	switch {
	case !errors.Is(err, errIndex):
		return false
	case errors.Is(err, fs.ErrNotExist), pebble.IsCorruptionError(err):
		return true
	}
	return !errors.As(err, &no)
}

// formKey is there once the index has all that the bodies say of themselves.
// Without it the index is new, or was lost.
var formKey = []byte("fc/v")

// form is the value under formKey.
const form = 1

// complete reports whether the index is no new one.
func (s *Store) complete() (bool, error) {
	_, closer, err := s.cfg.DB.Get(formKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%w: %w", errIndex, err)
	}
	return true, closer.Close()
}

// renewal writes what the bodies say of themselves into a new index, a batch at
// a time.
type renewal struct {
	s     *Store
	batch *pebble.Batch
	count int
}

// renewalBatch is how many octets are written at once.
const renewalBatch = 1 << 20

// take makes an entry of a body that the index does not know, nil where nothing
// is beside it that makes sense.
func (r *renewal) take(f found) (*entry, error) {
	if r.batch == nil {
		r.batch = r.s.cfg.DB.NewBatch()
	}
	e := r.s.takeIn(r.batch, f)
	if e != nil {
		r.count++
	}
	if r.batch.Len() < renewalBatch {
		return e, nil
	}
	return e, r.flush()
}

func (r *renewal) flush() error {
	err := r.batch.Commit(pebble.NoSync)
	r.batch.Close()
	r.batch = nil
	return err
}

// end writes the rest. It lasts once the form key does.
func (r *renewal) end() error {
	if r.count > 0 {
		r.s.log.Warn("index made again", "objects", r.count)
	}
	if r.batch == nil {
		return nil
	}
	return r.flush()
}

// takeIn is take but for when it is written.
func (s *Store) takeIn(b *pebble.Batch, f found) *entry {
	raw, err := s.bodies.readBeside(f.name)
	if err != nil {
		return nil
	}
	r, side, err := decodeBeside(raw)
	if err != nil || r.digest.Length() != f.size {
		return nil
	}
	id, err := urlID(r.meta.URL)
	if waits(r.meta) {
		id = dht.DigestID(r.digest.Multihash())
	}
	if err != nil || id != r.meta.ID || id == (dht.ID{}) {
		return nil
	}
	value, err := r.encode()
	if err != nil {
		return nil
	}
	b.Set(recordKey(r.meta.ID, f.name), value, nil)
	if len(side) > 0 {
		b.Set(sideKey(f.name), side, nil)
	}
	return newEntry(f.name, r, len(value), int64(len(raw)))
}
