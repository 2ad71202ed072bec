package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"slices"
	"strings"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// varyNames returns the request fields that select among the representations
// (RFC 9110 section 12.5.5), sorted and each once. star: no later request ever
// selects this response.
func varyNames(h http.Header) (names []string, star bool) {
	for _, line := range h.Values("Vary") {
		for _, e := range strings.Split(line, ",") {
			e = strings.Trim(e, " \t")
			switch {
			case e == "":
			case e == "*" || !isToken(e):
				return nil, true
			default:
				names = append(names, http.CanonicalHeaderKey(e))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), false
}

// selects reports whether the stored response m may be selected for a request
// with the fields h (RFC 9111 section 4.1).
func selects(m *fetch.Meta, h http.Header) bool {
	names, star := varyNames(m.Header)
	if star {
		return false
	}
	// Some origins code what they send and forget to say Vary (evidence.md
	// section 3.1): variants never mix all the same.
	if m.Coding() != "" && !slices.Contains(names, "Accept-Encoding") && !acceptsCoding(h, m.Coding()) {
		return false
	}
	for _, name := range names {
		if selecting(name, m.Vary, m.Coding()) != selecting(name, h, m.Coding()) {
			return false
		}
	}
	return true
}

// variantKey is the secondary key of m: equal for two responses to one URL
// when each replaces the other.
// Of the fields of the response it looks at variantFields alone.
func variantKey(m *fetch.Meta) (key [16]byte) {
	names, _ := varyNames(m.Header)
	h := sha256.New()
	for _, name := range names {
		for _, s := range []string{name, selecting(name, m.Vary, m.Coding())} {
			var n [8]byte
			binary.BigEndian.PutUint64(n[:], uint64(len(s)))
			h.Write(n[:])
			h.Write([]byte(s))
		}
	}
	return [16]byte(h.Sum(nil)[:16])
}

var variantFields = map[string]bool{"Vary": true, "Content-Encoding": true}

// nominated returns the fields of h that the Vary of a response names.
func nominated(response, h http.Header) http.Header {
	names, _ := varyNames(response)
	var out http.Header
	for _, name := range names {
		if v, ok := h[name]; ok {
			if out == nil {
				out = http.Header{}
			}
			out[name] = slices.Clone(v)
		}
	}
	return out
}

// absent is the value of a field that is not there. It only equals itself.
const absent = "\x00absent\n" // which no field value can be

// listFields are those in which white space around commas and the case of
// letters mean nothing.
var listFields = map[string]bool{"Accept-Charset": true, "Accept-Encoding": true, "Accept-Language": true}

// selecting returns the value of a selecting field, normalized as far as its
// meaning stays the same. coding is the content coding of the response.
func selecting(name string, h http.Header, coding string) string {
	lines, ok := h[name]
	if !ok {
		return absent
	}
	if !listFields[name] {
		return strings.Trim(strings.Join(lines, ", "), " \t")
	}
	var list []string
	for _, line := range lines {
		for _, e := range strings.Split(line, ",") {
			if e = strings.Trim(e, " \t"); e != "" {
				list = append(list, strings.ToLower(strings.ReplaceAll(e, " ", "")))
			}
		}
	}
	if name == "Accept-Encoding" && (coding == "" || isGzip(coding)) {
		return acceptedCoding(list)
	}
	return strings.Join(list, ",")
}

// acceptsCoding reports whether a request with the fields h takes a body in
// this coding: gzip where its Accept-Encoding comes down to that, any other
// where it is named.
func acceptsCoding(h http.Header, coding string) bool {
	const name = "Accept-Encoding"
	if isGzip(coding) {
		return selecting(name, h, coding) == "gzip"
	}
	return strings.Contains(strings.ToLower(strings.Join(h[name], ",")), strings.ToLower(coding))
}

// acceptedCoding is what Accept-Encoding comes down to on its way upstream
// (design.md section 8): gzip or identity. Only a response in one of these is
// selected by it.
func acceptedCoding(list []string) string {
	best := "identity"
	for _, e := range list {
		name, weight, _ := strings.Cut(e, ";")
		refused := strings.Trim(strings.TrimPrefix(weight, "q="), "0.") == "" && weight != ""
		if isGzip(name) && refused {
			return "identity"
		}
		if (isGzip(name) || name == "*") && !refused {
			best = "gzip"
		}
	}
	return best
}

func isGzip(coding string) bool {
	c := strings.ToLower(coding)
	return c == "gzip" || c == "x-gzip"
}
