package fetch_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// randomCrowd is randomView with members that are not complete.
func randomCrowd(r *rand.Rand) fetch.View {
	v := randomView(r)
	n := v.Layout.Pieces()
	before := func() time.Duration { return time.Duration(r.Int64N(int64(v.Now) + 1)) }
	run := func() fetch.Run {
		first := r.IntN(n)
		return fetch.Run{First: first, End: min(first+r.IntN(6), n)}
	}
	v.Crowd = &fetch.Crowd{
		Rank: r.Uint64(), Since: before(), News: before(), Flow: float64(r.IntN(3)) * 1e6, Alone: float64(r.IntN(3)) * 1e6,
		Striping: r.IntN(3) > 0,
	}
	if r.IntN(3) == 0 {
		v.Crowd.Stripe, v.Crowd.Next = run(), run()
	}
	for i := range v.Peers {
		p := &v.Peers[i]
		p.Partial = r.IntN(5) > 0
		p.Rank, p.Group, p.Excused = r.Uint64(), []string{"", "a", "b"}[r.IntN(3)], r.IntN(5) == 0
		if r.IntN(4) == 0 {
			p.NotBefore = v.Now + time.Second
		}
		for range r.IntN(3) {
			p.Intents = append(p.Intents, fetch.Intent{Run: run(), Until: v.Now + time.Duration(r.IntN(4000)-2000)*time.Millisecond})
		}
	}
	return v
}

func cloneCrowd(v fetch.View) fetch.View {
	v = clone(v)
	c := *v.Crowd
	v.Crowd = &c
	return v
}

// TestNextInCrowd holds what is true of each plan in a crowd.
func TestNextInCrowd(t *testing.T) {
	for seed := range uint64(6000) {
		v := randomCrowd(newRand(seed))
		before := cloneCrowd(v)
		p := fetch.Next(v)
		if !reflect.DeepEqual(before, v) {
			t.Fatalf("seed %d: the view was changed", seed)
		}
		if again := fetch.Next(before); !reflect.DeepEqual(p, again) {
			t.Fatalf("seed %d: another plan for the same view: %s", seed, cmp.Diff(p, again))
		}
		for _, wrong := range []string{wrongTake(v, p), wrongRare(v, p)} {
			if wrong != "" {
				t.Fatalf("seed %d: %s\nview %+v\ncrowd %+v\nplan %+v", seed, wrong, v, *v.Crowd, p)
			}
		}
	}
}

// wrongTake: a run that is taken is missing, is not on its way already, and is
// one request at a time; none under back-off.
func wrongTake(v fetch.View, p fetch.Plan) string {
	for _, r := range []fetch.Run{p.Take, p.Intend} {
		for i := r.First; i < r.End; i++ {
			if v.Have.Has(i) || i >= v.Tail || v.Layout.Offset(i+1) <= v.Front {
				return fmt.Sprintf("piece %d is here", i)
			}
		}
	}
	switch {
	case p.Take.Empty():
	case !v.Crowd.Stripe.Empty():
		return "a second request at once"
	case v.Now < v.Origin.NotBefore:
		return "a request under back-off"
	case !v.Origin.Returns:
		return "a range of an origin that knows none"
	case v.Origin.Open && p.Origin != fetch.LetGo || p.Origin == fetch.Return:
		return "a stripe beside the lead"
	}
	return ""
}

// wrongRare: what is asked for is missing, the asked one offers it and has room,
// and nobody is asked twice for one piece.
func wrongRare(v fetch.View, p fetch.Plan) string {
	for i, o := range p.Orders {
		k := slices.IndexFunc(v.Peers, func(x fetch.PeerView) bool { return x.ID == o.Peer })
		x := v.Peers[k]
		if slices.Contains(p.Leave, o.Peer) || v.Now < x.NotBefore || overlaps(x.Orders, o) {
			return fmt.Sprintf("order %+v of a peer that has left, has no room, or owes it already", o)
		}
		for j := o.First; j < o.End; j++ {
			if v.Have.Has(j) || !x.Has.Has(j) || j >= v.Tail || v.Crowd.Stripe.First <= j && j < v.Crowd.Stripe.End || p.Take.First <= j && j < p.Take.End {
				return fmt.Sprintf("order %+v: piece %d", o, j)
			}
		}
		for _, other := range p.Orders[:i] {
			if other.Peer == o.Peer && overlaps([]fetch.Order{other}, o) {
				return fmt.Sprintf("%+v twice", o)
			}
		}
	}
	return ""
}

