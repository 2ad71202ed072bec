package cache

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// A value in the index is
//
//	version[1] | CRC-32C of what follows[4, big endian] | numbers and texts
//
// where a number is a uvarint and a text its length and then its octets.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const sealSize = 5

// maxBody is longer than any body: 1 PiB.
const maxBody = 1 << 50

type encoder struct{ b []byte }

func newEncoder(version byte) *encoder {
	e := &encoder{b: make([]byte, sealSize, 512)}
	e.b[0] = version
	return e
}

// seal returns the value. The encoder is used up.
func (e *encoder) seal() []byte {
	binary.BigEndian.PutUint32(e.b[1:], crc32.Checksum(e.b[sealSize:], castagnoli))
	return e.b
}

func (e *encoder) number(n uint64) { e.b = binary.AppendUvarint(e.b, n) }
func (e *encoder) raw(b []byte)    { e.b = append(e.b, b...) }
func (e *encoder) word(n uint64)   { e.b = binary.BigEndian.AppendUint64(e.b, n) }
func (e *encoder) text(s string)   { e.number(uint64(len(s))); e.b = append(e.b, s...) }

func (e *encoder) instant(t time.Time) {
	e.b = binary.AppendVarint(e.b, t.Unix())
	e.number(uint64(t.Nanosecond()))
}

func (e *encoder) digest(d verify.Digest) {
	e.number(uint64(d.Algorithm()))
	e.number(uint64(d.Length()))
	e.text(string(d.Sum()))
}

// fields writes a header section; the order of lines of one name is kept.
func (e *encoder) fields(h http.Header) {
	e.number(uint64(len(h)))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		e.text(name)
		e.number(uint64(len(h[name])))
		for _, v := range h[name] {
			e.text(v)
		}
	}
}

// decoder eats a value from the front. Once something does not fit, failed
// stays true and everything reads as zero. It allocates no more than a small
// multiple of the value's length.
type decoder struct {
	b      []byte
	failed bool
	// lean: of the fields of a response only those of variantFields are wanted.
	lean bool
}

func newDecoder(b []byte, version byte) (*decoder, error) {
	if len(b) < sealSize || b[0] != version {
		return nil, fmt.Errorf("%w: version", errGarbage)
	}
	if binary.BigEndian.Uint32(b[1:]) != crc32.Checksum(b[sealSize:], castagnoli) {
		return nil, fmt.Errorf("%w: checksum", errGarbage)
	}
	return &decoder{b: b[sealSize:]}, nil
}

// end reports whether the value was well formed and is eaten up.
func (d *decoder) end() error {
	if d.failed || len(d.b) != 0 {
		return fmt.Errorf("%w: form", errGarbage)
	}
	return nil
}

func (d *decoder) fail() { d.failed, d.b = true, nil }

func (d *decoder) number() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// int reads a number of at most limit.
func (d *decoder) int(limit int) int {
	v := d.number()
	if v > uint64(limit) {
		d.fail()
		return 0
	}
	return int(v)
}

// raw reads n octets. The result is valid until the value is.
func (d *decoder) raw(n int) []byte {
	if n > len(d.b) {
		d.fail()
		return make([]byte, n)
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) word() uint64 { return binary.BigEndian.Uint64(d.raw(8)) }

func (d *decoder) text() string {
	n := d.int(len(d.b))
	return string(d.raw(n))
}

func (d *decoder) instant() time.Time {
	sec, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return time.Time{}
	}
	d.b = d.b[n:]
	return time.Unix(sec, int64(d.int(1e9-1))).UTC()
}

func (d *decoder) digest() verify.Digest {
	alg, length, sum := verify.Algorithm(d.number()), d.number(), d.text()
	if length > maxBody {
		d.fail()
		return verify.Digest{}
	}
	dig, err := verify.NewDigest(alg, []byte(sum), int64(length))
	if err != nil {
		d.fail()
	}
	return dig
}

// skip reads a text and forgets it.
func (d *decoder) skip() { d.raw(d.int(len(d.b))) }

// fields reads a header section; nil for an empty one. If only is not nil it
// forgets all others.
func (d *decoder) fields(only map[string]bool) http.Header {
	n := d.int(len(d.b))
	if n == 0 {
		return nil
	}
	h := make(http.Header)
	for range n {
		name := d.raw(d.int(len(d.b)))
		lines := d.int(len(d.b))
		if d.failed {
			return nil
		}
		if only != nil && !only[string(name)] {
			for range lines {
				d.skip()
			}
			continue
		}
		values := make([]string, 0, min(lines, 8))
		for range lines {
			values = append(values, d.text())
			if d.failed {
				return nil
			}
		}
		h[string(name)] = values
	}
	return h
}
