package fetch

import (
	"bytes"
	"fmt"
	"math"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/verify"
)

// proven returns the proof for a body of zeros of n pieces, and its true list.
func proven(t *testing.T, n int) (verify.Proof, *verify.StateList, *verify.Recorder) {
	t.Helper()
	r := verify.NewRecorder(verify.SHA256, int64(n)*verify.MinPieceSize)
	if _, err := r.Write(make([]byte, n*verify.MinPieceSize)); err != nil {
		t.Fatal(err)
	}
	whole := r.Whole()
	u, err := url.Parse("https://example.com/")
	if err != nil {
		t.Fatal(err)
	}
	e, err := verify.Remember(u, whole.Digest, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	p, err := verify.Admit(verify.Balanced, u, []verify.Evidence{e})
	if err != nil {
		t.Fatal(err)
	}
	list, err := verify.ParseStateList(whole.Digest, whole.States)
	if err != nil {
		t.Fatal(err)
	}
	return p, list, r
}

// TestPlanOlderThanCamp: a plan that was made before the crowd went over to
// another list asks nobody, or an honest peer's pieces would be held against
// the list of a liar, and it would be banned.
func TestPlanOlderThanCamp(t *testing.T) {
	proof, list, _ := proven(t, 4)
	states := list.Bytes()
	states[0] ^= 1
	other, err := verify.ParseStateList(proof.Digest(), states)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := verify.NewChain(proof, other)
	if err != nil {
		t.Fatal(err)
	}
	honest, liars := &camp{list: list}, &camp{list: other}
	s := &source{camp: honest}
	s.have.Has = AllPieces(4)
	c := &crowd{sources: []*source{s}, chain: chain, active: liars, common: make(map[*camp]Pieces)}
	c.give(Order{Peer: 0, First: 0, Next: 0, End: 2}) // about these the lists differ
	c.active = honest                                 // and the chain does not follow at once
	c.give(Order{Peer: 0, First: 2, Next: 2, End: 3})
	if len(s.orders) > 0 {
		t.Error("a peer was asked under the list of others")
	}
}

// TestThirdCamp: what an honest peer may be asked for is reckoned anew when the
// list in use is another, or it would be held against the next liars' list.
func TestThirdCamp(t *testing.T) {
	proof, list, _ := proven(t, 8)
	falseAt := func(border int) *camp {
		states := list.Bytes()
		states[32*(border-1)] ^= 1
		other, err := verify.ParseStateList(proof.Digest(), states)
		if err != nil {
			t.Fatal(err)
		}
		return &camp{list: other}
	}
	m := &Meta{Length: list.Layout().Length}
	fl := &flight{body: newBody(m, proof)}
	fl.faith.Store(&faith{proof: proof})
	c := &crowd{fl: fl, common: make(map[*camp]Pieces)}
	honest := &source{camp: &camp{list: list}, have: Have{Has: AllPieces(8)}}
	for _, border := range []int{2, 6} {
		if err := c.adoptLocked(falseAt(border)); err != nil {
			t.Fatal(err)
		}
		for i := range 8 {
			if may := c.offersLocked(honest).Has(i); may != (i != border && i != border-1) {
				t.Errorf("border %d is false: piece %d may be asked for: %v", border, i, may)
			}
		}
	}
}

// TestCommonPieces: two lists say the same of a piece if they have the same
// states before and after it.
func TestCommonPieces(t *testing.T) {
	proof, list, _ := proven(t, 10)
	for _, c := range []struct {
		differ []int // borders, by the piece behind them
		want   string
	}{
		{nil, "0123456789"}, {[]int{1}, "23456789"}, {[]int{9}, "01234567"}, {[]int{5}, "01236789"}, {[]int{2, 3, 7}, "04589"},
	} {
		states := list.Bytes()
		for _, b := range c.differ {
			states[32*(b-1)+7] ^= 4
		}
		other, err := verify.ParseStateList(proof.Digest(), states)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for i := range 10 {
			if commonPieces(list, other).Has(i) {
				got += fmt.Sprint(i)
			}
		}
		if got != c.want {
			t.Errorf("borders %v differ: %s in common, want %s", c.differ, got, c.want)
		}
	}
}

// TestPieceOfAnotherCamp: what fitted the list of liars is not kept once another
// list is in use, though it was on its way.
func TestPieceOfAnotherCamp(t *testing.T) {
	proof, list, _ := proven(t, 2)
	old, err := verify.NewChain(proof, list)
	if err != nil {
		t.Fatal(err)
	}
	now, err := verify.NewChain(proof, list)
	if err != nil {
		t.Fatal(err)
	}
	fl := &flight{body: newBody(&Meta{Length: list.Layout().Length}, proof)}
	c := &crowd{fl: fl, chain: now}
	if err := c.keep(old, 1, bytes.Repeat([]byte{1}, verify.MinPieceSize), [32]byte{}, arrival{}); err != nil || fl.body.held.Count() > 0 {
		t.Errorf("%d pieces are held, %v", fl.body.held.Count(), err)
	}
}

// namedPeer is a peer that is not asked anything.
type namedPeer struct {
	Peer
	name string
}

func (p namedPeer) String() string { return p.name }

// TestWhoHasAllIsAskedOn: a member that has all is asked on until it is a source of
// its own, and none that is accused, or turns out not to have all. One that is gone
// without having all is asked no more.
func TestWhoHasAllIsAskedOn(t *testing.T) {
	c := &crowd{fl: &flight{f: &Fetcher{stats: newStats(nil)}, body: newBody(&Meta{Length: 2 * verify.MinPieceSize}, verify.Proof{})}}
	for name, x := range map[string]struct {
		last    News
		then    func(s *source)
		away    bool
		offered int
	}{
		"gone":         {News{}, func(*source) {}, true, 1},
		"has all":      {News{Complete: true}, func(*source) {}, false, 1},
		"unreachable":  {News{Complete: true}, func(s *source) { c.askedForAll(s, false, ErrBusy) }, true, 1},
		"not enlisted": {News{Complete: true}, func(s *source) { c.askedForAll(s, true, ErrChanged) }, true, 1},
		"enlisted":     {News{Complete: true}, func(s *source) { c.askedForAll(s, true, nil) }, true, 0},
		"owing":        {News{Complete: true}, func(s *source) { s.orders = []*order{{}}; c.askedForAll(s, true, nil) }, false, 0},
		"accused":      {News{Complete: true}, func(s *source) { c.accuse(s, &claimError{}) }, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c.words = NewWords[string](2)
			s := &source{peer: namedPeer{name: name}, member: &membership{claims: map[int]Claim{}, has: NewPieces(2)}}
			c.hearNews(s, News{Claims: []Claim{{Piece: 1}}})
			c.hearNews(s, x.last)
			s.member.gone = true
			x.then(s)
			if away, offered := s.away(), c.offersLocked(s).Count(); away != x.away || offered != x.offered {
				t.Errorf("away %v, %d pieces offered", away, offered)
			}
		})
	}
}

