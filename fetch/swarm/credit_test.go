package swarm

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// lender is an uploader on a line of one rate, which serves requests in the order
// in which they come; what it gives is with the asker half a round trip later.
type lender struct {
	t       *testing.T
	credits credits
	rate    float64
	trip    time.Duration
	queue   chan *loan
	longest atomic.Int64 // octets that were owed at a time
	owed    atomic.Int64
}

type loan struct {
	octets int64
	done   chan struct{}
}

func (l *lender) serve(end <-chan struct{}) {
	for {
		select {
		case <-end:
			return
		case x := <-l.queue:
			<-time.After(time.Duration(float64(x.octets) / l.rate * 1e9))
			l.credits.gave(x.octets, time.Now())
			close(x.done)
		}
	}
}

// get is one request of asker id, and reports whether it was answered.
func (l *lender) get(id peer.ID, octets int64) (credit int64, ok bool) {
	<-time.After(l.trip / 2)
	if !l.credits.enter(id, octets, piece, l.trip, time.Now()) {
		<-time.After(l.trip / 2)
		return 0, false
	}
	owed := l.owed.Add(octets)
	for longest := l.longest.Load(); owed > longest && !l.longest.CompareAndSwap(longest, owed); longest = l.longest.Load() {
	}
	credit = l.credits.grant(id, piece, l.trip, time.Now())
	x := &loan{octets, make(chan struct{})}
	l.queue <- x
	<-x.done
	l.owed.Add(-octets)
	l.credits.leave(id, octets)
	<-time.After(l.trip / 2)
	return credit, true
}

// asks lets asker id get pieces until the end, as many at a time as he has credit
// for; a greedy one asks for more than that always.
func (l *lender) asks(id peer.ID, greedy bool, end <-chan struct{}) (got, refused int64) {
	type answer struct {
		credit int64
		ok     bool
	}
	answers := make(chan answer)
	credit, owes := int64(piece), int64(0)
	for {
		for owes == 0 || owes+piece <= credit || greedy && owes < 64*piece {
			owes += piece
			go func() {
				credit, ok := l.get(id, piece)
				answers <- answer{credit, ok}
			}()
		}
		a := <-answers
		owes -= piece
		if a.ok {
			got, credit = got+piece, a.credit
		} else {
			refused++
		}
		select {
		case <-end:
			for ; owes > 0; owes -= piece {
				<-answers
			}
			return got, refused
		default:
		}
	}
}

// play lets n askers, the last of them greedy if that is said, draw on a line for
// that time, and returns what each got.
func (l *lender) play(n int, greedy bool, playTime time.Duration) (got []int64, refused int64) {
	synctest.Test(l.t, func(*testing.T) {
		end, stop := make(chan struct{}), make(chan struct{})
		l.queue = make(chan *loan, 1024)
		go l.serve(stop)
		got = make([]int64, n)
		done := make(chan struct{})
		for i := range n {
			go func() {
				var r int64
				got[i], r = l.asks(peer.ID(fmt.Sprint(i)), greedy && i == n-1, end)
				if i == n-1 {
					refused = r
				}
				done <- struct{}{}
			}()
		}
		<-time.After(playTime)
		close(end)
		for range n {
			<-done
		}
		close(stop)
	})
	return got, refused
}

func jain(all []int64) float64 {
	sum, squares := 0.0, 0.0
	for _, x := range all {
		sum += float64(x)
		squares += float64(x) * float64(x)
	}
	return sum * sum / squares / float64(len(all))
}

// TestCreditsKeepQueuesShort: however many ask, and whatever the line carries, what
// an uploader owes at a time stays within what it sends in creditTime or two round
// trips, or a piece for each asker; the line is never idle, and all get the same.
func TestCreditsKeepQueuesShort(t *testing.T) {
	for _, c := range []struct {
		askers int
		rate   float64
		trip   time.Duration
	}{
		{1, 2.5e6, 40 * time.Millisecond}, {2, 2.5e6, 40 * time.Millisecond}, {7, 2.5e6, 40 * time.Millisecond},
		{15, 2.5e6, 40 * time.Millisecond}, {100, 2.5e6, 40 * time.Millisecond},
		{3, 25e6, 200 * time.Millisecond}, {15, 50e6, time.Millisecond}, {4, 125e3, 40 * time.Millisecond},
	} {
		l := &lender{t: t, rate: c.rate, trip: c.trip}
		playTime := max(20*time.Second, 400*c.trip) // credits double from round trip to round trip at first: ten are lost
		if c.rate < 1e6 {
			playTime = 400 * time.Second
		}
		got, _ := l.play(c.askers, false, playTime)
		sum := int64(0)
		for _, n := range got {
			sum += n
		}
		inTime := int64(c.rate * max(creditTime, 2*c.trip).Seconds())
		bound := max(inTime*11/10, leastBudget*piece) + int64(c.askers)*piece // gauges have slots of 50 ms
		used := float64(sum) / c.rate / playTime.Seconds()
		t.Logf("%d askers at %.0f: queue %d of %d, line %.2f, even %.3f", c.askers, c.rate, l.longest.Load(), bound, used, jain(got))
		if l.longest.Load() > bound || used < .95 || jain(got) < .99 {
			t.Errorf("%d askers at %.0f octets a second: queue %d, want %d; line %.2f; even %.3f", c.askers, c.rate, l.longest.Load(), bound, used, jain(got))
		}
	}
}