// fresh is a crowd of n members, place 0 first, of which this node has the given
// place; nobody has anything.
func fresh(n, place int) fetch.View {
	v := fetch.View{
		Now: 5 * time.Second, Layout: verify.LayoutOf(4 << 20), Slots: 96, Tail: 64, Have: fetch.NewPieces(64), PeerSince: -1, Hungry: -1,
		Origin: fetch.OriginView{Returns: true, Rate: -1},
		Crowd:  &fetch.Crowd{Rank: uint64(place) << 32, Since: 4 * time.Second, News: 5 * time.Second, Flow: 2.5e6, Striping: true},
	}
	for i := range n {
		if i != place {
			v.Peers = append(v.Peers, fetch.PeerView{ID: i, Partial: true, Rank: uint64(i) << 32, Has: fetch.NewPieces(64)})
		}
	}
	return v
}

// TestTeam: the first eight draw on the origin, the others wait for as long as
// something new appears, and then join band by band.
func TestTeam(t *testing.T) {
	const p = 3355443200 * time.Nanosecond // 4 rounds of 8 ranges of 256 KiB at 2.5 MB/s
	for _, c := range []struct {
		place int
		stale time.Duration
		takes bool
	}{
		{0, 0, true}, {7, 0, true}, {8, 0, false}, {8, p - 1, false}, {8, p, true}, {31, p, true}, {32, p, false},
		{32, 2 * p, true}, {127, 2 * p, true}, {128, 2 * p, false}, {128, 3 * p, true},
	} {
		v := fresh(200, c.place)
		v.Now = 60 * time.Second
		v.Crowd.News = v.Now - c.stale
		if got := fetch.Next(v); got.Take.Empty() == c.takes {
			t.Errorf("place %d, nothing new for %v: takes %v", c.place, c.stale, got.Take)
		}
	}
}

// TestLateComersAskFirst: who comes to a crowd that has taken a round of the team
// from the origin meets those that it knows of before it draws, for a moment at most.
func TestLateComersAskFirst(t *testing.T) {
	for _, c := range []struct {
		name        string
		met, others int
		has         int // pieces of the first
		since       time.Duration
		takes       bool
	}{
		{"all are met", 3, 3, 40, 0, true},
		{"one is not", 2, 3, 40, 0, false},
		{"one is not met in a moment", 2, 3, 40, 250 * time.Millisecond, true},
		{"the crowd has just come", 2, 3, 31, 0, true},
	} {
		v := fresh(c.met+1, c.met)
		v.Crowd.Others, v.Crowd.Since = c.others, v.Now-c.since
		for i := range c.has {
			v.Peers[0].Has.Add(i)
		}
		if got := fetch.Next(v); got.Take.Empty() == c.takes {
			t.Errorf("%s: takes %v", c.name, got.Take)
		}
	}
}

// leastFeed is what the reader of a member gets from the origin in any case.
const leastFeed = 16 << 10

// TestLeadIsLetGo when others are there, once there is a little to feed the
// reader with, or the origin is long in giving that: each takes a run by its own
// choice.
func TestLeadIsLetGo(t *testing.T) {
	seen := map[int]bool{}
	for place := range 6 {
		v := fresh(6, place)
		v.Crowd.Striping = false
		v.Origin.Open, v.Origin.Until = true, v.Layout.Length
		v.Front = leastFeed - 1
		if p := fetch.Next(v); p.Origin != fetch.Stay || !p.Take.Empty() {
			t.Errorf("place %d leaves the origin with nothing for its reader: %+v", place, p)
		}
		v.Crowd.Since = v.Now - 2*time.Second
		if p := fetch.Next(v); p.Origin != fetch.LetGo {
			t.Errorf("place %d stays with a slow origin: %+v", place, p)
		}
		v.Crowd.Since, v.Front = v.Now, 48<<10
		p := fetch.Next(v)
		if p.Origin != fetch.LetGo || p.Take.Empty() || p.Intend.Empty() || p.Intend == p.Take {
			t.Errorf("place %d: %+v", place, p)
		}
		seen[p.Take.First] = true
	}
	if len(seen) < 4 { // of 16 runs, six by chance
		t.Errorf("begin with %v", seen)
	}
}

