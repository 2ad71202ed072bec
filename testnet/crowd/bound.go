package crowd

import (
	"cmp"
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
// beat: the greater of two bounds, by completions and by waiting.
func MeanBound(size, up float64, lines []Line) time.Duration {
	sum := max(byCompletions(size, up, lines), byWaiting(size, up, lines))
	return time.Duration(sum / float64(len(lines)) * float64(time.Second))
}

// byCompletions bounds the sum of all times from arrival to completion, in
// seconds. The k-th completion is not before k copies could leave all lines
// together, nor before the origin has sent one copy, nor before k lines could
// take one each.
func byCompletions(size, up float64, lines []Line) (sum float64) {
	var alone []float64
	for _, l := range lines {
		alone = append(alone, l.At.Seconds()+size/l.Down)
		sum -= l.At.Seconds()
	}
	slices.Sort(alone)
	for k := range alone {
		sum += max(size/up, alone[k], carried(size*float64(k+1), up, lines))
	}
	return sum
}

// byWaiting bounds the same sum. Nobody is done before the origin has sent one
// copy, so all who have come by then wait until then. Of what they all want,
// what no line could have carried by then costs somebody's waiting after it,
// at the rate of the fastest line down.
func byWaiting(size, up float64, lines []Line) (sum float64) {
	first, fastest := size/up, 0.0
	for _, l := range lines {
		sum += max(0, first-l.At.Seconds())
		fastest = max(fastest, l.Down)
	}
	return sum + max(0, size*float64(len(lines))-taken(first, up, lines))/fastest
}

// taken is what the lines of those who have come can have taken until a time in
// seconds, of the origin's and of each other's. One who is alone has nobody to
// send to.
func taken(until, up float64, lines []Line) (sum float64) {
	byTime := slices.SortedFunc(slices.Values(lines), func(a, b Line) int { return cmp.Compare(a.At, b.At) })
	ups, downs := up, 0.0
	for i, l := range byTime {
		ups, downs = ups+l.Up, downs+l.Down
		end := until
		if i+1 < len(byTime) {
			end = min(end, byTime[i+1].At.Seconds())
		}
		rate := min(ups, downs)
		if i == 0 {
			rate = min(up, downs)
		}
		sum += rate * max(0, end-l.At.Seconds())
	}
	return sum
}

// carried is when the lines of the origin and of those who have come can have
// sent need octets, in seconds.
func carried(need, up float64, lines []Line) float64 {
	byTime := slices.SortedStableFunc(slices.Values(lines), func(a, b Line) int { return cmp.Compare(a.At, b.At) })
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
