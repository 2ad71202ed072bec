package swarm

import (
	"bufio"
	"errors"
	"io"
)

// readAhead is the buffer of each stream: enough for a frame's header, while
// the bulk is read past it.
const readAhead = 4 << 10

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, readAhead) }

// frames reads frames, one at a time.
type frames struct {
	r    *bufio.Reader
	buf  []byte // of the frame that next returned last
	size int    // of that frame, or as much of it as came
}

// next returns the message of the next frame, of at most limit octets. It is
// good until the following call. The end of the stream between two frames is
// io.EOF, within one io.ErrUnexpectedEOF. No more memory is taken than octets
// have come, but for the buffer that f has already and small amounts.
func (f *frames) next(limit int) ([]byte, error) {
	f.size = 0
	n, err := f.length()
	if err != nil {
		return nil, err
	}
	if n == 0 || n > limit {
		return nil, malformed("frame of %d octets", n)
	}
	if err := f.fill(n); err != nil {
		return nil, err
	}
	return f.buf[:n], nil
}

// length reads the length of a frame: a uvarint of at most three octets in
// its shortest form.
func (f *frames) length() (int, error) {
	n := 0
	for i := 0; ; i++ {
		c, err := f.r.ReadByte()
		if err != nil {
			if i > 0 {
				err = inFrame(err)
			}
			return 0, err
		}
		n |= int(c&0x7f) << (7 * i)
		switch {
		case c < 0x80 && c == 0 && i > 0:
			return 0, malformed("length not in its shortest form")
		case c < 0x80:
			return n, nil
		case i == 2:
			return 0, malformed("length of more than 3 octets")
		}
	}
}

// fill reads n octets into f.buf. A buffer that must grow does so as octets
// come, so that a mere announcement costs nothing.
func (f *frames) fill(n int) error {
	for f.size < n {
		if f.size == cap(f.buf) {
			grown := make([]byte, min(n, max(2*f.size, readAhead)))
			copy(grown, f.buf[:f.size])
			f.buf = grown
		}
		got, err := io.ReadFull(f.r, f.buf[f.size:min(n, cap(f.buf))])
		f.size += got
		if err != nil {
			return inFrame(err)
		}
	}
	return nil
}

func inFrame(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
