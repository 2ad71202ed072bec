package swarm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Upload says how much a node gives to others. The zero value sets no bound.
// It counts every octet that the node writes as an answer, to whomever: bodies
// and what describes them, not the headers of TCP and TLS.
type Upload struct {
	// Rate is the most octets that leave in any second. Zero is no limit.
	Rate int64
	// Quota is the most octets of a calendar month, as the clock of this
	// machine has it. It holds over restarts where there is a database. Zero
	// is no limit.
	Quota int64
	// Windows are the times of day at which the node gives. None is always.
	Windows []Window
	// Metered means that this machine's line costs by volume: it gives nothing.
	Metered bool
}

// Why a node gives nothing now.
var (
	errMetered = errors.New("swarm: the line is metered")
	errWindow  = errors.New("swarm: outside the hours of giving")
	errQuota   = errors.New("swarm: the month's quota is used up")
)

const (
	// beatsPerSecond says how evenly a rate is kept: in each of them leaves its
	// share of a second at most.
	beatsPerSecond = 20
	beat           = time.Second / beatsPerSecond
	// leastShare is what each body that is given at a time gets of a limited
	// rate: twice what an asker takes for a sign of life.
	leastShare = 2 * leastProgress / 10
	// sameGrant is the time within which grants are counted as one, the later.
	sameGrant = time.Millisecond
)

// allowance grants what may be written. It looks back: what was granted within
// the last second, and what within the last beat, so that no second, whenever
// it begins, has more than the rate.
type allowance struct {
	upload Upload
	ledger *ledger

	mu     sync.Mutex // guards following
	grants []grant    // of the last second, oldest first
	urgent []*waiter  // served before the others
	queue  []*waiter
	bodies int // being given
}

type grant struct {
	at time.Time
	n  int64
}

// waiter is told by turn that it has become the first.
type waiter struct{ turn chan struct{} }

// refused says why nothing may leave now, nil if something may.
func (a *allowance) refused(now time.Time) error {
	switch {
	case a.upload.Metered:
		return errMetered
	case !open(a.upload.Windows, now):
		return errWindow
	case a.upload.Quota > 0 && a.ledger.used(now) >= a.upload.Quota:
		return errQuota
	}
	return nil
}

// enter reports whether one more body may be given, without any of them
// becoming so slow that its asker gives up. Whoever enters leaves.
func (a *allowance) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.upload.Rate > 0 && int64(a.bodies) >= max(1, a.upload.Rate/leastShare) {
		return false
	}
	a.bodies++
	return true
}

func (a *allowance) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bodies--
}

// take waits until one octet or more may leave, and returns how many of the
// wanted ones. What is urgent is granted first, each kind in the order of
// asking.
func (a *allowance) take(ctx context.Context, wanted int, urgent bool) (int, error) {
	if a.upload.Rate <= 0 && a.upload.Quota <= 0 {
		return wanted, a.refused(time.Now())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	w := &waiter{make(chan struct{}, 1)}
	a.queueLocked(w, urgent)
	defer a.leaveLocked(w)
	for {
		var again <-chan time.Time
		if a.firstLocked() == w {
			now := time.Now()
			n, wait, err := a.grantLocked(now, int64(wanted))
			if n > 0 || err != nil {
				return int(n), err
			}
			again = time.After(wait)
		}
		a.mu.Unlock()
		select {
		case <-w.turn:
		case <-again:
		case <-ctx.Done():
		}
		a.mu.Lock()
		if err := ctx.Err(); err != nil {
			return 0, fmt.Errorf("wait for upload: %w", err)
		}
	}
}

func (a *allowance) queueLocked(w *waiter, urgent bool) {
	if urgent {
		a.urgent = append(a.urgent, w)
	} else {
		a.queue = append(a.queue, w)
	}
}

func (a *allowance) firstLocked() *waiter {
	if len(a.urgent) > 0 {
		return a.urgent[0]
	}
	return a.queue[0]
}

// leaveLocked takes w out and lets the first of those who are left look.
func (a *allowance) leaveLocked(w *waiter) {
	for _, q := range []*[]*waiter{&a.urgent, &a.queue} {
		for i, other := range *q {
			if other == w {
				*q = append((*q)[:i:i], (*q)[i+1:]...)
				break
			}
		}
	}
	if len(a.urgent)+len(a.queue) > 0 {
		select {
		case a.firstLocked().turn <- struct{}{}:
		default:
		}
	}
}

// grantLocked grants up to wanted octets now, or says how long none can be.
func (a *allowance) grantLocked(now time.Time, wanted int64) (n int64, wait time.Duration, err error) {
	if err := a.refused(now); err != nil {
		return 0, 0, err
	}
	n = wanted
	if a.upload.Rate > 0 {
		if n, wait = a.freeLocked(now, n); n <= 0 {
			return 0, wait, nil
		}
	}
	if a.upload.Quota > 0 {
		if n, err = a.ledger.spend(now, n, a.upload.Quota); n <= 0 || err != nil {
			return 0, 0, errors.Join(errQuota, err)
		}
	}
	if a.upload.Rate > 0 {
		a.noteLocked(grant{now, n})
	}
	return n, 0, nil
}

// freeLocked returns how many of n octets fit the last second and the last
// beat, or when that may next be one.
func (a *allowance) freeLocked(now time.Time, n int64) (int64, time.Duration) {
	for len(a.grants) > 0 && now.Sub(a.grants[0].at) >= time.Second {
		a.grants = a.grants[1:]
	}
	var inSecond, inBeat int64
	nextBeat := beat
	for _, g := range a.grants {
		inSecond += g.n
		if age := now.Sub(g.at); age < beat {
			inBeat += g.n
			nextBeat = min(nextBeat, beat-age)
		}
	}
	share := (a.upload.Rate + beatsPerSecond - 1) / beatsPerSecond
	switch {
	case inSecond >= a.upload.Rate:
		return 0, time.Second - now.Sub(a.grants[0].at)
	case inBeat >= share:
		return 0, nextBeat
	}
	return min(n, a.upload.Rate-inSecond, share-inBeat), 0
}

// noteLocked notes a grant. Grants of nearly the same time are one, and count
// from the later time on.
func (a *allowance) noteLocked(g grant) {
	if last := len(a.grants) - 1; last >= 0 && g.at.Sub(a.grants[last].at) < sameGrant {
		g.n += a.grants[last].n
		a.grants = a.grants[:last]
	}
	a.grants = append(a.grants, g)
}
