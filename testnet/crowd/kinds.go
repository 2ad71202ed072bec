package crowd

import (
	"fmt"
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/node"
)

// DigestKind is what an origin says of its bodies.
type DigestKind string

// The kinds of digest.
const (
	ReprDigest DigestKind = "repr-digest" // SHA-256 in Repr-Digest (RFC 9530)
	ETagMD5    DigestKind = "etag-md5"    // MD5 as entity tag
	NoDigest   DigestKind = "none"        // a strong entity tag that says nothing of the octets
)

// UnmarshalText accepts the kinds above.
func (k *DigestKind) UnmarshalText(text []byte) error {
	return oneOf(k, text, ReprDigest, ETagMD5, NoDigest)
}

// LiarKind is what a liar does to the body that it says it has.
type LiarKind string

// The kinds of liar.
const (
	Flip    LiarKind = "flip"    // turns a bit in each piece, under the true state list
	Length  LiarKind = "length"  // sends pieces that are too short
	Stall   LiarKind = "stall"   // takes orders and sends nothing
	Trickle LiarKind = "trickle" // sends a few octets a second
	Claim   LiarKind = "claim"   // offers another body under a state list of its own
	Sybil   LiarKind = "sybil"   // is ten members that have nothing
)

// UnmarshalText accepts the kinds above.
func (k *LiarKind) UnmarshalText(text []byte) error {
	return oneOf(k, text, Flip, Length, Stall, Trickle, Claim, Sybil)
}

func oneOf[T ~string](to *T, text []byte, all ...T) error {
	if !slices.Contains(all, T(text)) {
		return fmt.Errorf("%q is none of %v", text, all)
	}
	*to = T(text)
	return nil
}

// Allowance is how long, or how much, an origin serves. Its text form is a
// duration ("30s", since the first arrival) or a size ("200MiB" of body
// octets). The zero value is for ever.
type Allowance struct {
	Time   time.Duration
	Octets node.Size
}

// UnmarshalText reads both forms.
func (a *Allowance) UnmarshalText(text []byte) error {
	if d, err := time.ParseDuration(string(text)); err == nil && d > 0 {
		*a = Allowance{Time: d}
		return nil
	}
	size, err := node.ParseSize(string(text))
	if err != nil || size <= 0 {
		return fmt.Errorf("%q is neither a duration such as 30s nor a size such as 200MiB", text)
	}
	*a = Allowance{Octets: size}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (a Allowance) MarshalText() ([]byte, error) {
	switch {
	case a.Time > 0:
		return []byte(a.Time.String()), nil
	case a.Octets > 0:
		return []byte(a.Octets.String()), nil
	}
	return nil, nil
}
