package verify

import (
	"fmt"
	"net/url"
	"time"
)

// Evidence is one reason to believe that a digest is the origin's. Only this
// package makes evidence: from an origin's answer (Read), from a document of an
// origin (Pin), from this node's own download (Remember) or from its own disk
// (UnmarshalJSON). It is immutable.
type Evidence struct {
	kind      Kind
	level     Level
	digest    Digest
	authority Authority // who said it
	subject   string    // the URL that it is about
	at        time.Time
	source    string // row of the table, empty when there is none
}

// Kind returns where the evidence was found.
func (e Evidence) Kind() Kind { return e.kind }

// Level returns its strength.
func (e Evidence) Level() Level { return e.level }

// Digest returns what it states.
func (e Evidence) Digest() Digest { return e.digest }

// Authority returns who stated it.
func (e Evidence) Authority() Authority { return e.authority }

// At returns when it was stated.
func (e Evidence) At() time.Time { return e.at }

// Source names the row of the table by which it was found; empty for what this
// node remembers.
func (e Evidence) Source() string { return e.source }

// Field returns the value of the Flashcrowd-Evidence field.
func (e Evidence) Field() string {
	return fmt.Sprintf("%s; level=%s; alg=%s", e.kind, e.level, e.digest.alg)
}

// speaksFor reports whether e may prove bytes of the URL of c: it is about that
// URL, and was stated by the URL's own authority, by one that is paired with
// it, or by the document that c ties the request to.
func (e Evidence) speaksFor(c Case) bool {
	a, subject, err := subjectOf(c.URL)
	if err != nil || e.subject != subject {
		return false
	}
	switch {
	case a.isOf(e.authority):
		return true
	case e.kind != Pinned:
		return false
	case e.authority.scheme == "http":
		// What came unprotected is good for what comes unprotected from the
		// same host, whatever the port.
		return a.scheme == "http" && e.authority.host == a.host
	}
	return pairs[e.authority] == a || e.authority == c.Document
}

// pairs are authorities whose documents pin the files of another one, for
// everybody: one operator has both.
var pairs = map[Authority]Authority{
	{"https", "pypi.org", "443"}:        {"https", "files.pythonhosted.org", "443"},
	{"https", "index.crates.io", "443"}: {"https", "static.crates.io", "443"},
}

// Remember returns what this node may later hold against the same URL with the
// same strong validator: its own digest of a full download from the origin.
// The caller vouches that u's origin now names a body of d's length by the
// very strong validator that it had at the download, at time at.
func Remember(u *url.URL, d Digest, at time.Time) (Evidence, error) {
	a, subject, err := subjectOf(u)
	if err != nil {
		return Evidence{}, err
	}
	if d.IsZero() || !E6.may(d.alg) {
		return Evidence{}, fmt.Errorf("%w: no digest to remember", ErrMalformed)
	}
	return Evidence{kind: Remembered, level: E6, digest: d, authority: a, subject: subject, at: at}, nil
}

// Pin returns the evidence that document, which came whole from its own origin
// at time at, gives for target: value, as the document has it, by a row of the
// table that looks in documents. length is target's, as target's own origin
// says. It proves bytes of target where the two are of one authority or a
// compiled-in pair, and else only for requests that are tied to the document
// (Case.Document): otherwise any page could choose what others get from
// somebody else's URL.
func Pin(row *Row, document, target *url.URL, value string, length int64, at time.Time) (Evidence, error) {
	by, err := AuthorityOf(document)
	if err != nil {
		return Evidence{}, err
	}
	_, subject, err := subjectOf(target)
	if err != nil {
		return Evidence{}, err
	}
	if row == nil || row.Where != InDocument {
		return Evidence{}, fmt.Errorf("%w: no row of documents", ErrMalformed)
	}
	said := agreed(row.value(value))
	if len(said) == 0 {
		return Evidence{}, fmt.Errorf("%w: %s has no digest of bytes in %.80q", ErrMalformed, row.Source, value)
	}
	d, err := NewDigest(said[0].alg, said[0].sum, length)
	if err != nil {
		return Evidence{}, err
	}
	return Evidence{
		kind: Pinned, level: said[0].level, digest: d, authority: by, subject: subject, at: at, source: row.Source,
	}, nil
}
