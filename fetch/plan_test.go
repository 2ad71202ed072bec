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

// randomView is a situation that may come up, however odd.
func randomView(r *rand.Rand) fetch.View {
	length := int64(1 + r.IntN(200*piece))
	v := fetch.View{
		Now: time.Duration(r.IntN(20_000)) * time.Millisecond, Layout: verify.LayoutOf(length),
		Front: r.Int64N(length + 1), Slots: 1 + r.IntN(20), PeerSecond: r.Int64N(4e6), PeerSince: -1, Hungry: -1,
		Origin: fetch.OriginView{
			Open: r.IntN(2) == 0, Until: length, Returns: r.IntN(4) > 0, NotBefore: time.Duration(r.IntN(20_000)-10_000) * time.Millisecond,
			Second: r.Int64N(4e6), Rate: float64(r.Int64N(4e6)) - 5e5, LetGo: r.IntN(7),
		},
	}
	before := func() time.Duration { return time.Duration(r.Int64N(int64(v.Now) + 1)) }
	v.Origin.Since = before()
	if r.IntN(5) > 0 {
		v.PeerSince = before()
	}
	if r.IntN(2) == 0 {
		v.Hungry = before()
	}
	if r.IntN(2) == 0 {
		v.Usual = time.Duration(r.IntN(400)) * time.Millisecond
	}
	if r.IntN(5) == 0 {
		v.Origin.Until = r.Int64N(length + 1)
	}
	n := v.Layout.Pieces()
	v.Tail, v.Have = n, fetch.NewPieces(n)
	front := n
	if v.Front < length {
		front = v.Layout.PieceAt(v.Front)
	}
	for i := front; i < n; i++ {
		if r.IntN(3) == 0 {
			v.Have.Add(i)
		}
	}
	for v.Tail > front && r.IntN(20) > 0 {
		v.Tail--
		v.Have.Add(v.Tail)
	}
	for v.Tail > front && v.Have.Has(v.Tail-1) {
		v.Tail--
	}
	for id := range r.IntN(6) {
		v.Peers = append(v.Peers, randomPeer(r, &v, id*2, front, before))
	}
	return v
}

func randomPeer(r *rand.Rand, v *fetch.View, id, front int, before func() time.Duration) fetch.PeerView {
	n := v.Layout.Pieces()
	p := fetch.PeerView{ID: id, Has: fetch.AllPieces(n), Second: r.Int64N(3e6), Heard: before()}
	p.Rate = float64(p.Second)
	if r.IntN(3) == 0 {
		for i := range n {
			if r.IntN(3) == 0 {
				p.Has.Remove(i)
			}
		}
	}
	for range r.IntN(3) {
		if v.Tail <= front {
			break
		}
		first := front + r.IntN(v.Tail-front)
		o := fetch.Order{Peer: id, First: first, Next: first, End: min(first+1+r.IntN(8), v.Tail), Since: before()}
		if !asked(*v, o) && !overlaps(p.Orders, o) {
			p.Orders = append(p.Orders, o)
		}
	}
	return p
}

func asked(v fetch.View, o fetch.Order) bool {
	return slices.ContainsFunc(v.Peers, func(p fetch.PeerView) bool { return overlaps(p.Orders, o) })
}

func overlaps(orders []fetch.Order, o fetch.Order) bool {
	return slices.ContainsFunc(orders, func(x fetch.Order) bool { return x.First < o.End && o.First < x.End })
}

func clone(v fetch.View) fetch.View {
	v.Have = slices.Clone(v.Have)
	v.Peers = slices.Clone(v.Peers)
	for i := range v.Peers {
		v.Peers[i].Has = slices.Clone(v.Peers[i].Has)
		v.Peers[i].Orders = slices.Clone(v.Peers[i].Orders)
	}
	return v
}

// TestNext holds what is true of each plan, whatever the situation.
func TestNext(t *testing.T) {
	for seed := range uint64(4000) {
		v := randomView(newRand(seed))
		before := clone(v)
		p := fetch.Next(v)
		if !reflect.DeepEqual(before, v) {
			t.Fatalf("seed %d: the view was changed: %s", seed, cmp.Diff(before, v))
		}
		if again := fetch.Next(before); !reflect.DeepEqual(p, again) {
			t.Fatalf("seed %d: another plan for the same view: %s", seed, cmp.Diff(p, again))
		}
		for _, wrong := range []string{wrongLeave(v, p), wrongOrders(v, p), idle(v, p), wrongMove(v, p)} {
			if wrong != "" {
				t.Fatalf("seed %d: %s\nview %+v\nplan %+v", seed, wrong, v, p)
			}
		}
	}
}

const (
	stallAfter = 1500 * time.Millisecond
	hedgeAfter = 500 * time.Millisecond
)

