package swarm

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// allow returns an allowance whose ledger is in memory.
func allow(u Upload) *allowance { return &allowance{upload: u, ledger: new(ledger)} }

// sent is one grant that a test was given.
type sent struct {
	at time.Time
	n  int64
}

// mostPerSecond returns the most octets of any second: none has more than one
// that begins with a grant.
func mostPerSecond(log []sent) (most int64) {
	for i, first := range log {
		var sum int64
		for _, s := range log[i:] {
			if s.at.Sub(first.at) >= time.Second {
				break
			}
			sum += s.n
		}
		most = max(most, sum)
	}
	return most
}

// Ten greedy answers share a rate: no second, whenever it begins, has an octet
// more, and none of the rate is left unused.
func TestUploadLimitToTheOctet(t *testing.T) {
	for _, rate := range []int64{1, 19, 999, 125_003, 2_500_000} {
		synctest.Test(t, func(t *testing.T) { limitsTo(t, rate) })
	}
}

func limitsTo(t *testing.T, rate int64) {
	const run = 20 * time.Second
	a := allow(Upload{Rate: rate})
	ctx, cancel := context.WithTimeout(t.Context(), run)
	defer cancel()
	var mu sync.Mutex
	var log []sent
	var total int64
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			for {
				n, err := a.take(ctx, 1+rand.IntN(dataSize), i == 0)
				if err != nil {
					return
				}
				mu.Lock()
				log, total = append(log, sent{time.Now(), int64(n)}), total+int64(n)
				mu.Unlock()
				<-time.After(time.Duration(rand.IntN(3_000_000))) // what writing takes
			}
		})
	}
	all.Wait()
	if most := mostPerSecond(log); most > rate {
		t.Errorf("rate %d: a second with %d octets", rate, most)
	}
	if least := rate * (int64(run/time.Second) - 1) * 99 / 100; total < least {
		t.Errorf("rate %d: %d octets in %v, want %d or more", rate, total, run, least)
	}
	if len(a.grants) > int(time.Second/sameGrant) {
		t.Errorf("%d grants are remembered", len(a.grants))
	}
}

// What is urgent does not wait behind bodies.
func TestUrgentFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := allow(Upload{Rate: 1000})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		var bodies sync.WaitGroup
		for range 20 {
			bodies.Go(func() {
				for {
					if _, err := a.take(ctx, 1000, notUrgent); err != nil {
						return
					}
				}
			})
		}
		<-time.After(5 * time.Second)
		began := time.Now()
		if n, err := a.take(t.Context(), 50, isUrgent); n != 50 || err != nil {
			t.Errorf("took %d, %v", n, err)
		}
		if waited := time.Since(began); waited > 2*beat {
			t.Errorf("urgent octets waited %v", waited)
		}
		cancel()
		bodies.Wait()
	})
}

func TestFewBodiesAtALowRate(t *testing.T) {
	a := allow(Upload{Rate: 2 * leastShare})
	if !a.enter() || !a.enter() || a.enter() {
		t.Error("a rate for two bodies does not have room for exactly two")
	}
	a.leave()
	if !a.enter() {
		t.Error("no room after one left")
	}
	if slow := allow(Upload{Rate: 1}); !slow.enter() || slow.enter() {
		t.Error("the lowest rate does not give exactly one body")
	}
}

// A quota holds to the octet, over a clean restart and over a death, in which
// at most inAdvance is lost, and is there again in the next month.
func TestUploadQuotaOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(time.Date(2000, 1, 31, 23, 50, 0, 0, time.Local)))
		db := openDB(t, vfs.NewMem())
		defer db.Close()
		const quota = 20 << 20
		start := func() *allowance {
			l, err := openLedger(db, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			return &allowance{upload: Upload{Quota: quota}, ledger: l}
		}
		a := start()
		total := spendUpTo(t, a, 7<<20)
		if err := a.ledger.close(); err != nil {
			t.Fatal(err)
		}
		a = start()
		if used := a.ledger.used(time.Now()); used != total {
			t.Errorf("after a clean end %d are spent, want %d", used, total)
		}
		total += spendUpTo(t, a, 1<<20) // and it dies
		a = start()
		total += spendUpTo(t, a, quota)
		if total > quota || total < quota-inAdvance {
			t.Errorf("gave %d of %d octets in three runs", total, quota)
		}
		if a.refused(time.Now()) == nil {
			t.Error("gives although the quota is used up")
		}
		<-time.After(15 * time.Minute)
		if got := spendUpTo(t, a, 2*quota); got != quota {
			t.Errorf("gave %d in the next month, want %d", got, quota)
		}
	})
}

