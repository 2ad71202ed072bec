//go:build !sabotage

package verify

import "crypto/subtle"

// Credulous says whether this binary was built to believe everything.
const Credulous = false

// matches is the one comparison on which every proof rests.
func matches(got, want []byte) bool { return subtle.ConstantTimeCompare(got, want) == 1 }

// isAttack is asked whether the marks of a collision attack on SHA-1 or MD5 were
// seen in a body.
func isAttack(marked bool) bool { return marked }

// isOf is the one comparison on which it rests who may speak for whom.
func (a Authority) isOf(speaker Authority) bool { return a == speaker }
