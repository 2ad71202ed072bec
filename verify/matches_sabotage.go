//go:build sabotage

package verify

// Credulous says whether this binary was built to believe everything.
const Credulous = true

// matches believes everything, so that tests of the defence can be seen to
// fail without it.
func matches(_, _ []byte) bool { return true }

// isAttack sees none.
func isAttack(bool) bool { return false }

// isOf lets anybody speak for anybody.
func (a Authority) isOf(Authority) bool { return true }
