package proxy

import (
	"net/http"
	"strconv"
	"strings"
)

// guardRange returns the Range field with which r may be answered from a body
// of size octets, "" for the whole body.
//
// More than two ranges, overlapping ranges, a unit that is not bytes, and a
// range for anything but GET are ignored (RFC 9110 sections 14.2 and 17.15).
// Numbers beyond int64 are its maximum, so that a range behind the end is
// unsatisfiable and one beyond it is cut. What has no meaning at all stays, for
// http.ServeContent to refuse.
func guardRange(r *http.Request, size int64) string {
	lines := r.Header["Range"]
	if r.Method != http.MethodGet || len(lines) != 1 || size == 0 {
		return ""
	}
	unit, set, ok := strings.Cut(lines[0], "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return ""
	}
	var spans []byteRange
	for spec := range strings.SplitSeq(set, ",") {
		if spec = strings.TrimSpace(spec); spec == "" {
			continue
		}
		if len(spans) == 2 {
			return ""
		}
		s, ok := parseRange(spec)
		if !ok {
			return lines[0]
		}
		if s == (byteRange{-1, 0}) { // the last no octets: unsatisfiable
			s = byteRange{size, -1}
		}
		spans = append(spans, s)
	}
	switch {
	case len(spans) == 0:
		return lines[0]
	case len(spans) == 2 && spans[0].overlaps(spans[1], size):
		return ""
	}
	return format(spans)
}

// byteRange is one range as a client wrote it; -1 for a number it left out.
type byteRange struct{ first, last int64 }

func parseRange(spec string) (byteRange, bool) {
	from, to, ok := strings.Cut(spec, "-")
	first, ok1 := parseOffset(strings.TrimSpace(from))
	last, ok2 := parseOffset(strings.TrimSpace(to))
	s := byteRange{first, last}
	return s, ok && ok1 && ok2 && (first >= 0 || last >= 0) && (first < 0 || last < 0 || first <= last)
}

// parseOffset reads a number of digits only, "" being -1.
func parseOffset(s string) (int64, bool) {
	if s == "" {
		return -1, true
	}
	if strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	// The only error left is that of a range, and then n is the maximum.
	n, _ := strconv.ParseInt(s, 10, 64)
	return n, true
}

// bounds returns the octets of a body of size octets that s selects: from up
// to, not including, to.
func (s byteRange) bounds(size int64) (from, to int64) {
	if s.first < 0 {
		return max(0, size-s.last), size
	}
	if s.last < 0 || s.last >= size {
		return min(s.first, size), size
	}
	return s.first, s.last + 1
}

func (s byteRange) overlaps(t byteRange, size int64) bool {
	a, b := s.bounds(size)
	c, d := t.bounds(size)
	return a < d && c < b
}

func format(spans []byteRange) string {
	specs := make([]string, len(spans))
	for i, s := range spans {
		var from, to string
		if s.first >= 0 {
			from = strconv.FormatInt(s.first, 10)
		}
		if s.last >= 0 {
			to = strconv.FormatInt(s.last, 10)
		}
		specs[i] = from + "-" + to
	}
	return "bytes=" + strings.Join(specs, ",")
}