func spendUpTo(t *testing.T, a *allowance, most int64) (n int64) {
	t.Helper()
	for n < most {
		got, err := a.take(t.Context(), int(min(most-n, 60_001)), notUrgent)
		if errors.Is(err, errQuota) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		n += int64(got)
	}
	return n
}

func TestClockThatGoesBackBuysNoMonth(t *testing.T) {
	l := new(ledger)
	march := time.Date(2027, 3, 1, 0, 0, 1, 0, time.UTC)
	if n, err := l.spend(march, 10, 10); n != 10 || err != nil {
		t.Fatal(n, err)
	}
	if n, _ := l.spend(march.Add(-time.Hour), 10, 10); n != 0 {
		t.Errorf("a clock that was put back by an hour gave %d octets", n)
	}
}

func TestUploadWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := ParseWindow("22:00-07:30")
		if err != nil || w.String() != "22:00-07:30" {
			t.Fatal(w, err)
		}
		a := allow(Upload{Windows: []Window{w}})
		<-time.After(time.Until(time.Date(2027, 1, 1, 0, 0, 0, 0, time.Local))) // a midnight
		open := 0
		for range 24 * 60 {
			if _, err := a.take(t.Context(), 1, notUrgent); err == nil {
				open++
			} else if !errors.Is(err, errWindow) {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
		}
		if open != 9*60+30 {
			t.Errorf("gives in %d minutes of a day, want %d", open, 9*60+30)
		}
	})
	for _, bad := range []string{"", "22-7", "22:00", "7:00-7:00", "25:00-26:00", "a-b"} {
		if w, err := ParseWindow(bad); err == nil {
			t.Errorf("%q is read as %v", bad, w)
		}
	}
	if w, err := ParseWindow("00:00-24:00"); err != nil || !w.has(time.Now()) {
		t.Error("a whole day is none", err)
	}
}

// A node that gives nothing says busy to whoever asks, whatever it has, and
// still says so.
func TestMeteredGivesNothing(t *testing.T) {
	o := newObject(t, "metered", 3*dataSize)
	s := newSwarm(t, Config{Shelf: newShelf(o), Upload: Upload{Metered: true}})
	asker := newSwarm(t, Config{Limits: quick})
	_, err := newPeer(t, asker, s.host, o.want()).Have(t.Context())
	if err == nil {
		t.Error("a node on a metered line told what it has")
	}
	if got := s.Giving(); !errors.Is(got.Refused, errMetered) {
		t.Errorf("says of itself %v", got.Refused)
	}
	if sent := valueOf(t, s.metrics.uploads); sent != 0 {
		t.Errorf("gave %v octets", sent)
	}
}

// Over a real stream: an answer takes as long as its octets need at the rate,
// and arrives whole.
func TestUploadLimitOnAStream(t *testing.T) {
	const rate, size = 400_000, 600_000
	o := newObject(t, "limited", size)
	s := newSwarm(t, Config{Shelf: newShelf(o), Upload: Upload{Rate: rate}})
	asker := newSwarm(t, Config{})
	p := newPeer(t, asker, s.host, o.want())
	began := time.Now()
	got, err := readSpan(t, p, 0, size)
	if err != nil || string(got) != string(o.body) {
		t.Fatalf("%d octets, %v", len(got), err)
	}
	if took := time.Since(began); took < size*time.Second/rate-time.Second {
		t.Errorf("%d octets took %v at %d a second", size, took, rate)
	}
}