// TestOldPiecesAreNoFlow: what a member gathered before it was met, and what came
// to this node before anybody followed, is not taken for what the origin gives now,
// or leases would end while runs are under way, and others draw them again.
func TestOldPiecesAreNoFlow(t *testing.T) { synctest.Test(t, testOldPiecesAreNoFlow) }

func testOldPiecesAreNoFlow(t *testing.T) {
	c := &crowd{fl: &flight{f: &Fetcher{stats: newStats(nil)}, body: newBody(&Meta{Length: 100 * verify.MinPieceSize}, verify.Proof{})}, words: NewWords[string](100)}
	s := &source{peer: namedPeer{name: "a"}, member: &membership{claims: map[int]Claim{}, has: NewPieces(100)}}
	flow := func() int64 { return c.flow.read(time.Now()).second }
	claims := func(first, end int) (n News) {
		for i := first; i < end; i++ {
			n.Claims = append(n.Claims, Claim{Piece: i, Own: true})
		}
		return n
	}
	c.hearNews(s, News{})
	c.hearNews(s, claims(0, 50))
	c.tookFront(50, [32]byte{})
	if c.seen.Count() != 51 || flow() != 0 {
		t.Errorf("%d pieces are seen, %d octets a second flow", c.seen.Count(), flow())
	}
	s.member.met = time.Now().Add(-settling)
	c.hearNews(s, claims(51, 60))
	if flow() != 9*verify.MinPieceSize {
		t.Errorf("%d octets a second flow once the member is known", flow())
	}
}

// TestMetIsCapped: what a router yields fills no map.
func TestMetIsCapped(t *testing.T) {
	c := &crowd{met: make(map[string]bool)}
	for i := range 10 * maxMet {
		if isNew := c.noteNew(fmt.Sprint(i), uint64(2*i), 0); isNew != (i < maxMet) {
			t.Fatalf("member %d: new %v", i, isNew)
		}
	}
	if len(c.met) != maxMet || c.noteNew("0", 0, 0) {
		t.Errorf("%d members are noted", len(c.met))
	}
	for i := range 10 * maxHeard {
		c.noteNew(fmt.Sprint("ahead ", i), uint64(i), math.MaxUint64)
	}
	if len(c.met) > maxMet+MostFirst || len(c.heard) > maxHeard {
		t.Errorf("%d members are met, %d known of", len(c.met), len(c.heard))
	}
}

// TestTheTeamMeets: a node that has met as many members as it may still meets
// those that stand before it, until it knows more of them than a team is, and one
// that is of the team itself those that are of it, too.
func TestTheTeamMeets(t *testing.T) {
	c := &crowd{met: make(map[string]bool)}
	const own = 1000
	for i := range maxMet {
		c.noteNew(fmt.Sprint("behind ", i), own+1+uint64(i), own)
	}
	for i := range 2 * EnoughFirst {
		if isNew := c.noteNew(fmt.Sprint("before ", i), uint64(i), own); isNew != (i < EnoughFirst) {
			t.Errorf("member %d before this node: met %v", i, isNew)
		}
	}
	c = &crowd{met: make(map[string]bool)}
	for i := range maxMet {
		c.noteNew(fmt.Sprint("far behind ", i), own+100+uint64(i), own)
	}
	if !c.noteNew("second", own+1, own) || c.noteNew("another one far behind", own+200, own) {
		t.Error("the first in the order does not meet the second, or meets everybody")
	}
}

// TestLetGoAtTheEnd: a lead that comes to the body's end in the moment in
// which it is let go has landed the flight all the same.
func TestLetGoAtTheEnd(t *testing.T) {
	_, _, r := proven(t, 2)
	fl := &flight{f: &Fetcher{}, perSource: map[string]int64{}}
	fl.cond = sync.NewCond(&fl.mu)
	fl.body.length, fl.body.front = r.Written(), r.Written()
	c := &crowd{fl: fl, recorder: r}
	l := &lead{done: make(chan struct{})}
	close(l.done)
	c.lead = l
	c.letGo()
	c.landIfWhole()
	if !fl.landed || fl.whole == nil {
		t.Error("nobody will ever land it")
	}
}
