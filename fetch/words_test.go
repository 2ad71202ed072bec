package fetch_test

import (
	"slices"
	"testing"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// hashNo is a hash, another one for each n.
func hashNo(n byte) (h [32]byte) {
	h[0] = n
	return h
}

const truth, lie, otherLie = 1, 2, 3

// TestFalseWordFalls: who says of a piece what this node knows to be otherwise
// has no word any more, whichever came first.
func TestFalseWordFalls(t *testing.T) {
	for _, first := range []bool{true, false} {
		w := fetch.NewWords[string](8)
		var fell []string
		if first {
			fell = w.Took(3, hashNo(truth), false)
		}
		for _, author := range []string{"liar", "its friend"} {
			if w.Say(author, 3, hashNo(lie)) {
				fell = append(fell, author)
			}
		}
		w.Say("honest", 3, hashNo(truth))
		w.Say("liar", 5, hashNo(lie))
		if !first {
			fell = w.Took(3, hashNo(truth), true)
		}
		if !slices.Equal(fell, []string{"liar", "its friend"}) || !w.Fallen("liar") || w.Fallen("honest") {
			t.Errorf("fell: %v", fell)
		}
		if !first && w.Stands(5, hashNo(lie)) {
			t.Error("another word of the liar still counts")
		}
	}
}

// TestFalseWordIsForEver: who takes a word back has none, and what was handed on
// by it is still known to be its.
func TestFalseWordIsForEver(t *testing.T) {
	w := fetch.NewWords[string](8)
	w.Say("liar", 3, hashNo(lie))
	w.Say("liar", 4, hashNo(lie))
	if w.Say("liar", 3, hashNo(lie)) {
		t.Error("fell by saying it twice")
	}
	if !w.Say("liar", 3, hashNo(truth)) {
		t.Error("took its word back")
	}
	for i := range 2 {
		if !w.Fails(3+i, hashNo(lie)) {
			t.Errorf("piece %d stands", 3+i)
		}
	}
	if fell := w.Unsaid(3, hashNo(lie), "relay"); len(fell) > 0 {
		t.Errorf("%v is blamed for what the liar said", fell)
	}
}

// TestFalseWordIsKnownAgain: what a member says that has no word any more is not
// taken from others who believe it still, until somebody else says it, too.
func TestFalseWordIsKnownAgain(t *testing.T) {
	w := fetch.NewWords[string](8)
	w.Took(0, hashNo(truth), false)
	w.Say("liar", 0, hashNo(lie))
	if w.Say("liar", 3, hashNo(lie)) {
		t.Error("fell twice")
	}
	if w.Stands(3, hashNo(lie)) || len(w.Unsaid(3, hashNo(lie), "relay")) > 0 {
		t.Error("a false piece is taken from whoever hands it on, or he is blamed")
	}
	w.Say("honest", 3, hashNo(lie))
	if !w.Stands(3, hashNo(lie)) {
		t.Error("what an honest member says as well is not taken")
	}
}

// TestFalseWordsWeighed: of what members say differently of one piece that stands
// which more say; what is contested evenly is taken from nobody.
func TestFalseWordsWeighed(t *testing.T) {
	w := fetch.NewWords[string](8)
	check := func(when string, truthStands, lieStands, truthFails, lieFails bool) {
		t.Helper()
		got := []bool{w.Stands(3, hashNo(truth)), w.Stands(3, hashNo(lie)), w.Fails(3, hashNo(truth)), w.Fails(3, hashNo(lie))}
		if !slices.Equal(got, []bool{truthStands, lieStands, truthFails, lieFails}) {
			t.Errorf("%s: %v", when, got)
		}
	}
	check("nobody said anything", true, true, false, false)
	w.Say("honest", 3, hashNo(truth))
	w.Say("liar", 3, hashNo(lie))
	check("one against one", false, false, false, false)
	w.Say("liar", 3, hashNo(lie))
	check("who says it twice", false, false, false, false)
	w.Say("another", 3, hashNo(truth))
	check("two against one", true, false, false, true)
	w.Say("friend", 3, hashNo(lie))
	w.Say("third friend", 3, hashNo(lie))
	check("two against three", false, true, true, false)
	w.Took(5, hashNo(truth), true)
	for _, liar := range []string{"liar", "friend", "third friend"} {
		w.Say(liar, 5, hashNo(otherLie))
	}
	check("when the three have no word", true, false, false, true)
	w.Took(3, hashNo(truth), true)
	check("known", true, false, false, true)
}

// doubts are those of a node that has all but its own pieces from others, as
// the origin sent them.
func doubts(pieces int, own fetch.Pieces, whole bool) fetch.Doubts[string] {
	return fetch.Doubts[string]{
		Foreign: func(i int) bool { return !own.Has(i) },
		Hash:    func(i int) [32]byte { return hashNo(truth) },
		Giver:   func(int) string { return "relay" },
		Whole:   whole,
	}
}

// TestDoubtful: in the second round comes first what is contested, one at a time, then
// one piece of each author until another bears it out, then what stands on one word.
func TestDoubtful(t *testing.T) {
	const n = 12
	w := fetch.NewWords[string](n)
	own := fetch.NewPieces(n)
	for i := range n {
		w.Say([]string{"a", "b", "c"}[i/4], i, hashNo(truth))
	}
	want := func(when string, whole bool, count int) fetch.Pieces {
		t.Helper()
		got := w.Doubtful(doubts(n, own, whole))
		if got.Count() != count {
			t.Errorf("%s: %d pieces, want %d", when, got.Count(), count)
		}
		return got
	}
	w.Say("refuter", 2, hashNo(lie))
	w.Say("refuter", 7, hashNo(lie))
	contested := want("contested", false, 1)
	if !contested.Has(2) && !contested.Has(7) {
		t.Error("another piece is contested")
	}
	own.Add(2)
	w.Took(2, hashNo(truth), true)

	w.BeginSecondRound()
	want("the body is not whole", false, 0)
	probes := want("b and c are not proved", true, 2)
	for i := range n {
		if probes.Has(i) && i < 4 {
			t.Error("a is, by the piece that settled it")
		}
	}
	w.Say("d", 5, hashNo(truth)) // which it took in the second round
	want("c is not proved", true, 1)
	own.Add(9)
	w.Took(9, hashNo(truth), true)
	want("all are: what stands on one word", true, n-3) // not 2, 5 and 9
	for i := range n {
		w.Say("e", i, hashNo(truth))
	}
	want("words alone do not help", true, n-2)
}