// wrongLeave: all who owe octets and are silent are left, and only who owes
// and is silent or slow.
func wrongLeave(v fetch.View, p fetch.Plan) string {
	others := v.Origin.Open || v.Origin.Returns || len(v.Peers) > 1
	for _, x := range v.Peers {
		left := slices.Contains(p.Leave, x.ID)
		var since time.Duration
		for i, o := range x.Orders {
			if i == 0 || o.Since < since {
				since = o.Since
			}
		}
		silent := v.Now - max(since, x.Heard)
		switch {
		case left && len(x.Orders) == 0:
			return fmt.Sprintf("peer %d owes nothing and is left", x.ID)
		case left && silent < stallAfter && (v.Now-since < stallAfter || x.Second >= 16<<10):
			return fmt.Sprintf("peer %d is left for nothing", x.ID)
		case !left && others && len(x.Orders) > 0 && silent >= 2*time.Second:
			return fmt.Sprintf("peer %d is silent for %v and stays", x.ID, silent)
		}
	}
	return ""
}

// wrongOrders: only what is missing, from who has it, once, but for what
// another is late with.
func wrongOrders(v fetch.View, p fetch.Plan) string {
	n := v.Layout.Pieces()
	times, hedgeable := make([]int, n), make([]bool, n)
	outstanding, each := 0, map[int]int{}
	peers := map[int]fetch.PeerView{}
	for _, x := range v.Peers {
		if slices.Contains(p.Leave, x.ID) {
			continue
		}
		peers[x.ID] = x
		outstanding, each[x.ID] = outstanding+len(x.Orders), len(x.Orders)
		for _, o := range x.Orders {
			for i := o.Next; i < o.End; i++ {
				times[i]++
				hedgeable[i] = hedgeable[i] || v.Now-o.Since > hedgeAfter
			}
		}
	}
	for _, o := range p.Orders {
		x, known := peers[o.Peer]
		outstanding++
		each[o.Peer]++
		switch {
		case !known:
			return "an order for a peer that is not there or left"
		case o.First >= o.End || o.Next != o.First || o.Since != v.Now:
			return fmt.Sprintf("malformed order %+v", o)
		case v.Layout.Offset(o.First+1) <= v.Front:
			return fmt.Sprintf("piece %d is below the front", o.First)
		case o.End > v.Tail:
			return fmt.Sprintf("piece %d is proven", o.End-1)
		case each[o.Peer] > 2 || outstanding > v.Slots:
			return fmt.Sprintf("%d orders for peer %d, %d in all of %d", each[o.Peer], o.Peer, outstanding, v.Slots)
		}
		for i := o.First; i < o.End; i++ {
			times[i]++
			switch {
			case v.Have.Has(i) || !x.Has.Has(i):
				return fmt.Sprintf("piece %d is here, or peer %d has it not", i, o.Peer)
			case times[i] > 2 || times[i] == 2 && (!hedgeable[i] || overlaps(x.Orders, fetch.Order{First: i, End: i + 1})):
				return fmt.Sprintf("piece %d is asked for %d times", i, times[i])
			}
		}
	}
	return ""
}

// idle: what is missing is asked for, unless slots or peers are used up, or
// nobody has it, or the origin is in it.
func idle(v fetch.View, p fetch.Plan) string {
	outstanding := len(p.Orders)
	busy := map[int]bool{}
	wanted := make([]bool, v.Layout.Pieces())
	for i := range wanted {
		wanted[i] = i < v.Tail && v.Layout.Offset(i) > v.Front && !v.Have.Has(i) // what the front is in may be the origin's
	}
	take := func(o fetch.Order) {
		busy[o.Peer] = true
		for i := o.Next; i < o.End; i++ {
			wanted[i] = false
		}
	}
	for _, x := range v.Peers {
		if !slices.Contains(p.Leave, x.ID) {
			outstanding += len(x.Orders)
			for _, o := range x.Orders {
				take(o)
			}
		}
	}
	for _, o := range p.Orders {
		take(o)
	}
	if outstanding >= v.Slots {
		return ""
	}
	for _, x := range v.Peers {
		if busy[x.ID] || slices.Contains(p.Leave, x.ID) {
			continue
		}
		for i, w := range wanted {
			if w && x.Has.Has(i) {
				return fmt.Sprintf("peer %d is idle and has piece %d", x.ID, i)
			}
		}
	}
	return ""
}

// wrongMove: laws 2 and 4.
func wrongMove(v fetch.View, p fetch.Plan) string {
	o, tail := v.Origin, v.Layout.Offset(v.Tail)
	covered := true
	for i := range v.Tail {
		if v.Layout.Offset(i+1) <= v.Front || v.Have.Has(i) {
			continue
		}
		covered = covered && slices.ContainsFunc(v.Peers, func(x fetch.PeerView) bool {
			return !slices.Contains(p.Leave, x.ID) && x.Has.Has(i)
		})
	}
	slow := o.Rate < 0 || float64(v.PeerSecond) < .95*o.Rate
	mayAsk := !o.Open && o.Returns && v.Now >= o.NotBefore && v.Front < tail
	switch {
	case p.Origin == fetch.LetGo && (!o.Open || !o.Returns || !covered):
		return "let go without ranges, or while not all is covered"
	case p.Origin == fetch.LetGo && (o.Rate < 0 || float64(v.PeerSecond) < o.Rate || v.PeerSecond == 0):
		return "let go while peers are slower"
	case p.Origin == fetch.LetGo && (v.Now-o.Since < time.Second || v.Now-v.PeerSince < time.Second || v.PeerSince < 0):
		return "let go by less than a second"
	case p.Origin == fetch.Return && !mayAsk:
		return "return where there is nothing to ask, or nobody"
	case p.Origin == fetch.Return && (p.Until <= v.Front || p.Until > tail):
		return "return for octets that are not missing"
	case p.Origin == fetch.Return && !slow && covered && p.Until-v.Front > 256<<10:
		return "return for more than readers need who have waited"
	case mayAsk && (!covered || slow) && (p.Origin != fetch.Return || p.Until != tail):
		return "no return although not all is covered, or peers are slower"
	case mayAsk && v.Hungry >= 0 && v.Now-v.Hungry >= 5*time.Second && p.Origin != fetch.Return:
		return "readers wait for 5 s"
	}
	return ""
}

