package verify

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Exchange is one answer of an origin, as far as evidence is concerned.
type Exchange struct {
	// URL that was asked, Method and final Status.
	URL    *url.URL
	Method string
	Status int
	// Header is the header section as the origin sent it, never a peer's.
	Header http.Header
	// Length of the whole selected representation (for a 206 the complete
	// length of Content-Range, for a redirect the length of what it led to);
	// negative when unknown.
	Length int64
	// Followed: the answer is a redirect that this node itself followed, and
	// Length is of what it led to. Without it a redirect states nothing.
	Followed bool
	// At is when the header section came.
	At time.Time
	// Authorized: the request carried credentials, so that the answer is for
	// whoever has them.
	Authorized bool
	// PartSize is the size of the first part of an upload in parts, as the
	// origin said of ?partNumber=1 under the same entity tag; zero when it was
	// not asked.
	PartSize int64
	// Profiles of entity tags; nil has learned none.
	Profiles *Profiles
}

// Finding is what one row of the table saw in an answer.
type Finding struct {
	Row   *Row
	Level Level
	Alg   Algorithm
}

// Survey returns what every row of the table sees in x, provable or not, the
// strongest first.
func Survey(x Exchange) []Finding {
	var out []Finding
	for _, s := range statements(x) {
		out = append(out, Finding{s.row, s.level, s.alg})
	}
	slices.SortStableFunc(out, func(a, b Finding) int { return int(b.Level) - int(a.Level) })
	return out
}

// Read returns all that x states of the digest of the representation, the
// strongest first, and what its URL pins. It is empty when the length is
// unknown: no digest without a length. Statements of one algorithm that
// contradict each other are all dropped, also where one of them alone would
// prove nothing.
func Read(x Exchange) []Evidence {
	a, subject, err := subjectOf(x.URL)
	if err != nil || x.Length < 0 {
		return nil
	}
	var found []Evidence
	for _, s := range agreed(statements(x)) {
		if d, err := NewDigest(s.alg, s.sum, x.Length); err == nil {
			found = append(found, Evidence{
				kind: s.kind, level: s.level, digest: d, authority: a, subject: subject, at: x.At, source: s.row.Source,
			})
		}
	}
	return found
}

// statements asks every row that looks at answers.
func statements(x Exchange) []statement {
	if x.URL == nil {
		return nil
	}
	e := newExchange(x)
	var out []statement
	for _, row := range table {
		var said []statement
		switch {
		case row.Where == InFields:
			said = row.fields(e)
		case row.Where == InURL && (e.get || e.head || e.part) && e.plain && !x.Authorized:
			said = row.url(x.URL)
		}
		for _, s := range said {
			s.row, s.kind = row, row.kind
			out = append(out, s)
		}
	}
	return out
}

// agreed returns the strongest provable statement for each algorithm, the
// strongest first and of equals the preferred algorithm, and none for an
// algorithm of which two statements differ.
func agreed(all []statement) []statement {
	var out []statement
	for _, alg := range preferred {
		of := slices.DeleteFunc(slices.Clone(all), func(s statement) bool { return s.alg != alg })
		if len(of) == 0 || slices.ContainsFunc(of, func(s statement) bool { return !bytes.Equal(s.sum, of[0].sum) }) {
			continue
		}
		best := slices.MaxFunc(of, func(a, b statement) int { return int(a.level) - int(b.level) })
		if best.provable() {
			out = append(out, best)
		}
	}
	slices.SortStableFunc(out, func(a, b statement) int { return int(b.level) - int(a.level) })
	return out
}
