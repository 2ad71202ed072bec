package fetch

import "slices"

// Words are who of a crowd says that it took which piece from the origin, as
// this node heard it. What the origin sent to this node itself it knows, and
// whoever says otherwise has no word any more, in this flight. Nobody is banned
// for words: a hostile origin may send each node other octets.
//
// A word is for ever: what the origin sent once stays what it was, so who says
// of a piece first this and then that is not believed either. Make one by
// NewWords.
type Words[A comparable] struct {
	said   [][]saying[A] // of each piece
	truth  [][32]byte
	known  Pieces // of truth
	odd    Pieces // more than one hash is said of it, or one by the fallen
	fallen map[A]bool
	proved map[A]bool // by a piece that was taken once more on purpose
	second bool
	// words of each author, and how many of them are no news: it said them when
	// it was met, or before it was proved last.
	count, old map[A]int
	authors    []A  // in the order in which they were heard
	audited    bool // some author was proved, or fell
	// against: who says something different of some piece than who; suspects are
	// those of them that are not believed for it.
	against  map[A]map[A]bool
	suspects map[A]bool
}

// saying: these authors say that they took a piece with this hash from the
// origin. believed are those who have a word.
type saying[A comparable] struct {
	hash     [32]byte
	authors  []A
	believed int
}

// doubted reports whether somebody said it who is not believed.
func (s *saying[A]) doubted() bool { return s.believed < len(s.authors) }

// NewWords returns the words on a body of so many pieces, of which there are
// none yet.
func NewWords[A comparable](pieces int) *Words[A] {
	return &Words[A]{
		said: make([][]saying[A], pieces), truth: make([][32]byte, pieces), known: NewPieces(pieces), odd: NewPieces(pieces),
		fallen: make(map[A]bool), proved: make(map[A]bool), count: make(map[A]int), old: make(map[A]int),
		against: make(map[A]map[A]bool), suspects: make(map[A]bool),
	}
}

// Say takes in that author says of piece i that the origin sent it with this
// hash. fell: that is not so, and nothing of what author said counts any more.
func (w *Words[A]) Say(author A, i int, hash [32]byte) (fell bool) {
	if i < 0 || i >= len(w.said) {
		return false
	}
	believed := w.believes(author)
	if before := w.of(author, i); before != nil {
		if before.hash == hash || w.fallen[author] {
			return false
		}
		w.fall(author)
		return true
	}
	s := w.saying(i, hash)
	if w.second && believed && s.believed > 0 {
		w.proved[author] = true
		for _, other := range s.authors {
			w.proved[other] = true
		}
	}
	s.authors = append(s.authors, author)
	if w.count[author]++; w.count[author] == 1 {
		w.authors = append(w.authors, author)
	}
	w.oppose(author, i, hash)
	if believed {
		s.believed++
	} else {
		w.odd.Add(i) // others may hand it on, who do not know yet
	}
	if w.known.Has(i) && w.truth[i] != hash && !w.fallen[author] {
		w.fall(author)
		return true
	}
	return false
}

// believes reports whether the word of author counts.
func (w *Words[A]) believes(author A) bool { return !w.fallen[author] && !w.suspects[author] }

// of returns what author said of piece i, nil for nothing.
func (w *Words[A]) of(author A, i int) *saying[A] {
	for k := range w.said[i] {
		if slices.Contains(w.said[i][k].authors, author) {
			return &w.said[i][k]
		}
	}
	return nil
}

// saying returns that of piece i with this hash, which may be new.
func (w *Words[A]) saying(i int, hash [32]byte) *saying[A] {
	if s := w.find(i, hash); s != nil {
		return s
	}
	w.said[i] = append(w.said[i], saying[A]{hash: hash})
	if len(w.said[i]) > 1 {
		w.odd.Add(i)
	}
	return &w.said[i][len(w.said[i])-1]
}

// find returns the saying of piece i with this hash, nil if nobody says that.
func (w *Words[A]) find(i int, hash [32]byte) *saying[A] {
	for k := range w.said[i] {
		if w.said[i][k].hash == hash {
			return &w.said[i][k]
		}
	}
	return nil
}

