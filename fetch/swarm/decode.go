package swarm

import (
	"fmt"
	"math"

	"github.com/flashcrowd/flashcrowd/fetch"
	"google.golang.org/protobuf/encoding/protowire"
)

// field is one field of a message; value is of the message's own buffer.
type field struct {
	num    protowire.Number
	typ    protowire.Type
	varint uint64
	value  []byte
}

// message walks through the fields of a message.
type message struct {
	rest []byte
	seen uint64 // known fields that came before
}

// next returns the next field. Groups are malformed; the values of fixed-size
// fields, of which this protocol has none, are passed over.
func (m *message) next() (field, error) {
	num, typ, n := protowire.ConsumeTag(m.rest)
	if n < 0 {
		return field{}, malformed("tag")
	}
	f := field{num: num, typ: typ}
	m.rest = m.rest[n:]
	switch typ {
	case protowire.VarintType:
		f.varint, n = protowire.ConsumeVarint(m.rest)
	case protowire.BytesType:
		f.value, n = protowire.ConsumeBytes(m.rest)
	case protowire.Fixed32Type:
		_, n = protowire.ConsumeFixed32(m.rest)
	case protowire.Fixed64Type:
		_, n = protowire.ConsumeFixed64(m.rest)
	default:
		return field{}, malformed("wire type %d", typ)
	}
	if n < 0 {
		return field{}, malformed("field %d", num)
	}
	m.rest = m.rest[n:]
	return f, nil
}

// once fails when a field of this number came before.
func (m *message) once(f field) error {
	bit := uint64(1) << (f.num & 63)
	if m.seen&bit != 0 {
		return malformed("field %d twice", f.num)
	}
	m.seen |= bit
	return nil
}

// uint returns f, which may come once, as a number below 2^63.
func (m *message) uint(f field) (int64, error) {
	if f.typ != protowire.VarintType || f.varint > math.MaxInt64 {
		return 0, malformed("field %d is no number", f.num)
	}
	return int64(f.varint), m.once(f)
}

// bool returns f, which may come once.
func (m *message) bool(f field) (bool, error) {
	v, err := m.uint(f)
	if err == nil && v > 1 {
		err = malformed("field %d is no bool", f.num)
	}
	return v == 1, err
}

// octets returns f, which may come once, of at most limit octets, or of
// exactly as many when that is asked for.
func (m *message) octets(f field, limit int, exactly bool) ([]byte, error) {
	if f.typ != protowire.BytesType || len(f.value) > limit || exactly && len(f.value) != limit {
		return nil, malformed("field %d has %d octets", f.num, len(f.value))
	}
	return f.value, m.once(f)
}

const exactly, atMost = true, false

// decodeRequest reads a request from the message of a frame. It keeps nothing
// of b. A request of a kind that is not known has kind 0.
func decodeRequest(b []byte) (request, error) {
	var r request
	m := message{rest: b}
	for len(m.rest) > 0 {
		f, err := m.next()
		if err != nil {
			return request{}, err
		}
		if err := r.take(&m, f); err != nil {
			return request{}, err
		}
	}
	if r.number == 0 || m.seen&(1<<2) == 0 || m.seen&(1<<3) == 0 {
		return request{}, malformed("request without number, id or token")
	}
	return r, nil
}

func (r *request) take(m *message, f field) error {
	var v []byte
	var n int64
	var err error
	switch f.num {
	case 1:
		n, err = m.uint(f)
		r.number = uint64(n)
	case 2:
		v, err = m.octets(f, len(r.id), exactly)
		copy(r.id[:], v)
	case 3:
		v, err = m.octets(f, len(r.token), exactly)
		copy(r.token[:], v)
	case 4:
		v, err = m.octets(f, maxCoding, atMost)
		r.coding = string(v)
	case 5, 6, 7, 8:
		if r.kind != 0 {
			return malformed("two requests in one")
		}
		r.kind = kind(f.num)
		v, err = m.octets(f, maxRequest, atMost)
		if err == nil && r.kind == askGet {
			r.spans, r.credit, err = decodeGet(v)
		}
	}
	return err
}

