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
	byTime := slices.SortedStableFunc(slices.Values(lines), func(a, b Line) int { return int(a.At - b.At) })
	need, rate, at := size*float64(len(lines)), up, 0.0
	for _, l := range byTime {
		next := l.At.Seconds()
		if need <= rate*(next-at) {
			break
		}
		need -= rate * (next - at)
		at = next
		rate += l.Up
	}
	return time.Duration(max(bound, at+need/rate) * float64(time.Second))
}
