package crowd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ArrivalKind is how a crowd comes.
type ArrivalKind string

// The kinds of arrival.
const (
	AllAtOnce ArrivalKind = "all"      // everybody at the same moment
	Every     ArrivalKind = "every"    // one after another, Gap apart
	Poisson   ArrivalKind = "poisson"  // at random, PerSecond on average
	Slashdot  ArrivalKind = "slashdot" // a steep rise and a long tail, over Over
)

// Arrival is when the nodes come. Its text form is all, every:2s,
// poisson:RATE (a second) or slashdot:DURATION.
type Arrival struct {
	Kind      ArrivalKind
	Gap       time.Duration
	PerSecond float64
	Over      time.Duration
}

// UnmarshalText reads the text form.
func (a *Arrival) UnmarshalText(text []byte) error {
	kind, value, _ := strings.Cut(string(text), ":")
	got := Arrival{Kind: ArrivalKind(kind)}
	var err error
	ok := true
	switch got.Kind {
	case AllAtOnce:
		ok = value == ""
	case Every:
		got.Gap, err = time.ParseDuration(value)
		ok = got.Gap >= 0
	case Poisson:
		got.PerSecond, err = strconv.ParseFloat(value, 64)
		ok = got.PerSecond > 0 && got.PerSecond <= 1e9
	case Slashdot:
		got.Over, err = time.ParseDuration(value)
		ok = got.Over > 0
	default:
		ok = false
	}
	if err != nil || !ok {
		return fmt.Errorf("arrival %q is none of all, every:2s, poisson:5 (a second), slashdot:10m", text)
	}
	*a = got
	return nil
}

// String returns the text form.
func (a Arrival) String() string {
	switch a.Kind {
	case Every:
		return "every:" + a.Gap.String()
	case Poisson:
		return "poisson:" + strconv.FormatFloat(a.PerSecond, 'g', -1, 64)
	case Slashdot:
		return "slashdot:" + a.Over.String()
	}
	return string(a.Kind)
}

// MarshalText returns the text form.
func (a Arrival) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Times returns when each of n nodes comes, in order, the first at 0.
func (a Arrival) Times(n int, r *rand.Rand) []time.Duration {
	out := make([]time.Duration, n)
	at := time.Duration(0)
	for i := range out {
		switch a.Kind {
		case Every:
			out[i] = time.Duration(i) * a.Gap
		case Poisson:
			out[i] = at
			at += time.Duration(r.ExpFloat64() / a.PerSecond * float64(time.Second))
		case Slashdot:
			out[i] = slashdotTime(a.Over, r)
		}
	}
	slices.Sort(out)
	for i := n - 1; i >= 0; i-- {
		out[i] -= out[0]
	}
	return out
}

// slashdotTime draws from a gamma distribution of shape 2, which rises
// steeply, peaks after a sixth of over and fades; what lies beyond over (1.7 %)
// is drawn again.
func slashdotTime(over time.Duration, r *rand.Rand) time.Duration {
	for {
		x := -math.Log((1-r.Float64())*(1-r.Float64())) / 6
		if x < 1 {
			return time.Duration(x * float64(over))
		}
	}
}
