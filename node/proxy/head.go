package proxy

import (
	"bytes"
	"net/url"
	"strconv"

	"golang.org/x/net/http/httpguts"
)

// maxHead is for request line and fields, with their ends (design.md section
// 12).
const maxHead = 64 << 10

// head is a request without its body, as the strict reader understood it. What
// goes on to net/http is written anew from it, so that nobody behind reads
// anything else into it.
type head struct {
	method, target []byte
	minor          byte // HTTP/1.minor
	fields         []field
	// length of the body; -1 when it is chunked.
	length int64
}

type field struct{ name, value []byte }

// parseHead reads lines: a request line and the fields after it, each without
// its CRLF. The error is a refusal.
func parseHead(lines [][]byte, h *head) error {
	h.fields, h.length = h.fields[:0], 0
	if err := h.requestLine(lines[0]); err != nil {
		return err
	}
	for _, line := range lines[1:] {
		f, err := parseField(line)
		if err != nil {
			return err
		}
		h.fields = append(h.fields, f)
	}
	if err := h.checkHost(); err != nil {
		return err
	}
	if err := h.checkExpect(); err != nil {
		return err
	}
	return h.frame()
}

// requestLine reads RFC 9112 section 3, with one space where it asks for one.
func (h *head) requestLine(line []byte) error {
	method, rest, ok1 := bytes.Cut(line, []byte{' '})
	target, version, ok2 := bytes.Cut(rest, []byte{' '})
	switch {
	case !ok1 || !ok2 || !isToken(method) || len(method) > maxMethod:
		return badRequest("request line")
	case len(target) == 0 || !isVisible(target):
		return badRequest("request target")
	}
	if string(version) != "HTTP/1.1" && string(version) != "HTTP/1.0" {
		if len(version) == 8 && bytes.HasPrefix(version, []byte("HTTP/1.")) && version[7] >= '2' && version[7] <= '9' {
			version = []byte("HTTP/1.1") // what a recipient of 1.1 takes it for (RFC 9110 section 2.5)
		} else {
			return badRequest("protocol version")
		}
	}
	if string(method) != "CONNECT" {
		if _, err := url.ParseRequestURI(string(target)); err != nil {
			return badRequest("request target: %v", reason(err))
		}
	}
	h.method, h.target, h.minor = method, target, version[7]
	return nil
}

// parseField reads a field line (RFC 9112 section 5) and neither repairs it
// nor goes on from the line before.
func parseField(line []byte) (field, error) {
	name, value, ok := bytes.Cut(line, []byte{':'})
	switch {
	case line[0] == ' ' || line[0] == '\t':
		return field{}, badRequest("folded field line")
	case !ok || !isToken(name):
		return field{}, badRequest("field name")
	}
	value = bytes.Trim(value, " \t")
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return field{}, badRequest("value of field %.40s", name)
		}
	}
	return field{name, value}, nil
}

// one returns the value of a field that may stand once. Duplicate means that
// it stands more often.
func (h *head) one(name string) (value []byte, found, duplicate bool) {
	for _, f := range h.fields {
		if equalFold(f.name, name) {
			value, duplicate, found = f.value, found, true
			if duplicate {
				return value, true, true
			}
		}
	}
	return value, found, false
}

func (h *head) checkHost() error {
	host, found, twice := h.one("Host")
	switch {
	case twice, !found && h.minor == '1':
		return badRequest("exactly one Host is wanted")
	case !httpguts.ValidHostHeader(string(host)):
		return badRequest("value of field Host")
	}
	return nil
}

func (h *head) checkExpect() error {
	value, found, twice := h.one("Expect")
	if found && (twice || !equalFold(value, "100-continue")) {
		return refuse(expectation, "Expect: %.40s", value)
	}
	return nil
}

// frame finds out where the body ends (RFC 9112 section 6.3). Whatever two
// recipients may read in two ways is refused.
func (h *head) frame() error {
	coding, coded, twice := h.one("Transfer-Encoding")
	length, sized, sizes := h.one("Content-Length")
	switch {
	case coded && sized:
		return badRequest("Content-Length and Transfer-Encoding")
	case twice, coded && h.minor == '0':
		return badRequest("Transfer-Encoding")
	case sizes:
		return badRequest("Content-Length stands twice")
	case coded && equalFold(coding, "chunked"):
		h.length = -1
	case coded && isToken(coding):
		return refuse(unknownCoding, "transfer coding %.40s", coding)
	case coded:
		return badRequest("value of field Transfer-Encoding")
	case sized:
		n, err := strconv.ParseUint(string(length), 10, 63)
		if err != nil || length[0] == '+' {
			return badRequest("value of field Content-Length")
		}
		h.length = int64(n)
	}
	return nil
}

// appendTo writes h as it is meant.
func (h *head) appendTo(out []byte) []byte {
	out = append(append(out, h.method...), ' ')
	out = append(append(out, h.target...), " HTTP/1."...)
	out = append(out, h.minor, '\r', '\n')
	for _, f := range h.fields {
		out = f.appendTo(out)
	}
	return append(out, '\r', '\n')
}

func (f field) appendTo(out []byte) []byte {
	out = append(append(out, f.name...), ": "...)
	return append(append(out, f.value...), '\r', '\n')
}

func isToken(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 || !httpguts.IsTokenRune(rune(c)) {
			return false
		}
	}
	return len(b) > 0
}

func isVisible(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

func equalFold(b []byte, s string) bool { return len(b) == len(s) && bytes.EqualFold(b, []byte(s)) }
