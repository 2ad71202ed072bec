package swarm

import (
	"github.com/flashcrowd/flashcrowd/fetch"
	"google.golang.org/protobuf/encoding/protowire"
)

// maxDataHeader is the longest that stands before the octets of a data frame.
const maxDataHeader = 32

// appendFrame appends msg as a frame.
func appendFrame(b, msg []byte) []byte {
	b = protowire.AppendVarint(b, uint64(len(msg)))
	return append(b, msg...)
}

// appendRequest appends r as a frame.
func appendRequest(b []byte, r request) []byte {
	msg := appendUint(nil, 1, r.number)
	msg = appendBytes(msg, 2, r.id[:])
	msg = appendBytes(msg, 3, r.token[:])
	if r.coding != "" {
		msg = appendBytes(msg, 4, []byte(r.coding))
	}
	if r.kind != 0 {
		msg = appendBytes(msg, protowire.Number(r.kind), encodeAsk(r))
	}
	return appendFrame(b, msg)
}

// encodeAsk returns what stands behind the kind of r.
func encodeAsk(r request) []byte {
	var b, span []byte
	for _, s := range r.spans {
		span = appendUint(span[:0], 1, uint64(s.Offset))
		span = appendUint(span, 2, uint64(s.Len()))
		b = appendBytes(b, 1, span)
	}
	if r.credit {
		b = appendUint(b, 2, 1)
	}
	return b
}

// appendHave appends the answer that says what h says, as a frame.
func appendHave(b []byte, number uint64, h fetch.Have) []byte {
	size := 1 + protowire.SizeBytes(len(h.Has))
	if h.Complete {
		size += 2 + 1 + protowire.SizeBytes(len(h.ListHash))
	}
	b = appendAnswerHeader(b, number, ansHave, size)
	if h.Complete {
		b = appendUint(b, 1, 1)
	}
	b = appendBytes(b, 2, h.Has)
	if h.Complete {
		b = appendBytes(b, 3, h.ListHash[:])
	}
	return b
}

// encodeHead returns the body of the answer that announces total octets, and
// tells credit unless that is 0.
func encodeHead(total, credit int64) []byte {
	b := appendUint(nil, 1, uint64(total))
	if credit > 0 {
		b = appendUint(b, 2, uint64(credit))
	}
	return b
}

// appendAnswer appends an answer of kind k with the given body, which is empty
// for gone and busy, as a frame.
func appendAnswer(b []byte, number uint64, k kind, body []byte) []byte {
	return append(appendAnswerHeader(b, number, k, len(body)), body...)
}

// appendAnswerHeader appends all of an answer's frame that stands before its
// body of size octets.
func appendAnswerHeader(b []byte, number uint64, k kind, size int) []byte {
	b = protowire.AppendVarint(b, uint64(1+protowire.SizeVarint(number)+1+protowire.SizeBytes(size)))
	b = appendUint(b, 1, number)
	b = protowire.AppendTag(b, protowire.Number(k), protowire.BytesType)
	return protowire.AppendVarint(b, uint64(size))
}

// appendDataHeader appends all of a data frame that stands before its n octets,
// at most maxDataHeader.
func appendDataHeader(b []byte, number uint64, n int, last bool) []byte {
	inner := 1 + protowire.SizeBytes(n)
	if last {
		inner += 2
	}
	b = appendAnswerHeader(b, number, ansData, inner)
	if last {
		b = appendUint(b, 2, 1)
	}
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	return protowire.AppendVarint(b, uint64(n))
}

func appendUint(b []byte, num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func appendBytes(b []byte, num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}
