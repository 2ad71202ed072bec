package fetch

// A node that took none of the pieces of which members say different things does
// not know who lies, and if each of a large crowd took one to find out, that would
// be a copy. So it looks at who contradicts whom. Honest members never contradict
// each other. It is the team that takes from the origin, so who is not of the team
// and contradicts one that is has no standing; and of those that are left, whoever
// contradicts more than any of those whom he contradicts. That is a guess, unlike
// what Words knows: it is made anew whenever there is more to go by, and should
// liars be in the majority, the whole shows it.

// oppose notes whom author contradicts by what it says of piece i.
func (w *Words[A]) oppose(author A, i int, hash [32]byte) {
	for k := range w.said[i] {
		if w.said[i][k].hash == hash {
			continue
		}
		for _, other := range w.said[i][k].authors {
			w.opposes(author, other)
			w.opposes(other, author)
		}
	}
}

func (w *Words[A]) opposes(a, b A) {
	if w.against[a] == nil {
		w.against[a] = make(map[A]bool)
	}
	w.against[a][b] = true
}

// Guess guesses anew who lies. Both who says what and who is in the team may have
// changed.
func (w *Words[A]) Guess(inTeam func(A) bool) {
	if len(w.against) == 0 {
		return
	}
	suspects := make(map[A]bool)
	for _, a := range w.authors {
		if w.fallen[a] || inTeam(a) {
			continue
		}
		for b := range w.against[a] {
			if !w.fallen[b] && inTeam(b) {
				suspects[a] = true
			}
		}
	}
	for w.guessMore(suspects) {
	}
	for _, a := range w.authors {
		switch {
		case suspects[a] && !w.suspects[a]:
			w.suspects[a] = true
			w.recount(a, -1)
		case !suspects[a] && w.suspects[a]:
			delete(w.suspects, a)
			w.recount(a, +1)
		}
	}
}

// guessMore adds those to suspects who contradict more than any of those whom they
// contradict. It reports whether there were any.
func (w *Words[A]) guessMore(suspects map[A]bool) bool {
	degree := make(map[A]int)
	out := func(a A) bool { return w.fallen[a] || suspects[a] }
	for _, a := range w.authors {
		for b := range w.against[a] {
			if !out(a) && !out(b) {
				degree[a]++
			}
		}
	}
	var worst []A
	for a, d := range degree {
		most := true
		for b := range w.against[a] {
			most = most && (out(b) || degree[b] < d)
		}
		if most {
			worst = append(worst, a)
		}
	}
	for _, a := range worst {
		suspects[a] = true
	}
	return len(worst) > 0
}
