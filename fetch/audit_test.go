package fetch_test

import (
	"fmt"
	"testing"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// TestAudit: a node finds out who lies by a piece of which members say different
// things, and else by one of whoever says too much.
func TestAudit(t *testing.T) {
	const n, slack = 64, 10
	w := fetch.NewWords[string](n)
	allowance := func(string) int { return slack }
	audit := func(when string, may func(i int) bool) {
		t.Helper()
		r := w.Audit(allowance, 7)
		switch {
		case may == nil && !r.Empty():
			t.Errorf("%s: audits %v", when, r)
		case may != nil && (r.End != r.First+1 || !may(r.First)):
			t.Errorf("%s: audits %v", when, r)
		}
	}
	audit("nobody said anything", nil)
	for i := range slack {
		w.Say("honest", i, hashNo(truth))
	}
	audit("a fair share", nil)
	for i := range n {
		w.Say("liar", i, hashNo(truth))
	}
	w.Met("liar")
	audit("the first who has much", func(int) bool { return true })
	w.Took(20, hashNo(truth), true)
	audit("it told the truth of that", nil)
	for i := range n / 2 {
		w.Say("another", i, hashNo(truth))
	}
	w.Met("another")
	audit("one that had much when it was met, after one was proved", nil)
	for i := n / 2; i < n/2+slack+1; i++ {
		w.Say("another", i, hashNo(truth))
	}
	audit("and has more than is likely since", func(i int) bool { return i < n/2+slack+1 })
	w.Took(n/2, hashNo(truth), true)
	for i := n/2 + slack + 1; i < n/2+slack+1+(n/2+slack+1)/2; i++ {
		w.Say("another", i, hashNo(truth))
	}
	audit("one that was proved says half as much again", nil)
	for i := n/2 + slack + 1 + (n/2+slack+1)/2; i < n; i++ {
		w.Say("another", i, hashNo(truth))
	}
	w.Say("liar's friend", 3, hashNo(lie))
	w.Say("liar's friend", 20, hashNo(truth))
	audit("a dispute", func(i int) bool { return i == 3 })
	w.Took(3, hashNo(truth), true)
	if !w.Fallen("liar's friend") || w.Fallen("honest") {
		t.Error("the dispute is not settled")
	}
}

// TestFalseWordsGuessed: a node that knows nothing itself takes the word of the
// team against that of others, and among the team that of those who contradict
// fewest.
func TestFalseWordsGuessed(t *testing.T) {
	const n = 32
	for _, c := range []struct {
		name                  string
		honest, team, outside int // members; the liars of the team, and others
		right, wrong          bool
	}{
		{"liars outside the team", 2, 0, 20, true, false},
		{"two of the team", 4, 2, 5, true, false},
		{"the majority of the team", 2, 4, 0, false, true},
		{"half of it", 3, 3, 0, false, false},
		{"one against one", 1, 1, 0, false, false},
	} {
		w := fetch.NewWords[string](n)
		for i := range n {
			w.Say(fmt.Sprint("honest", i%c.honest), i, hashNo(truth))
			for k := range c.team {
				w.Say(fmt.Sprint("liar", k), i, hashNo(lie))
			}
			for k := range c.outside {
				w.Say(fmt.Sprint("outsider", k), i, hashNo(lie))
			}
		}
		for range 2 { // a guess rests on nothing but what was said
			w.Guess(func(a string) bool { return a[0] != 'o' })
		}
		right, wrong := w.Stands(5, hashNo(truth)), w.Stands(5, hashNo(lie))
		if c.team == 0 || c.team != c.honest {
			if right != c.right || wrong != c.wrong {
				t.Errorf("%s: the truth stands %v, the lie %v", c.name, right, wrong)
			}
		}
		w.Took(0, hashNo(truth), true)
		w.Guess(func(a string) bool { return a[0] != 'o' })
		if !w.Stands(5, hashNo(truth)) || w.Stands(5, hashNo(lie)) {
			t.Errorf("%s: with one piece known the truth stands %v, the lie %v", c.name, w.Stands(5, hashNo(truth)), w.Stands(5, hashNo(lie)))
		}
	}
}

// TestTheTeamAudits: only who is in the team, as far as is known of the crowd, and
// only so often.
func TestTheTeamAudits(t *testing.T) {
	var ranks []uint64
	for i := range 20 {
		ranks = append(ranks, uint64(10*i+10))
	}
	first, last := fetch.TeamOf(5, ranks, 0), fetch.TeamOf(100, ranks, 9)
	if !first.MayAudit(0, 128) || first.MayAudit(16, 128) || !first.MayAudit(0, 3) || last.MayAudit(0, 128) {
		t.Error("audits are not bounded")
	}
	if fetch.TeamOf(5, nil, 8).MayAudit(0, 128) {
		t.Error("a member audits that has not met those before it")
	}
	if !first.Has(70) || first.Has(80) {
		t.Error("not eight make the team")
	}
	if few, many := first.Allowance(40, false), first.Allowance(40, true); few >= many || first.Allowance(0, true) != few {
		t.Errorf("%d and %d pieces are believed", few, many)
	}
}
