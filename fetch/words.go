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
	said   [][]word[A]
	truth  [][32]byte
	known  Pieces // of truth
	odd    Pieces // more than one hash is said of it, or one by the fallen
	fallen map[A]bool
	proved map[A]bool // by a piece that was taken once more on purpose
	second bool
}

// word: author says that it took a piece with this hash from the origin.
type word[A comparable] struct {
	author A
	hash   [32]byte
}

// NewWords returns the words on a body of so many pieces, of which there are
// none yet.
func NewWords[A comparable](pieces int) *Words[A] {
	return &Words[A]{
		said: make([][]word[A], pieces), truth: make([][32]byte, pieces), known: NewPieces(pieces), odd: NewPieces(pieces),
		fallen: make(map[A]bool), proved: make(map[A]bool),
	}
}

// Say takes in that author says of piece i that the origin sent it with this
// hash. fell: that is not so, and nothing of what author said counts any more.
func (w *Words[A]) Say(author A, i int, hash [32]byte) (fell bool) {
	if i < 0 || i >= len(w.said) {
		return false
	}
	fallen := w.fallen[author]
	for _, x := range w.said[i] {
		switch {
		case x.author == author:
			if x.hash != hash && !fallen {
				w.fall(author)
			}
			return w.fallen[author] && !fallen
		case x.hash != hash:
			w.odd.Add(i)
		case w.second && !fallen:
			w.proved[author], w.proved[x.author] = true, true
		}
	}
	w.said[i] = append(w.said[i], word[A]{author, hash})
	if fallen {
		w.odd.Add(i) // others may hand it on, who do not know yet
		return false
	}
	if w.known.Has(i) && w.truth[i] != hash {
		w.fall(author)
		return true
	}
	return false
}

// Took takes in that the origin sent piece i with this hash to this node
// itself, and returns who has no word any more. chosen: the node chose the piece
// when others had said theirs of it, and it tells of their honesty.
func (w *Words[A]) Took(i int, hash [32]byte, chosen bool) (fell []A) {
	w.truth[i] = hash
	w.known.Add(i)
	for _, x := range w.said[i] {
		switch {
		case w.fallen[x.author]:
		case x.hash != hash:
			fell = append(fell, x.author)
		case chosen:
			w.proved[x.author] = true
		}
	}
	for _, a := range fell {
		w.fall(a)
	}
	return fell
}

func (w *Words[A]) fall(author A) {
	w.fallen[author] = true
	for i, said := range w.said {
		if slices.ContainsFunc(said, func(x word[A]) bool { return x.author == author }) {
			w.odd.Add(i)
		}
	}
}

// Count returns how many members say that they took piece i with this hash.
func (w *Words[A]) Count(i int, hash [32]byte) (n int) {
	for _, x := range w.said[i] {
		if x.hash == hash && !w.fallen[x.author] {
			n++
		}
	}
	return n
}

// weigh returns how many words there are for a hash of piece i, how many for
// another at most, and whether it was the word of one who has none any more.
func (w *Words[A]) weigh(i int, hash [32]byte) (words, others int, fallen bool) {
	for _, x := range w.said[i] {
		switch {
		case x.hash == hash && w.fallen[x.author]:
			fallen = true
		case x.hash == hash:
			words++
		case !w.fallen[x.author]:
			others = max(others, w.Count(i, x.hash))
		}
	}
	if words == 0 && !fallen {
		words = 1 // of somebody that this node has not met, as whoever offers it was told
	}
	return words, others, fallen
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
	words, others, _ := w.weigh(i, hash)
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
	words, others, _ := w.weigh(i, hash)
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
	for _, x := range w.said[i] {
		if x.hash == hash && !w.fallen[x.author] {
			return x.author
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
	if slices.ContainsFunc(w.said[i], func(x word[A]) bool { return x.hash == hash }) || w.fallen[giver] {
		return nil
	}
	w.fall(giver)
	return []A{giver}
}
