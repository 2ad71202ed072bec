package origin

import (
	"strconv"
	"strings"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// contentRange is the value of a Content-Range field of a 206.
type contentRange struct {
	span  fetch.Span
	total int64 // -1 when it is "*"
}

// parseContentRange reads the one Content-Range field of a 206 (RFC 9110
// section 14.4). ok is false for none, for several, and for every value that
// names no range of octets.
func parseContentRange(lines []string) (r contentRange, ok bool) {
	if len(lines) != 1 {
		return r, false
	}
	unit, rest, found := strings.Cut(strings.TrimSpace(lines[0]), " ")
	if !found || !strings.EqualFold(unit, "bytes") {
		return r, false
	}
	interval, total, found := strings.Cut(strings.TrimSpace(rest), "/")
	first, last, dashed := strings.Cut(interval, "-")
	if !found || !dashed {
		return r, false
	}
	from, ok1 := parseOctets(first)
	to, ok2 := parseOctets(last)
	r = contentRange{fetch.Span{Offset: from, End: to + 1}, -1}
	if !ok1 || !ok2 || from > to {
		return contentRange{}, false
	}
	if total == "*" {
		return r, true
	}
	n, ok3 := parseOctets(total)
	if !ok3 || to >= n {
		return contentRange{}, false
	}
	r.total = n
	return r, true
}

// parseOctets reads 1*DIGIT. Values of 2^62 and more are refused, so that no
// sum of two overflows.
func parseOctets(s string) (int64, bool) {
	if !isDigits(s) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n < 1<<62
}
