package cache

import (
	"errors"
	"fmt"
	"io"
)

// Beside each body lies what the index knew of it when it was committed, so
// that an index that is lost can be made again. It is read then and never else,
// and is not synced: whoever loses index and power at once loses a few objects.

// besideSuffix ends the name of the file beside a body.
const besideSuffix = ".meta"

// besideVersion is the form of these files.
const besideVersion = 1

// encodeBeside returns the file beside a body with this record and side data.
func encodeBeside(record, side []byte) []byte {
	e := newEncoder(besideVersion)
	e.text(string(record))
	e.text(string(side))
	return e.seal()
}

// decodeBeside is the inverse of encodeBeside. The record is marked invalid:
// what has become of the response since nobody knows, and the origin is asked.
func decodeBeside(b []byte) (r *record, side []byte, err error) {
	d, err := newDecoder(b, besideVersion)
	if err != nil {
		return nil, nil, err
	}
	value, sd := d.text(), d.text()
	if err := d.end(); err != nil {
		return nil, nil, err
	}
	if r, err = decodeRecord([]byte(value)); err != nil {
		return nil, nil, err
	}
	if len(sd) != r.side {
		return nil, nil, fmt.Errorf("%w: side data of another length", errGarbage)
	}
	if _, err := decodeSide([]byte(sd), r.digest); err != nil {
		return nil, nil, err
	}
	r.invalid = true
	return r, []byte(sd), nil
}

// maxBeside is more than any file beside a body has.
const maxBeside = maxSide + 1<<20

func (b bodies) beside(n name) string { return b.path(n) + besideSuffix }

// writeBeside writes the file beside a body that is about to be kept. The
// folder must be there.
func (b bodies) writeBeside(n name, octets []byte) error {
	f, err := b.createFile(b.beside(n))
	if err != nil {
		return err
	}
	_, err = f.Write(octets)
	return errors.Join(err, f.Close())
}

// readBeside reads the file beside a body.
func (b bodies) readBeside(n name) ([]byte, error) {
	f, err := b.fs.Open(b.beside(n))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxBeside))
}
