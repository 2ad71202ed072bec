package verify

import (
	"fmt"
	"net/url"
)

// Policy is how strong evidence must be before bytes of strangers are used.
type Policy string

// The policies of design.md section 5.
const (
	// Strict takes SHA-2 that the origin states now, over TLS.
	Strict Policy = "strict"
	// Balanced also takes remembered digests, and plain http for what it is
	// worth: going direct would be no safer.
	Balanced Policy = "balanced"
	// Open is as Balanced while no weaker evidence is read.
	Open Policy = "open"
)

// Admits reports whether bytes of strangers may be used under p on the word of
// e. The zero Policy is Balanced; an unknown one admits nothing.
func (p Policy) Admits(e Evidence) bool {
	switch p {
	case Strict:
		return e.level >= E7 && e.authority.Secure()
	case Balanced, Open, "":
		return e.level >= E6
	default:
		return false
	}
}

// Proof is evidence that was admitted for one URL. A byte of a stranger is
// right only by a Proof; Admit alone makes one. The zero Proof proves nothing.
type Proof struct {
	evidence Evidence
	target   string
}

// Admit returns the proof for target's body: the strongest of found that
// speaks for target, if policy admits it; of equally strong evidence the
// latest, then the first. It fails with ErrNoEvidence when there is none, or
// when what was stated last contradicts itself. Weaker evidence never stands
// in for stronger evidence that the policy refuses.
func Admit(policy Policy, target *url.URL, found []Evidence) (Proof, error) {
	_, subject, err := subjectOf(target)
	if err != nil {
		return Proof{}, fmt.Errorf("%w: %w", ErrNoEvidence, err)
	}
	var best *Evidence
	for i := range found {
		e := &found[i]
		if e.speaksFor(target) && !e.digest.IsZero() && (best == nil || e.outranks(best)) {
			best = e
		}
	}
	if best == nil {
		return Proof{}, ErrNoEvidence
	}
	for i := range found {
		if e := &found[i]; e.speaksFor(target) && !best.outranks(e) && e.contradicts(best) {
			return Proof{}, fmt.Errorf("%w: two %s digests at once", ErrNoEvidence, best.level)
		}
	}
	if !policy.Admits(*best) {
		return Proof{}, fmt.Errorf("%w: policy %s refuses %s %s", ErrNoEvidence, policy, best.level, best.kind)
	}
	return Proof{evidence: *best, target: subject}, nil
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
