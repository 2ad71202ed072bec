package crowd

import (
	"slices"
	"time"
)

// Line is what one downloader has: when it comes, and the rates of its line in
// octets a second.
type Line struct {
	At       time.Duration
	Up, Down float64
}

// Bound returns the makespan that nothing can beat when every line want size
// octets of an origin with rate up: max(S/u_o, max(a_i + S/d_i), T), where T
// solves ∫0..T (u_o + Σ u_i of those who have come) dt = N·S (design.md
// section 10).
func Bound(size, up float64, lines []Line) time.Duration {
	bound := size / up
	for _, l := range lines {
		bound = max(bound, l.At.Seconds()+size/l.Down)
	}
	return time.Duration(max(bound, carried(size*float64(len(lines)), up, lines)) * float64(time.Second))
}

// MeanBound returns the mean time from arrival to completion that nothing can
// beat. The k-th completion is not before k copies could leave all lines
// together, nor before the origin has sent one copy, nor before k lines could
// take one each.
func MeanBound(size, up float64, lines []Line) time.Duration {
	var alone []float64
	sum := 0.0
	for _, l := range lines {
		alone = append(alone, l.At.Seconds()+size/l.Down)
		sum -= l.At.Seconds()
	}
	slices.Sort(alone)
	for k := range alone {
		sum += max(size/up, alone[k], carried(size*float64(k+1), up, lines))
	}
	return time.Duration(sum / float64(len(lines)) * float64(time.Second))
}

// carried is when the lines of the origin and of those who have come can have
// sent need octets, in seconds.
func carried(need, up float64, lines []Line) float64 {
	byTime := slices.SortedStableFunc(slices.Values(lines), func(a, b Line) int { return int(a.At - b.At) })
	rate, at := up, 0.0
	for _, l := range byTime {
		next := l.At.Seconds()
		if need <= rate*(next-at) {
			break
		}
		need -= rate * (next - at)
		at = next
		rate += l.Up
	}
	return at + need/rate
}