// TestIntentsAreKept: nobody takes what another member is about to take, but
// when there is nothing else: then first what members meant to take who
// delivered nothing, and then what is overdue.
func TestIntentsAreKept(t *testing.T) {
	all := fetch.Run{End: 64}
	until := func(d time.Duration) []fetch.Intent { return []fetch.Intent{{Run: all, Until: 5*time.Second + d}} }
	v := fresh(3, 0)
	v.Peers[0].Intents = until(time.Second)
	if p := fetch.Next(v); !p.Take.Empty() {
		t.Errorf("takes %v in spite of an intent", p.Take)
	}
	v.Peers[0].Intents = until(-time.Second)
	if p := fetch.Next(v); p.Take.Empty() {
		t.Error("an overdue intent keeps the origin away")
	}
	v.Peers[0].Intents = []fetch.Intent{{Run: fetch.Run{First: 8, End: 64}, Until: 4 * time.Second}}
	if p := fetch.Next(v); p.Take.First >= 8 {
		t.Errorf("takes the overdue %v before what nobody means to take", p.Take)
	}
	v.Peers[0].Intents = until(time.Second)
	v.Peers[0].Excused = true
	if p := fetch.Next(v); p.Take.Empty() {
		t.Error("the intent of a member that no longer counts keeps the origin away")
	}
}

// TestCollidingIntents: of two that announced the same run one keeps it.
func TestCollidingIntents(t *testing.T) {
	for first := 0; first < 64; first += 4 {
		run := fetch.Run{First: first, End: first + 4}
		kept := 0
		for place := range 2 {
			v := fresh(2, place)
			v.Crowd.Next = run
			v.Peers[0].Intents = []fetch.Intent{{Run: run, Until: 6 * time.Second}}
			if fetch.Next(v).Take == run {
				kept++
			}
		}
		if kept != 1 {
			t.Errorf("%v is kept by %d", run, kept)
		}
	}
}

// TestSybilsInTopRanksAreExcused: members that stand first and deliver nothing
// are passed over, and no more than a band of others turns to the origin.
func TestSybilsInTopRanksAreExcused(t *testing.T) {
	v := fresh(100, 50)
	v.Now = 60 * time.Second
	v.Crowd.News = v.Now - v.Crowd.Patience(v.Layout.PieceSize)
	p := fetch.Next(v)
	if !slices.Equal(p.Excuse, []int{0, 1, 2, 3, 4, 5, 6, 7}) {
		t.Fatalf("excuses %v", p.Excuse)
	}
	takers := 0
	for place := 8; place < 100; place++ {
		v := fresh(100, place)
		v.Now, v.Crowd.News = 60*time.Second, 60*time.Second // somebody has joined and delivers
		for i := range 8 {
			v.Peers[i].Excused = true
		}
		if !fetch.Next(v).Take.Empty() {
			takers++
		}
	}
	if takers != 8 {
		t.Errorf("%d members draw on the origin, want 8", takers)
	}
}

// TestOneGroupIsTwoMembers: many identities of one address group do not push
// this node out of the team.
func TestOneGroupIsTwoMembers(t *testing.T) {
	v := fresh(50, 49)
	for i := range v.Peers {
		v.Peers[i].Group = "192.0.2.0/24"
	}
	if fetch.Next(v).Take.Empty() {
		t.Error("49 members of one group are a crowd of their own")
	}
}

// TestStampede: 200 newcomers that know each other and see nothing appear do
// not all turn to the origin.
func TestStampede(t *testing.T) {
	for _, stale := range []time.Duration{0, 4 * time.Second, 8 * time.Second} {
		takers := 0
		for place := range 200 {
			v := fresh(200, place)
			v.Now = 60 * time.Second
			v.Crowd.News, v.Crowd.Since, v.Crowd.Alone = v.Now-stale, 0, 12_000
			if !fetch.Next(v).Take.Empty() {
				takers++
			}
		}
		if limit := map[time.Duration]int{0: 8, 4 * time.Second: 32, 8 * time.Second: 128}[stale]; takers > limit {
			t.Errorf("nothing new for %v: %d of 200 draw on the origin, want at most %d", stale, takers, limit)
		}
	}
}

