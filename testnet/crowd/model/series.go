package model

import "time"

// maxSteps bounds a series; when it is full its steps are made twice as long.
const maxSteps = 1024

// series is octets over time.
type series struct {
	step time.Duration
	sums []float64
}

func newSeries() *series { return &series{step: 50 * time.Millisecond} }

// add counts octets that came evenly between from and to.
func (s *series) add(octets float64, from, to time.Duration) {
	for int(to/s.step) >= maxSteps {
		half := make([]float64, 0, maxSteps)
		for i := 0; i < len(s.sums); i += 2 {
			sum := s.sums[i]
			if i+1 < len(s.sums) {
				sum += s.sums[i+1]
			}
			half = append(half, sum)
		}
		s.step, s.sums = 2*s.step, half
	}
	last := int(to / s.step)
	for len(s.sums) <= last {
		s.sums = append(s.sums, 0)
	}
	first := int(from / s.step)
	if first == last {
		s.sums[last] += octets
		return
	}
	for i := first; i <= last; i++ {
		a, b := max(from, time.Duration(i)*s.step), min(to, time.Duration(i+1)*s.step)
		s.sums[i] += octets * float64(b-a) / float64(to-from)
	}
}

// rates returns octets a second for each step of the given length, which must
// be a multiple of the series' own.
func (s *series) rates(step time.Duration) []float64 {
	var out []float64
	for i, sum := range s.sums {
		k := int(time.Duration(i) * s.step / step)
		for len(out) <= k {
			out = append(out, 0)
		}
		out[k] += sum / step.Seconds()
	}
	return out
}