// Took takes in that the origin sent piece i with this hash to this node
// itself, and returns who has no word any more. chosen: the node chose the piece
// when others had said theirs of it, and it tells of their honesty.
func (w *Words[A]) Took(i int, hash [32]byte, chosen bool) (fell []A) {
	w.truth[i] = hash
	w.known.Add(i)
	for _, s := range w.said[i] {
		for _, author := range s.authors {
			switch {
			case w.fallen[author]:
			case s.hash != hash:
				fell = append(fell, author)
			case chosen:
				w.proved[author], w.audited = true, true
				w.old[author] = w.count[author]
			}
		}
	}
	for _, author := range fell {
		w.fall(author)
	}
	return fell
}

func (w *Words[A]) fall(author A) {
	if !w.suspects[author] {
		w.recount(author, -1)
	}
	delete(w.suspects, author)
	w.fallen[author], w.audited = true, true
}

// recount adds by to the count of all that author says.
func (w *Words[A]) recount(author A, by int) {
	for i := range w.said {
		if s := w.of(author, i); s != nil {
			s.believed += by
			w.odd.Add(i)
		}
	}
}

// Count returns how many members say that they took piece i with this hash.
func (w *Words[A]) Count(i int, hash [32]byte) int {
	if s := w.find(i, hash); s != nil {
		return s.believed
	}
	return 0
}

// weigh returns how many words there are for a hash of piece i, and how many for
// another at most.
func (w *Words[A]) weigh(i int, hash [32]byte) (words, others int) {
	words = 1 // of somebody that this node has not met, as whoever offers it was told
	for k := range w.said[i] {
		s := &w.said[i][k]
		switch {
		case s.hash != hash:
			others = max(others, s.believed)
		case s.believed > 0 || s.doubted():
			words = s.believed
		}
	}
	return words, others
}

// Stands reports whether piece i may be taken from others under this hash: it
// is what the origin sent, as far as is known, or more say so than say
// otherwise.
func (w *Words[A]) Stands(i int, hash [32]byte) bool {
	switch {
	case !w.odd.Has(i):
		return true
	case w.known.Has(i):
		return w.truth[i] == hash
	}
	words, others := w.weigh(i, hash)
	return words > others
}

// Fails reports whether piece i, that is here, cannot be right as it is: more
// say otherwise, or only those said so who have no word any more.
func (w *Words[A]) Fails(i int, hash [32]byte) bool {
	switch {
	case !w.odd.Has(i):
		return false
	case w.known.Has(i):
		return w.truth[i] != hash
	}
	words, others := w.weigh(i, hash)
	return words < others || words == 0
}

// Filter takes out of offers, which are by claims, what does not stand.
func (w *Words[A]) Filter(offers Pieces, claim func(i int) [32]byte) {
	w.odd.each(offers, len(w.said), func(i int) {
		if !w.Stands(i, claim(i)) {
			offers.Remove(i)
		}
	})
}

// Author returns whose word piece i with this hash is, giver if there is no
// other.
func (w *Words[A]) Author(i int, hash [32]byte, giver A) A {
	if s := w.find(i, hash); s != nil {
		for _, author := range s.authors {
			if w.believes(author) {
				return author
			}
		}
	}
	return giver
}

// Fallen reports whether author has no word any more.
func (w *Words[A]) Fallen(author A) bool { return w.fallen[author] }

// BeginSecondRound notes that the whole is not what the origin says it is: some
// word is false that nobody contradicted. From here on a second word for the
// same proves the first.
func (w *Words[A]) BeginSecondRound() { w.second = true }

// Unsaid returns giver, who has no word any more, if it handed on a false piece
// of which nobody says that the origin sent it.
func (w *Words[A]) Unsaid(i int, hash [32]byte, giver A) []A {
	if w.find(i, hash) != nil || w.fallen[giver] {
		return nil
	}
	w.fall(giver)
	return []A{giver}
}

// Matters reports whether what author says of piece i is news, although others
// seemed to have the piece: they, or all, are in doubt.
func (w *Words[A]) Matters(author A, i int) bool {
	return (w.second || w.odd.Has(i)) && w.believes(author)
}
