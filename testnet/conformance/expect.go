package conformance

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// unmet returns which of the expectations h does not meet, one sentence each.
func unmet(who string, h http.Header, expectations []string) []string {
	var wrong []string
	for _, e := range expectations {
		if !meets(h, e) {
			name := fieldName(e)
			wrong = append(wrong, fmt.Sprintf("%s: want %q, have %s: %q", who, e, name, h.Values(name)))
		}
	}
	return wrong
}

func fieldName(e string) string {
	name := strings.TrimPrefix(e, "!")
	return http.CanonicalHeaderKey(name[:len(name)-len(strings.TrimLeft(name, tokenChars))])
}

const tokenChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

// meets reports whether h meets one expectation (see Step.Want).
func meets(h http.Header, e string) bool {
	name := fieldName(e)
	values, there := h[name]
	joined := strings.Join(values, ", ")
	rest := strings.TrimPrefix(e, "!")[len(name):]
	switch {
	case strings.HasPrefix(e, "!"):
		return !there
	case rest == "":
		return there
	case strings.HasPrefix(rest, ":"):
		return there && joined == strings.TrimPrefix(rest[1:], " ")
	case strings.HasPrefix(rest, " ~ "):
		return strings.Contains(joined, rest[3:])
	case strings.HasPrefix(rest, " !~ "):
		return !strings.Contains(joined, rest[4:])
	case strings.HasPrefix(rest, " in "):
		low, high, ok := strings.Cut(rest[4:], "..")
		return ok && within(joined, low, high)
	}
	return false
}

func within(value, low, high string) bool {
	n, err := strconv.ParseInt(value, 10, 64)
	from, err1 := strconv.ParseInt(low, 10, 64)
	to, err2 := strconv.ParseInt(high, 10, 64)
	return err == nil && err1 == nil && err2 == nil && from <= n && n <= to
}
