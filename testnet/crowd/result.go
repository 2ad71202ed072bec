package crowd

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"
)

// Result is what came of a rehearsal. Its JSON names are fixed (design.md
// section 10); what never happened is null.
type Result struct {
	Engine   string  `json:"engine"`
	Scenario string  `json:"scenario"`
	Seed     uint64  `json:"seed"`
	Nodes    int     `json:"nodes"`
	Makespan Seconds `json:"makespan_s"`
	// Bound is the fluid bound, BoundRatio the makespan over it.
	Bound      Seconds `json:"bound_s"`
	BoundRatio Number  `json:"bound_ratio"`
	Mean       Seconds `json:"mean_s"`
	P50        Seconds `json:"p50_s"`
	P95        Seconds `json:"p95_s"`
	P99        Seconds `json:"p99_s"`
	FirstByte  Seconds `json:"first_byte_p95_s"`
	// OriginCopies is body octets that the origin sent, over the size.
	OriginCopies   float64 `json:"origin_copies"`
	OriginRequests int     `json:"origin_requests"`
	// Fairness is Jain's index of what honest nodes uploaded: 1 when all gave
	// the same.
	Fairness float64 `json:"fairness"`
	// ControlBytes is what nodes said to each other besides bodies.
	ControlBytes int64 `json:"control_bytes"`
	// WrongBytes that readers got. Never anything but 0.
	WrongBytes   int64    `json:"wrong_bytes"`
	LiarsBanned  int      `json:"liars_banned"`
	HonestBanned int      `json:"honest_banned"`
	AssertFailed []string `json:"assert_failed"`
	Direct       Direct   `json:"direct"`

	// Completed downloads, those that ended without the file (an error, or
	// the visitor gave up), and nodes that left before they were done.
	Completed int `json:"completed"`
	Failed    int `json:"failed"`
	Left      int `json:"left"`
	// Liars among the nodes.
	Liars int `json:"liars"`
	// Octets that readers got, by where they came from.
	FromOrigin int64 `json:"from_origin_bytes"`
	FromPeers  int64 `json:"from_peers_bytes"`

	// Trace is for plots and not part of the JSON.
	Trace Trace `json:"-"`
}

// Direct is the same crowd without flashcrowd: everybody from the origin.
type Direct struct {
	Makespan     Seconds `json:"makespan_s"`
	Mean         Seconds `json:"mean_s"`
	OriginCopies float64 `json:"origin_copies"`
	Completed    int     `json:"completed"`

	Trace Trace `json:"-"`
}

// Trace is how a rehearsal went over time.
type Trace struct {
	// Times from arrival to completion of those who got the file, sorted.
	Times []time.Duration
	// Origin and Peers are octets a second of body, in steps of Step.
	Step          time.Duration
	Origin, Peers []float64
}

// Number is a JSON number, or null when it is not finite.
type Number float64

// Seconds are seconds as a Number.
type Seconds = Number

// Never is what did not happen.
var Never = Number(math.Inf(1))

// MarshalJSON writes at most six significant decimals, or null.
func (n Number) MarshalJSON() ([]byte, error) {
	if f := float64(n); !math.IsInf(f, 0) && !math.IsNaN(f) {
		return json.Marshal(math.Round(f*1e6) / 1e6)
	}
	return []byte("null"), nil
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (n *Number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = Never
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	*n = Number(f)
	return err
}

// Is returns d in seconds.
func Is(d time.Duration) Seconds { return Seconds(d.Seconds()) }

// Visit is how one downloader fared. Done and FirstByte are negative when they
// did not happen; both, like At, count from the first arrival.
type Visit struct {
	At, FirstByte, Done time.Duration
	// Left: it went away before it was done.
	Left bool
}

// Tell sets what r says of times, from all visits.
func (r *Result) Tell(visits []Visit) {
	var times, firsts []time.Duration
	r.Makespan, r.Completed, r.Failed, r.Left = 0, 0, 0, 0
	for _, v := range visits {
		switch {
		case v.Done >= 0:
			r.Completed++
			r.Makespan = max(r.Makespan, Is(v.Done))
			times = append(times, v.Done-v.At)
		case v.Left:
			r.Left++
		default:
			r.Failed++
		}
		if v.FirstByte >= 0 {
			firsts = append(firsts, v.FirstByte-v.At)
		}
	}
	slices.Sort(times)
	slices.Sort(firsts)
	if r.Failed > 0 || r.Completed == 0 {
		r.Makespan = Never
	}
	r.Mean, r.P50, r.P95, r.P99 = mean(times), Quantile(times, .5), Quantile(times, .95), Quantile(times, .99)
	r.FirstByte = Quantile(firsts, .95)
	r.BoundRatio = r.Makespan / r.Bound
	r.Trace.Times = times
}

// SetDirect takes what d says of going direct.
func (r *Result) SetDirect(d Result) {
	r.Direct = Direct{Makespan: d.Makespan, Mean: d.Mean, OriginCopies: d.OriginCopies, Completed: d.Completed, Trace: d.Trace}
}

// Quantile returns the q-quantile of sorted times, Never when there are none.
func Quantile(sorted []time.Duration, q float64) Seconds {
	if len(sorted) == 0 {
		return Never
	}
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return Is(sorted[max(i, 0)])
}

func mean(times []time.Duration) Seconds {
	if len(times) == 0 {
		return Never
	}
	sum := 0.0
	for _, t := range times {
		sum += t.Seconds()
	}
	return Seconds(sum / float64(len(times)))
}

// Jain returns Jain's index of fairness, 1 for nothing at all.
func Jain(shares []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, x := range shares {
		sum, squares = sum+x, squares+x*x
	}
	if squares == 0 {
		return 1
	}
	return sum * sum / (float64(len(shares)) * squares)
}
