package verify

import (
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Kind is where evidence was found, by the names of the Flashcrowd-Evidence
// field.
type Kind string

// The kinds that are read today.
const (
	ReprDigest    Kind = "repr-digest"
	ContentDigest Kind = "content-digest"
	LegacyDigest  Kind = "digest"
	Remembered    Kind = "remembered"
)

// Level is the strength of evidence, E0 (nothing) to E8 (pinned out of band).
type Level int

// The levels that are read today.
const (
	E6 Level = 6 // this node's own digest of an earlier full download, same strong validator
	E7 Level = 7 // SHA-2 stated by the origin now
)

// String returns "E0" to "E8".
func (l Level) String() string { return fmt.Sprintf("E%d", int(l)) }

// Evidence is one reason to believe that a digest is the origin's. Only this
// package makes evidence: from an origin's answer (Read), from this node's own
// download (Remember) or from its own disk (UnmarshalJSON). It is immutable.
type Evidence struct {
	kind      Kind
	level     Level
	digest    Digest
	authority Authority // who said it
	subject   string    // the URL that it is about
	at        time.Time
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

// Field returns the value of the Flashcrowd-Evidence field.
func (e Evidence) Field() string {
	return fmt.Sprintf("%s; level=%s; alg=%s", e.kind, e.level, e.digest.alg)
}

// speaksFor reports whether e may prove bytes of u: it is about u and was
// stated by u's own authority.
func (e Evidence) speaksFor(u *url.URL) bool {
	a, subject, err := subjectOf(u)
	return err == nil && e.authority == a && e.subject == subject
}

// Exchange is one answer of an origin, as far as evidence is concerned.
type Exchange struct {
	// URL that was asked, Method and final Status.
	URL    *url.URL
	Method string
	Status int
	// Header is the header section as the origin sent it, never a peer's.
	Header http.Header
	// Length of the whole selected representation (for a 206 the complete
	// length of Content-Range); negative when unknown.
	Length int64
	// At is when the header section came.
	At time.Time
}

// Read returns all that x states of the digest of the representation, the
// strongest first. It is empty when the length is unknown: no digest without a
// length. Statements that contradict each other are both dropped.
func Read(x Exchange) []Evidence {
	a, subject, err := subjectOf(x.URL)
	if err != nil || x.Length < 0 {
		return nil
	}
	var found []Evidence
	for _, s := range agreed(statements(x)) {
		if d, err := NewDigest(s.alg, s.sum, x.Length); err == nil {
			found = append(found, Evidence{s.kind, E7, d, a, subject, x.At})
		}
	}
	return found
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
	if d.IsZero() {
		return Evidence{}, fmt.Errorf("%w: no digest to remember", ErrMalformed)
	}
	return Evidence{Remembered, E6, d, a, subject, at}, nil
}
