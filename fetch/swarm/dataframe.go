package swarm

import "google.golang.org/protobuf/encoding/protowire"

// Data frames are nearly all octets that come, so their octets are read straight to
// where they belong, once a header says that nothing else is in the frame.

// data reads the header of the next frame, if that is a data frame in answer to
// request number as this package writes them: nothing follows its octets, which
// are left to be read from r. Of any other frame, and of one that must be judged
// as a whole, nothing is read, and ok is false.
func (f *frames) data(number uint64, most int64) (octets int, last, ok bool, err error) {
	for want := 1; want <= maxDataHeader; want++ {
		if f.r.Buffered() < want {
			if _, err := f.r.Peek(want); err != nil {
				if want > 1 {
					err = inFrame(err)
				}
				return 0, false, false, err
			}
		}
		head, _ := f.r.Peek(min(f.r.Buffered(), maxDataHeader))
		size, octets, last, verdict := dataHeader(head, number)
		switch {
		case verdict == headerShort:
			want = len(head)
			continue
		case verdict == headerOther, octets == 0, int64(octets) > most, last != (int64(octets) == most):
			return 0, false, false, nil
		}
		_, err = f.r.Discard(size)
		return octets, last, true, err
	}
	return 0, false, false, nil
}

// What dataHeader makes of octets.
const (
	headerOther = iota // another frame, or one written in another way
	headerShort        // more octets are needed
	headerData
)

// dataHeader reads what appendDataHeader writes: of a data frame all that stands
// before its octets, which are the rest of the frame. It accepts nothing of which
// decodeAnswer would say anything else.
func dataHeader(b []byte, number uint64) (size, octets int, last bool, verdict int) {
	h := header{rest: b}
	frame := h.varint()
	begin := len(h.rest)
	h.tag(1<<3 | 0)
	is := h.varint()
	h.tag(byte(ansData)<<3 | 2)
	inner := h.varint()
	inside := len(h.rest)
	if len(h.rest) > 0 && h.rest[0] == 2<<3|0 {
		h.tag(2<<3 | 0)
		last = h.varint() == 1
		h.other = h.other || !last && !h.short
	}
	h.tag(1<<3 | 2)
	n := h.varint()
	switch {
	case h.other:
		return 0, 0, false, headerOther
	case h.short:
		return 0, 0, false, headerShort
	}
	fits := frame <= maxFrame && n <= frame && is == number &&
		inner == uint64(inside-len(h.rest))+n && frame == uint64(begin-len(h.rest))+n
	if !fits {
		return 0, 0, false, headerOther
	}
	return len(b) - len(h.rest), int(n), last, headerData
}

// header walks through octets that must be in one certain order.
type header struct {
	rest         []byte
	short, other bool
}

// tag passes over the octet c.
func (h *header) tag(c byte) {
	switch {
	case h.short || h.other:
	case len(h.rest) == 0:
		h.short = true
	case h.rest[0] != c:
		h.other = true
	default:
		h.rest = h.rest[1:]
	}
}

// varint returns a number in its shortest form.
func (h *header) varint() uint64 {
	if h.short || h.other {
		return 0
	}
	v, n := protowire.ConsumeVarint(h.rest)
	switch {
	case n > 0 && n == protowire.SizeVarint(v):
		h.rest = h.rest[n:]
		return v
	case n < 0 && len(h.rest) < 10 && (len(h.rest) == 0 || h.rest[len(h.rest)-1] >= 0x80):
		h.short = true
	default:
		h.other = true
	}
	return 0
}
