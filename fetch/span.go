package fetch

import (
	"cmp"
	"slices"
)

// Span is a range of octets of a body: from Offset up to, not including, End.
type Span struct{ Offset, End int64 }

// Len returns the number of octets.
func (s Span) Len() int64 { return s.End - s.Offset }

// Union returns the octets that are in any of the spans: in order, none empty,
// with gaps between. It returns nil for none, and does not change its
// arguments.
func Union(spans ...Span) []Span {
	var out []Span
	for _, s := range slices.SortedFunc(slices.Values(spans), func(a, b Span) int { return cmp.Compare(a.Offset, b.Offset) }) {
		switch last := len(out) - 1; {
		case s.Len() <= 0:
		case last >= 0 && s.Offset <= out[last].End:
			out[last].End = max(out[last].End, s.End)
		default:
			out = append(out, s)
		}
	}
	return out
}

// Missing returns the octets of want that are in none of held, which is as
// Union returns it.
func Missing(want Span, held []Span) []Span {
	var out []Span
	for _, h := range held {
		if h.End <= want.Offset {
			continue
		}
		if h.Offset >= want.End {
			break
		}
		if h.Offset > want.Offset {
			out = append(out, Span{want.Offset, h.Offset})
		}
		want.Offset = h.End
	}
	if want.Len() > 0 {
		out = append(out, want)
	}
	return out
}
