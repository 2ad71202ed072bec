package verify

import (
	"math"
	"math/bits"
)

// What is here finds blocks that end a collision attack on MD5, by one body of
// the pair alone (Stevens, Counter-Cryptanalysis, CRYPTO 2013). An attack goes
// by a difference between the blocks of its two bodies, and a difference
// between their states; if both are known, the other body's block follows from
// this one's, and with it the chaining value that it must have begun with. When
// the two end in one chaining value, then this is such a block: by chance no
// block is, as 128 bits agree. So no body is rejected but one of a pair.
//
// To reckon the other block costs as much as MD5 itself. What every known
// attack leaves in the states that are here anyway tells in a few nanoseconds
// that nearly all blocks are none of its own:
//
//   - Most go through the last round by a difference of the top bit alone. Each
//     step that such a difference passes is one condition on top bits: on 16
//     bits together, or some fewer (attack, md5Path).
//   - Chosen prefixes (Stevens, Lenstra, de Weger, 2007) go through steps 35 to
//     61 without any difference; those before 34 they leave by the cheapest
//     way, whose conditions are found for all 32 bits at once (md5Prefixes).
//
// Attacks that nobody has published are not found.

// md5Attack is a difference of message words by which a block can collide.
type md5Attack struct {
	words []md5Word
	// top: at step 47 the states differ in their top bits, else in nothing.
	top bool
}

// md5Word is a word that differs by a power of two; of two bodies the one has
// it more, and the other less.
type md5Word struct{ index, bit int }

// md5Attacks are the differences of known attacks that go by top bits.
var md5Attacks = []md5Attack{
	{[]md5Word{{4, 31}, {11, 15}, {14, 31}}, true}, // Wang, Yu 2004; Klima; fastcoll; Flame
	{[]md5Word{{2, 8}}, false},                     // UniColl of hashclash, as for most file formats
	{[]md5Word{{0, 31}, {6, 31}, {13, 27}}, true},  // UniColl, N=2
	{[]md5Word{{6, 8}, {9, 31}, {15, 31}}, true},   // UniColl, N=3
	{nil, true},                           // den Boer, Bosselaers 1993: APOP, Textcoll
	{[]md5Word{{8, 25}, {13, 31}}, true},  // Stevens 2012, one block
	{[]md5Word{{5, 10}, {10, 31}}, false}, // Xie, Feng 2010, one block
	// By the analysis of Xie, Liu, Feng 2013; no pair is known.
	{[]md5Word{{4, 20}, {7, 31}, {13, 31}}, true},
	{[]md5Word{{2, 8}, {14, 31}}, false},
	{[]md5Word{{5, 10}, {11, 21}}, false},
	{[]md5Word{{5, 10}, {11, 31}}, false},
	{[]md5Word{{5, 10}}, false},
	{[]md5Word{{14, 16}}, false},
	{[]md5Word{{8, 31}}, true},
	{[]md5Word{{8, 31}, {11, 21}}, true},
	{[]md5Word{{5, 31}, {8, 31}}, true},
	{[]md5Word{{5, 31}, {11, 31}}, true},
	{[]md5Word{{4, 31}}, true},
	{[]md5Word{{5, 31}}, true},
	{[]md5Word{{14, 31}}, true},
	{[]md5Word{{11, 21}}, true},
	{[]md5Word{{4, 20}}, true},
	{[]md5Word{{6, 8}}, true},
	{[]md5Word{{9, 27}}, true},
}

// delta returns w as the other body has it, by the word that differs more (sign
// 1) or less (sign -1).
func (a md5Attack) delta(w *[16]uint32, sign uint32) *[16]uint32 {
	other := *w
	for _, d := range a.words {
		other[d.index] += sign << d.bit
	}
	return &other
}

// md5Marked reports whether the block w, whose states are q and behind which
// the chaining value is next, ends a known collision attack.
func md5Marked(q *md5States, w *[16]uint32, next [4]uint32) bool {
	for left := md5Paths.of(q); left != 0; left &= left - 1 {
		a := md5Attacks[bits.TrailingZeros64(left)]
		top := [4]uint32{q[47], q[48], q[49], q[50]}
		if a.top {
			for i := range top {
				top[i] ^= 1 << 31
			}
		}
		for _, sign := range [...]uint32{1, 1<<32 - 1} {
			if md5Ends(top, 47, a.delta(w, sign)) == next {
				return true
			}
		}
	}
	return md5Prefixes(q, w, next)
}

// md5Ends returns the chaining value behind the block w if its states Q_t-3 to
// Q_t are state.
func md5Ends(state [4]uint32, t int, w *[16]uint32) [4]uint32 {
	at, front := state, state
	for i := t; i < 64; i++ {
		at = [4]uint32{at[1], at[2], at[3], at[3] + bits.RotateLeft32(md5Add(i, at[3], at[2], at[1], w)+at[0], md5Shift(i))}
	}
	for i := t - 1; i >= 0; i-- {
		front = md5Back(i, front, w)
	}
	return [4]uint32{front[0] + at[0], front[3] + at[3], front[2] + at[2], front[1] + at[1]}
}

// md5Back undoes step i, behind which the states are s.
func md5Back(i int, s [4]uint32, w *[16]uint32) [4]uint32 {
	before := bits.RotateLeft32(s[3]-s[2], -md5Shift(i)) - md5Add(i, s[2], s[1], s[0], w)
	return [4]uint32{before, s[0], s[1], s[2]}
}

// md5Add is what step i adds to the oldest state before it rotates.
func md5Add(i int, x, y, z uint32, w *[16]uint32) uint32 {
	switch i / 16 {
	case 0:
		return (z ^ (x & (y ^ z))) + md5Constant[i] + w[md5Index(i)]
	case 1:
		return (y ^ (z & (x ^ y))) + md5Constant[i] + w[md5Index(i)]
	case 2:
		return (x ^ y ^ z) + md5Constant[i] + w[md5Index(i)]
	}
	return (y ^ (x | ^z)) + md5Constant[i] + w[md5Index(i)]
}

// md5Index is which word step i takes.
func md5Index(i int) int { return [4]int{i, 5*i + 1, 3*i + 5, 7 * i}[i/16] % 16 }

// md5Constant is the table T of RFC 1321 section 3.4.
var md5Constant = func() (t [64]uint32) {
	for i := range t {
		t[i] = uint32(math.Abs(math.Sin(float64(i+1))) * (1 << 32))
	}
	return t
}()

func md5Shift(i int) int {
	return [4][4]int{{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}}[i/16][i%4]
}