// TestSlowPeersAreNotWaitedFor: where peers offer plenty and deliver it more
// slowly than the origin did, every member draws on the origin (law 2).
func TestSlowPeersAreNotWaitedFor(t *testing.T) {
	v := fresh(50, 40)
	for i := range 10 {
		v.Peers[i].Has = fetch.AllPieces(64)
	}
	v.Now += time.Second
	v.Crowd.Alone, v.PeerSecond = 1e6, 2e6
	if p := fetch.Next(v); !p.Take.Empty() {
		t.Errorf("peers are faster than the origin, and yet it takes %v", p.Take)
	}
	v.PeerSecond = 5e5
	if p := fetch.Next(v); p.Take.Empty() {
		t.Error("waits for peers that are slower than the origin")
	}
}

// TestFirstPieceIsOnItsWay: members that have not met for as long as the origin
// would take for a piece do not take others for slow: 200 at once, to each of which
// the origin gave 3 KB/s, all drew on it after a second, and it was busy with that
// for four.
func TestFirstPieceIsOnItsWay(t *testing.T) {
	for _, c := range []struct {
		met   time.Duration
		alone float64
		takes bool
	}{{1020 * time.Millisecond, 3e3, false}, {20 * time.Second, 3e3, false}, {1020 * time.Millisecond, 1e6, false}, {1100 * time.Millisecond, 1e6, true}} {
		v := fresh(50, 40)
		for i := range 10 {
			v.Peers[i].Has = fetch.AllPieces(64)
		}
		v.Crowd.Since, v.Crowd.Alone = v.Now-c.met, c.alone
		v.Crowd.News = v.Now
		if takes := !fetch.Next(v).Take.Empty(); takes != c.takes {
			t.Errorf("met %v ago, %.0f octets a second of the origin alone: draws %v", c.met, c.alone, takes)
		}
	}
}

// TestRarestFirst: what fewest have is asked for first, and each node begins
// with others of it.
func TestRarestFirst(t *testing.T) {
	begun := map[int]bool{}
	for place := range 6 {
		v := fresh(10, place)
		for i := range v.Peers {
			v.Peers[i].Has = fetch.AllPieces(64)
			for j := range 8 {
				v.Peers[i].Has.Remove(8 + j)
			}
		}
		for j := range 8 {
			v.Peers[8].Has.Add(8 + j)
		}
		for _, o := range fetch.Next(v).Orders {
			if o.Peer == v.Peers[8].ID && (o.First < 8 || o.End > 16) {
				t.Errorf("asks the only holder of the rarest for %+v", o)
			}
			if o.Peer == v.Peers[8].ID {
				begun[o.First] = true
			}
		}
	}
	if len(begun) < 3 {
		t.Errorf("all begin with the same pieces: %v", begun)
	}
}

// TestOneNewcomerHidesNoTail: where all but one of the members are complete, what
// that one has, too, is asked for no later than what is rarer. It was, so that of a
// visitor's body nothing was proven until he had all of it, and the origin was
// never let go.
func TestOneNewcomerHidesNoTail(t *testing.T) {
	const n = 512
	v := fetch.View{
		Now: 5 * time.Second, Layout: verify.LayoutOf(n * verify.MinPieceSize), Front: verify.MinPieceSize, Have: fetch.NewPieces(n), Tail: n, Slots: 96,
		PeerSince: -1, Hungry: -1, Origin: fetch.OriginView{Open: true, Until: n * verify.MinPieceSize, Returns: true, Rate: -1},
		Crowd: &fetch.Crowd{Since: 4 * time.Second, News: 5 * time.Second},
	}
	for i := range 20 {
		v.Peers = append(v.Peers, fetch.PeerView{ID: i, Has: fetch.AllPieces(n), Partial: i == 0})
	}
	for i := range 400 {
		v.Peers[0].Has.Remove(i)
	}
	orders := fetch.Next(v).Orders
	for _, o := range orders {
		if o.First < n-64 {
			t.Errorf("asks for %+v while nothing from 448 on is proven", o)
		}
	}
	if len(orders) < 20 {
		t.Errorf("%d of 20 members are asked", len(orders))
	}
}

