package verify

import (
	"fmt"
	"net/url"
)

// Proof is evidence that was admitted for one URL. A byte of a stranger is
// right only by a Proof; Admit alone makes one. The zero Proof proves nothing.
type Proof struct {
	evidence Evidence
	target   string
}

// Admit is AdmitFor a body of which nothing is known but its URL.
func Admit(policy Policy, target *url.URL, found []Evidence) (Proof, error) {
	return AdmitFor(policy, Case{URL: target}, found)
}

// AdmitFor returns the proof for the body of c: the strongest of found that
// speaks for it, if policy admits it; of equally strong evidence the latest,
// then the first. It fails with a *RefusedError, which is ErrNoEvidence, when
// there is none, or when what was stated last contradicts itself. Weaker
// evidence never stands in for stronger evidence that the policy refuses.
func AdmitFor(policy Policy, c Case, found []Evidence) (Proof, error) {
	_, subject, err := subjectOf(c.URL)
	if err != nil {
		return Proof{}, fmt.Errorf("%w: %w", ErrNoEvidence, err)
	}
	var best *Evidence
	var counts []*Evidence
	for i := range found {
		e := &found[i]
		if !e.speaksFor(c) || e.digest.IsZero() || overruled(*e, c, found) {
			continue
		}
		counts = append(counts, e)
		if best == nil || e.outranks(best) {
			best = e
		}
	}
	if best == nil {
		return Proof{}, ErrNoEvidence
	}
	for _, e := range counts {
		if !best.outranks(e) && e.contradicts(best) {
			return Proof{}, &RefusedError{*best, fmt.Sprintf("two %s digests at once", best.level)}
		}
	}
	if why := policy.refuses(*best, c); why != "" {
		return Proof{}, &RefusedError{*best, why}
	}
	return Proof{evidence: *best, target: subject}, nil
}

// overruled reports whether the origin itself has said since what e cannot be
// true beside: a pin or a memory never outlives the origin's current word.
func overruled(e Evidence, c Case, found []Evidence) bool {
	own, err := AuthorityOf(c.URL)
	if err != nil || e.authority == own && e.kind != Remembered && e.kind != Pinned {
		return false
	}
	for i := range found {
		f := &found[i]
		current := f.authority == own && f.kind != Remembered && f.kind != Pinned
		if current && f.speaksFor(c) && f.at.After(e.at) && f.contradicts(&e) {
			return true
		}
	}
	return false
}

// outranks: of two statements of one strength the later is the origin's
// current one (design.md section 5).
func (e *Evidence) outranks(o *Evidence) bool {
	return e.level > o.level || e.level == o.level && e.at.After(o.at)
}

// contradicts reports whether no body can be what both say.
func (e *Evidence) contradicts(o *Evidence) bool {
	return e.digest.length != o.digest.length ||
		e.digest.alg == o.digest.alg && e.digest != o.digest
}

// Valid reports whether p is the result of a successful Admit.
func (p Proof) Valid() bool { return p.target != "" }

// Evidence returns what p rests on.
func (p Proof) Evidence() Evidence { return p.evidence }

// Digest returns the digest, bound to its length, that p proves bodies by.
func (p Proof) Digest() Digest { return p.evidence.digest }