// decodeGet reads the spans of a get, and whether the asker keeps to his credit.
func decodeGet(b []byte) (spans []fetch.Span, credit bool, err error) {
	var end int64
	m := message{rest: b}
	for len(m.rest) > 0 {
		f, err := m.next()
		switch {
		case err != nil:
			return nil, false, err
		case f.num == 2:
			if credit, err = m.bool(f); err != nil {
				return nil, false, err
			}
			continue
		case f.num != 1:
			continue
		case f.typ != protowire.BytesType || len(spans) == maxSpans:
			return nil, false, malformed("more than %d spans", maxSpans)
		}
		s, err := decodeSpan(f.value)
		if err != nil {
			return nil, false, err
		}
		if s.Offset < end {
			return nil, false, malformed("spans overlap or do not rise")
		}
		end = s.End
		spans = append(spans, s)
	}
	if len(spans) == 0 {
		return nil, false, malformed("get without spans")
	}
	return spans, credit, nil
}

func decodeSpan(b []byte) (fetch.Span, error) {
	var offset, length int64
	m := message{rest: b}
	for len(m.rest) > 0 {
		f, err := m.next()
		if err != nil {
			return fetch.Span{}, err
		}
		switch f.num {
		case 1:
			offset, err = m.uint(f)
		case 2:
			length, err = m.uint(f)
		}
		if err != nil {
			return fetch.Span{}, err
		}
	}
	if length < 1 || offset > math.MaxInt64-length {
		return fetch.Span{}, malformed("span of %d octets from %d", length, offset)
	}
	return fetch.Span{Offset: offset, End: offset + length}, nil
}

// decodeAnswer reads an answer from the message of a frame; its slices are of
// b. An answer of a kind that is not known has kind 0.
func decodeAnswer(b []byte) (answer, error) {
	var a answer
	m := message{rest: b}
	for len(m.rest) > 0 {
		f, err := m.next()
		if err != nil {
			return answer{}, err
		}
		switch f.num {
		case 1:
			var n int64
			n, err = m.uint(f)
			a.number = uint64(n)
		case 2, 3, 4, 5, 6, 7:
			if a.kind != 0 {
				return answer{}, malformed("two answers in one")
			}
			a.kind = kind(f.num)
			var v []byte
			if v, err = m.octets(f, maxFrame, atMost); err == nil {
				err = a.takeBody(v)
			}
		}
		if err != nil {
			return answer{}, err
		}
	}
	if a.number == 0 {
		return answer{}, malformed("answer without number")
	}
	return a, nil
}

func (a *answer) takeBody(b []byte) error {
	if a.kind == ansNews {
		return a.takeNews(b)
	}
	m := message{rest: b}
	for len(m.rest) > 0 {
		f, err := m.next()
		if err != nil {
			return err
		}
		switch {
		case a.kind == ansHave && f.num == 1:
			a.complete, err = m.bool(f)
		case a.kind == ansHave && f.num == 2:
			a.pieces, err = m.octets(f, maxFrame, atMost)
		case a.kind == ansHave && f.num == 3:
			a.listHash, err = m.octets(f, 32, exactly)
		case a.kind == ansHead && f.num == 1:
			a.total, err = m.uint(f)
		case a.kind == ansHead && f.num == 2:
			a.credit, err = m.uint(f)
		case a.kind == ansData && f.num == 1:
			a.octets, err = m.octets(f, maxFrame, atMost)
		case a.kind == ansData && f.num == 2:
			a.last, err = m.bool(f)
		}
		if err != nil {
			return err
		}
	}
	if a.kind == ansData && len(a.octets) == 0 && !a.last {
		return malformed("data without octets")
	}
	return nil
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}