// TestGreedyAskerGainsNothing: who asks for more than his credit hears a refusal,
// and neither has more of the line than the others nor makes them wait.
func TestGreedyAskerGainsNothing(t *testing.T) {
	l := &lender{t: t, rate: 2.5e6, trip: 40 * time.Millisecond}
	const playTime = 100 * time.Second
	got, refused := l.play(8, true, playTime)
	t.Logf("%d, %d refusals, queue %d", got, refused, l.longest.Load())
	others, least := slices.Max(got[:7]), slices.Min(got[:7])
	if got[7] > others*11/10 || float64(least) < .97*2.5e6*playTime.Seconds()/8 || refused == 0 || l.longest.Load() > 19*piece {
		t.Errorf("got %d, %d refused, queue %d", got, refused, l.longest.Load())
	}
}

// TestCreditFollowsAskers: a share grows when others have gone, and shrinks when they
// come; what was told before counts until the smaller one must have been heard.
func TestCreditFollowsAskers(t *testing.T) {
	var c credits
	now := time.Unix(1000, 0)
	pass := func(d time.Duration) { // at 6.5 MB a second
		for end := now.Add(d); now.Before(end); now = now.Add(gaugeSlot) {
			c.gave(5*piece, now)
		}
	}
	ask := func(id peer.ID, octets int64) bool {
		ok := c.enter(id, octets, piece, 0, now)
		if ok {
			c.leave(id, octets)
		}
		return ok
	}
	pass(time.Second)
	if !ask("a", piece) {
		t.Fatal("no credit at all")
	}
	alone := c.grant("a", piece, 0, now)
	for _, id := range []peer.ID{"b", "c", "d"} {
		if !ask(id, piece) {
			t.Fatalf("%s has no credit", id)
		}
	}
	pass(recount)
	among := c.grant("a", piece, 0, now)
	if alone < 20*piece || among > alone/3 || among < piece {
		t.Errorf("%d alone, %d among four", alone, among)
	}
	if !ask("a", alone) {
		t.Error("what was told a moment ago does not count")
	}
	for range 4 {
		pass(askerLife - recount)
		for _, id := range []peer.ID{"b", "c", "d"} {
			ask(id, piece)
		}
		c.grant("a", piece, 0, now)
	}
	if ask("a", alone) {
		t.Error("what was told long ago counts")
	}
	pass(askerLife)
	if again := c.grant("a", piece, 0, now); again < alone*9/10 {
		t.Errorf("%d once the others have gone, %d before", again, alone)
	}
}

// TestNobodyIsStranded: who owes nothing may ask for a piece, whatever he was told
// and however large it is.
func TestNobodyIsStranded(t *testing.T) {
	var c credits
	now := time.Unix(1000, 0)
	for i := range maxAskers {
		id := peer.ID(fmt.Sprint(i))
		if c.grant(id, piece, 0, now) < piece || !c.enter(id, piece, piece, 0, now) {
			t.Fatalf("asker %d is kept out", i)
		}
		c.grant(id, piece, 0, now)
		c.leave(id, piece)
	}
	if c.enter("one more", piece, piece, 0, now) {
		t.Error("accounts without end")
	}
	if !c.enter("5", 16<<20, 16<<20, 0, now) {
		t.Error("a piece of 16 MiB is kept out")
	}
	now = now.Add(creditLag)
	if !c.enter("one more", piece, piece, 0, now) || len(c.askers) > 2 {
		t.Errorf("%d accounts are kept of who has gone", len(c.askers))
	}
}