// TestHintsDelayStripesOnly: a hint of back-off keeps a member from its stripe,
// and not from feeding a reader that starves.
func TestHintsDelayStripesOnly(t *testing.T) {
	v := fresh(6, 0)
	v.Crowd.NotBefore = v.Now + time.Second
	if p := fetch.Next(v); !p.Take.Empty() || p.Origin != fetch.Stay {
		t.Errorf("in spite of a hint: %+v", p)
	}
	v.Hungry = v.Now - 4*time.Second
	if p := fetch.Next(v); !p.Take.Empty() || p.Origin != fetch.Return {
		t.Errorf("the reader starves: %+v", p)
	}
	v.Hungry, v.Crowd.NotBefore = -1, v.Now
	if p := fetch.Next(v); p.Take.Empty() {
		t.Errorf("the hint is over: %+v", p)
	}
}

// TestStalledStripe: what the origin is asked for, and does not send, is asked of
// peers that have it: it may have died with the request under way.
func TestStalledStripe(t *testing.T) {
	v := fetch.View{
		Now: 10 * time.Second, Layout: verify.LayoutOf(4 * verify.MinPieceSize), Front: verify.MinPieceSize,
		Have: fetch.NewPieces(4), Tail: 3, Slots: 8, Origin: fetch.OriginView{Returns: true}, PeerSince: -1, Hungry: -1,
		Peers: []fetch.PeerView{{ID: 0, Has: fetch.AllPieces(4), Heard: 9 * time.Second, Partial: true}},
		Crowd: &fetch.Crowd{Striping: true, Stripe: fetch.Run{First: 1, End: 3}},
	}
	v.Have.Add(3)
	if p := fetch.Next(v); len(p.Orders) != 0 {
		t.Errorf("asked peers for what comes from the origin: %+v", p.Orders)
	}
	v.Crowd.Stalled = true
	asked := 0
	for _, o := range fetch.Next(v).Orders {
		asked += o.End - o.First
	}
	if asked != 2 {
		t.Errorf("asked for %d of the 2 pieces that the origin holds back", asked)
	}
}

// TestDrips: a reader in a small crowd gets the 16 KiB every 5 s that are promised,
// and all readers of a large one together little of the origin's line.
func TestDrips(t *testing.T) {
	const line = 2.5e6 // octets a second
	for _, c := range []struct {
		members     int
		flow        float64
		least, most int64
	}{{2, line, 16 << 10, 16 << 10}, {15, line, 16 << 10, 16 << 10}, {200, line, 1 << 10, 2 << 10}, {200, 50 * line, 16 << 10, 16 << 10}, {200, 0, 1, 1 << 10}} {
		if drip := fetch.DripSize(c.members, c.flow); drip < c.least || drip > c.most {
			t.Errorf("%d members of an origin of %.0f octets a second: %d octets", c.members, c.flow, drip)
		}
	}
	if all := 200 * fetch.DripSize(200, line); float64(all) > line*fetch.DripEvery.Seconds()/20 {
		t.Errorf("200 readers take %d octets in %v", all, fetch.DripEvery)
	}
}

// TestAuditIsTakenFirst: a piece that tells who lies is taken whether or not it is
// this node's turn, and whoever offers it; nothing is taken beside the lead, or
// under back-off.
func TestAuditIsTakenFirst(t *testing.T) {
	audit := fetch.Run{First: 33, End: 34}
	for place, next := range map[int]bool{2: true, 40: false} {
		v := fresh(50, place)
		for i := range v.Peers {
			v.Peers[i].Has.Add(33)
		}
		v.Crowd.Audit = audit
		if p := fetch.Next(v); p.Take != audit || p.Intend.Empty() == next {
			t.Errorf("place %d takes %v and announces %v", place, p.Take, p.Intend)
		}
		v.Crowd.NotBefore = v.Now + time.Second
		if p := fetch.Next(v); !p.Take.Empty() {
			t.Errorf("place %d takes %v under back-off", place, p.Take)
		}
		v.Crowd.NotBefore, v.Front = 0, v.Layout.Offset(34)
		if p := fetch.Next(v); p.Take == audit {
			t.Errorf("place %d takes %v, which it had in the beginning", place, p.Take)
		}
	}
}
