package verify

import "math/bits"

// A block that ends a collision of chosen prefixes differs from the other in
// word 11 by a power of two. That enters at step 34, where it is met by a
// difference of Q_31, and enters again at step 61: the states between do not
// differ. Before, these attacks go the way that costs them least:
//
//   - Q_31 differs in the bit of that power and no other;
//   - so, at step 33, does Q_30, in the same direction, and then Q_29 in none;
//   - so does Q_28, at step 31, in the other direction, beside another bit;
//   - the first bit does not come into Q_27, at step 30;
//   - from there to Q_23 few bits differ.
//
// All but the last are found for all 32 powers at once.

// md5Few is how many bits may differ of Q_28 to Q_23 or of those behind, and
// md5Fewer of all down to Q_18. Of the pairs that are known 3, 4, 6, 9, 11, 14
// do at most, and 36 of all; by chance half of all bits come to differ.
var md5Few = [6]int{5, 7, 10, 14, 17, 21}

const md5Fewer = 48

// md5Prefixes reports whether w ends a collision of chosen prefixes.
func md5Prefixes(q *md5States, w *[16]uint32, next [4]uint32) bool {
	q28, q29, q30, q31 := q[31], q[32], q[33], q[34]
	h := q[36] ^ q[35] ^ q31 // of step 33
	// For the top bit there is no direction.
	single := (h^q30)&^(q31^q30)&(q28^q31)&^q29 | 1<<31
	for ; single != 0; single &= single - 1 {
		bit := single & -single
		if !md5Sparse(q, w, bit) {
			continue
		}
		other := *w
		if q31&bit != 0 {
			other[11] += bit
		} else {
			other[11] -= bit
		}
		if md5Ends([4]uint32{q[35], q[36], q[37], q[38]}, 35, &other) == next {
			return true
		}
	}
	return false
}

// md5Sparse reports whether few bits differ of Q_28 to Q_23, and down to Q_18,
// if bit does of Q_31 and Q_30, and none of Q_29.
func md5Sparse(q *md5States, w *[16]uint32, bit uint32) bool {
	s31, s30, s29 := q[34]^bit, q[33]^bit, q[32]
	s28 := md5BackG(q[35], s31, s30, s29, w[12]+0x8d2a4c8a, 20)
	n := bits.OnesCount32(s28 ^ q[31])
	if n > md5Few[0] {
		return false
	}
	s27 := md5BackG(s31, s30, s29, s28, w[7]+0x676f02d9, 14)
	n += bits.OnesCount32(s27 ^ q[30])
	if n > md5Few[1] {
		return false
	}
	s26 := md5BackG(s30, s29, s28, s27, w[2]+0xfcefa3f8, 9)
	n += bits.OnesCount32(s26 ^ q[29])
	if n > md5Few[2] {
		return false
	}
	s25 := md5BackG(s29, s28, s27, s26, w[13]+0xa9e3e905, 5)
	n += bits.OnesCount32(s25 ^ q[28])
	if n > md5Few[3] {
		return false
	}
	s24 := md5BackG(s28, s27, s26, s25, w[8]+0x455a14ed, 20)
	n += bits.OnesCount32(s24 ^ q[27])
	if n > md5Few[4] {
		return false
	}
	s23 := md5BackG(s27, s26, s25, s24, w[3]+0xf4d50d87, 14)
	n += bits.OnesCount32(s23 ^ q[26])
	if n > md5Few[5] {
		return false
	}
	s := [4]uint32{s23, s24, s25, s26}
	for i := 25; i >= 21; i-- {
		s = md5Back(i, s, w)
		n += bits.OnesCount32(s[0] ^ q[i])
	}
	return n <= md5Fewer
}

// md5BackG undoes a step of the second round: it returns the oldest state from
// the four after it, the newest first, and what the step added.
func md5BackG(to, x, y, z, add uint32, shift int) uint32 {
	return bits.RotateLeft32(to-x, -shift) - (y ^ (z & (x ^ y))) - add
}
