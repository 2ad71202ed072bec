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
		msg = appendBytes(msg, protowire.Number(r.kind), encodeSpans(r.spans))
	}
	return appendFrame(b, msg)
}

func encodeSpans(spans []fetch.Span) []byte {
	var b, span []byte
	for _, s := range spans {
		span = appendUint(span[:0], 1, uint64(s.Offset))
		span = appendUint(span, 2, uint64(s.Len()))
		b = appendBytes(b, 1, span)
	}
	return b
}

// appendHave appends the answer that says what h says.
func appendHave(b []byte, number uint64, h fetch.Have) []byte {
	var have []byte
	if h.Complete {
		have = appendUint(have, 1, 1)
	}
	have = appendBytes(have, 2, h.Has)
	if h.Complete {
		have = appendBytes(have, 3, h.ListHash[:])
		have = protowire.AppendTag(have, 4, protowire.BytesType)
		have = protowire.AppendVarint(have, uint64(32*len(h.Pieces)))
		for i := range h.Pieces {
			have = append(have, h.Pieces[i][:]...)
		}
	}
	return appendAnswer(b, number, ansHave, have)
}

// appendHead appends the answer that announces total octets.
func appendHead(b []byte, number uint64, total int64) []byte {
	return appendAnswer(b, number, ansHead, appendUint(nil, 1, uint64(total)))
}

// appendAnswer appends an answer of kind k with the given body, empty for gone
// and busy.
func appendAnswer(b []byte, number uint64, k kind, body []byte) []byte {
	msg := make([]byte, 0, len(body)+24)
	msg = appendUint(msg, 1, number)
	msg = appendBytes(msg, protowire.Number(k), body)
	return appendFrame(b, msg)
}

// appendDataHeader appends all of a data frame that stands before its n octets,
// at most maxDataHeader.
func appendDataHeader(b []byte, number uint64, n int, last bool) []byte {
	inner := 1 + protowire.SizeBytes(n)
	if last {
		inner += 2
	}
	outer := 1 + protowire.SizeVarint(number) + 1 + protowire.SizeBytes(inner)
	b = protowire.AppendVarint(b, uint64(outer))
	b = appendUint(b, 1, number)
	b = protowire.AppendTag(b, protowire.Number(ansData), protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(inner))
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