// TestNextSettles: near the origin's own rate peers do not make it come and
// go: each time it must be surer.
func TestNextSettles(t *testing.T) {
	n := 64
	v := fetch.View{
		Now: time.Minute, Layout: verify.LayoutOf(int64(n) * piece), Have: fetch.NewPieces(n), Tail: n, Slots: 8,
		PeerSecond: 100, PeerSince: 0, Hungry: -1,
		Peers:  []fetch.PeerView{{Has: fetch.AllPieces(n)}},
		Origin: fetch.OriginView{Open: true, Until: int64(n) * piece, Returns: true, Rate: 100, Second: 100},
	}
	for gone, want := range []time.Duration{1, 2, 4, 8, 16, 16, 16} {
		v.Origin.LetGo = gone
		v.Origin.Since = v.Now - want*time.Second + 1
		if p := fetch.Next(v); p.Origin != fetch.Stay {
			t.Errorf("after %d: let go within %v", gone, want*time.Second)
		}
		v.Origin.Since--
		if p := fetch.Next(v); p.Origin != fetch.LetGo {
			t.Errorf("after %d: not let go in %v", gone, want*time.Second)
		}
	}
	v.Origin.Until = 256 << 10 // for readers who have waited: it is not cut short
	if p := fetch.Next(v); p.Origin != fetch.Stay {
		t.Error("what readers wait for was let go")
	}
}

// TestNextHedges: what is later than usual is asked of somebody else who has
// nothing to do, at the end of a body and not before.
func TestNextHedges(t *testing.T) {
	const n = 8
	v := fetch.View{
		Now: 10 * time.Second, Layout: verify.LayoutOf(n * piece), Have: fetch.NewPieces(n), Tail: n, Slots: 8, Hungry: -1, PeerSince: -1,
		Origin: fetch.OriginView{Returns: true, NotBefore: time.Hour},
		Peers: []fetch.PeerView{
			{ID: 0, Has: fetch.AllPieces(n), Rate: 10 * piece, Second: 10 * piece, Heard: 10 * time.Second},
			{ID: 1, Has: fetch.AllPieces(n), Rate: piece, Second: piece, Heard: 10 * time.Second,
				Orders: []fetch.Order{{Peer: 1, First: 0, Next: 0, End: 2}}},
		},
	}
	hedged := func(age, usual time.Duration, have int) bool {
		v := clone(v)
		v.Peers[1].Orders[0].Since = v.Now - age
		v.Usual = usual
		for i := n - have; i < n; i++ {
			v.Have.Add(i)
			v.Tail--
		}
		for _, o := range fetch.Next(v).Orders {
			if o.Peer == 0 && o.First < 2 {
				return true
			}
		}
		return false
	}
	for _, c := range []struct {
		age, usual time.Duration
		have       int
		want       bool
	}{
		{4 * time.Second, 0, 6, false},                 // as its rate says
		{4600 * time.Millisecond, 0, 6, true},          // twice that
		{time.Second, 400 * time.Millisecond, 6, true}, // others are faster
		{700 * time.Millisecond, 400 * time.Millisecond, 6, false},
		{400 * time.Millisecond, time.Millisecond, 6, false},  // a hedge costs, too
		{4600 * time.Millisecond, time.Millisecond, 0, false}, // there is better to do
	} {
		if got := hedged(c.age, c.usual, c.have); got != c.want {
			t.Errorf("an order of %v, usual %v, %d pieces here: hedged %v", c.age, c.usual, c.have, got)
		}
	}
}

// TestNextPipe: a peer has a second order on its way, unless it needs long for
// a single piece.
func TestNextPipe(t *testing.T) {
	const n = 8
	for rate, want := range map[float64]int{0: 2, piece / 2: 1, 2 * piece: 2} {
		p := fetch.Next(fetch.View{
			Layout: verify.LayoutOf(n * piece), Have: fetch.NewPieces(n), Tail: n, Slots: 8, Hungry: -1, PeerSince: -1,
			Origin: fetch.OriginView{Open: true, Until: n * piece, Rate: -1},
			Peers:  []fetch.PeerView{{Has: fetch.AllPieces(n), Rate: rate}},
		})
		if len(p.Orders) != want {
			t.Errorf("rate %.0f: %d orders, want %d", rate, len(p.Orders), want)
		}
	}
}
