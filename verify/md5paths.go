package verify

// A difference of top bits passes the last round of MD5 where, in each step, the
// function of that round and the addends differ in an even number of top bits:
// then their sum, which is rotated, does not differ at all. Whether the function
// I(x, y, z) = y ^ (x | ^z) differs hangs on x and z, so that each step is a
// condition on the top bit of x, of z, or on whether both have the same.

// md5Path is the conditions of one attack: for the top bits of Q_46 to Q_63 (bit
// t-46), and of the exclusive or of Q_t and Q_t-2 for t from 48 to 63 (bit t-48),
// which count and what they are.
type md5Path struct{ own, ownIs, pair, pairIs uint32 }

// md5PathSet finds the attacks whose conditions hold, as the bits of a word, by
// nine bits of each at a time.
type md5PathSet struct{ own, pair [2][1 << 9]uint64 }

var md5Paths = func() *md5PathSet {
	s := &md5PathSet{}
	for n, a := range md5Attacks {
		p := a.path()
		for half := range 2 {
			for v := range uint32(1 << 9) {
				bits := v << (9 * half)
				mask := uint32(1<<9-1) << (9 * half)
				if (bits^p.ownIs)&p.own&mask == 0 {
					s.own[half][v] |= 1 << n
				}
				if (bits^p.pairIs)&p.pair&mask == 0 {
					s.pair[half][v] |= 1 << n
				}
			}
		}
	}
	return s
}()

// of returns the attacks whose conditions the states q fulfil.
func (s *md5PathSet) of(q *md5States) uint64 {
	own := uint32(0)
	for t := 63; t >= 46; t-- {
		own = own<<1 | q[t+3]>>31
	}
	pair := (own ^ own>>2) & (1<<16 - 1)
	return s.own[0][own&(1<<9-1)] & s.own[1][own>>9] & s.pair[0][pair&(1<<9-1)] & s.pair[1][pair>>9]
}

// path returns the conditions of a, from step 47 up to the first step that a
// difference of another bit enters.
func (a md5Attack) path() (p md5Path) {
	differs := map[int]bool{}
	for t := 44; t <= 47; t++ {
		differs[t] = a.top
	}
	for t := 47; t < 64; t++ {
		top, turned := false, false
		for _, w := range a.words {
			if w.index != md5Index(t) {
				continue
			}
			top, turned = w.bit == 31, w.bit+md5Shift(t) == 31
			if !top && !turned {
				return p
			}
		}
		if t >= 48 && !p.add(t, differs, differs[t-3] != top) {
			return p
		}
		differs[t+1] = differs[t] != turned
	}
	return p
}

// add adds the condition that the function of step t differs, or not. It
// returns false where it does neither whatever the states: the path ends.
func (p *md5Path) add(t int, differs map[int]bool, want bool) bool {
	x, y, z := differs[t], differs[t-1], differs[t-2]
	flip := want != y // x | ^z is to differ
	own := func(t int, set bool) {
		p.own |= 1 << (t - 46)
		if set {
			p.ownIs |= 1 << (t - 46)
		}
	}
	switch {
	case x && z:
		p.pair |= 1 << (t - 48)
		if flip {
			p.pairIs |= 1 << (t - 48)
		}
	case x:
		own(t-2, flip)
	case z:
		own(t, !flip)
	default:
		return !flip
	}
	return true
}
