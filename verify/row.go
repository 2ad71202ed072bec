package verify

import (
	"net/http"
	"net/url"
)

// Where a row of the table looks.
type Where int

// The places.
const (
	InFields   Where = iota // of an answer of the origin
	InURL                   // which names its content itself
	InDocument              // a value that a document of the origin gives for another URL
)

// Row is one line of the table of evidence: where origins state digests, by
// which pattern, under which condition, and what that is worth.
type Row struct {
	// Source names the row, unique in the table.
	Source string
	// Pattern of the field, URL or value, and Condition beside it, in words.
	Pattern, Condition string
	// Levels that the row can reach.
	Levels []Level
	// Where the row looks.
	Where Where

	kind   Kind
	fields func(x *exchange) []statement  // InFields
	url    func(u *url.URL) []statement   // InURL
	value  func(value string) []statement // InDocument
	hint   string                         // for the user, when the row is all there is
}

// Table returns all rows. The caller must not change them.
func Table() []*Row { return table }

// RowNamed returns the row with that Source, or nil.
func RowNamed(source string) *Row {
	for _, r := range table {
		if r.Source == source {
			return r
		}
	}
	return nil
}

// table is what reference/evidence.md section 8 says, line by line.
var table = concat(standardRows, storeRows, mirrorRows, registryRows, urlRows, documentRows, tagRows)

func concat(parts ...[]*Row) (all []*Row) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// statement is what one row found.
type statement struct {
	row   *Row
	kind  Kind
	level Level
	alg   Algorithm
	sum   []byte // nil agrees with nothing
}

// provable reports whether bytes may ever be held against s.
func (s statement) provable() bool { return s.level.may(s.alg) && len(s.sum) == s.alg.Size() }

// exchange is an Exchange with what several rows ask of it.
type exchange struct {
	Exchange
	get  bool // 200 to GET
	head bool // 200 to HEAD
	part bool // 206 to GET
	// moved: a redirect, whose fields speak of what it leads to.
	moved bool
	// plain: no content coding, so that a digest of the stored octets is one
	// of the body.
	plain bool
}

func newExchange(x Exchange) *exchange {
	isGet, isHead := x.Method == http.MethodGet, x.Method == http.MethodHead
	e := &exchange{Exchange: x}
	e.get = isGet && x.Status == http.StatusOK
	e.head = isHead && x.Status == http.StatusOK
	e.part = isGet && x.Status == http.StatusPartialContent
	switch x.Status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		e.moved = x.Followed && (isGet || isHead)
	}
	e.plain = true
	for _, coding := range x.Header.Values("Content-Encoding") {
		e.plain = e.plain && coding == ""
	}
	return e
}

// whole reports whether the fields are about the whole representation, in the
// form in which it is stored: a complete answer without content coding.
func (x *exchange) whole() bool { return (x.get || x.head) && x.plain }

// one returns the only value of a field; a repeated field has none.
func (x *exchange) one(name string) (string, bool) {
	v := x.Header.Values(name)
	if len(v) != 1 {
		return "", false
	}
	return v[0], true
}

func (x *exchange) has(name string) bool { return len(x.Header.Values(name)) > 0 }
