package origin

import (
	"net/http"
	"strings"
)

// AcceptEncoding returns the Accept-Encoding field with which a request with
// the fields h goes to an origin: "gzip" if its client takes gzip, and else
// "identity" (design.md section 8). Two requests with equal results select the
// same variant, so far as content codings go. A client that says nothing may
// not be able to decode anything.
func AcceptEncoding(h http.Header) string {
	gzip, other := unsaid, unsaid
	for member := range elements(h, "Accept-Encoding") {
		coding, params, _ := strings.Cut(member, ";")
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip": // RFC 9110 section 8.4.1.3: the same
			gzip = min(gzip, weigh(params))
		case "*":
			other = min(other, weigh(params))
		}
	}
	if gzip == accepted || gzip == unsaid && other == accepted {
		return "gzip"
	}
	return "identity"
}

type verdict int

// Two members that disagree refuse.
const (
	refused verdict = iota
	accepted
	unsaid
)

// weigh reads the parameters of a member: it is accepted unless its weight is
// zero or no weight at all (RFC 9110 section 12.4.2).
func weigh(params string) verdict {
	params = strings.TrimSpace(params)
	if params == "" {
		return accepted
	}
	name, value, _ := strings.Cut(params, "=")
	value = strings.TrimSpace(value)
	if !strings.EqualFold(strings.TrimSpace(name), "q") {
		return refused
	}
	whole, fraction, dotted := strings.Cut(value, ".")
	if whole != "0" && whole != "1" || dotted && fraction != "" && (len(fraction) > 3 || !isDigits(fraction)) {
		return refused
	}
	zeros := strings.Trim(fraction, "0") == ""
	if whole == "1" && !zeros || whole == "0" && zeros {
		return refused
	}
	return accepted
}
