//go:build linux

package trial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flashcrowd/flashcrowd/testnet/netns"
)

// Result is what came of a run. Times are seconds; the names are those of
// `testnet crowd` where the thing is the same. Copies are octets over the
// size of the file.
type Result struct {
	Engine   string `json:"engine"` // always sockets
	Scenario string `json:"scenario"`
	Way      Way    `json:"way"`
	Nodes    int    `json:"nodes"`
	// Makespan is from the first arrival to the last completion. Bound is
	// Scenario.Bounds.
	Makespan   float64 `json:"makespan_s"`
	Bound      float64 `json:"bound_s"`
	BoundRatio float64 `json:"bound_ratio"`
	// Mean is from arrival to completion, of those that completed.
	Mean          float64 `json:"mean_s"`
	MeanBoundOver float64 `json:"mean_bound_ratio"`
	P95           float64 `json:"p95_s"`
	// FirstByte is to the first octet of the body; 0 is unknown.
	FirstByteP50 float64 `json:"first_byte_p50_s"`
	FirstByteP95 float64 `json:"first_byte_p95_s"`
	// LineCopies is all that the origin's line carried, frames and all;
	// OriginCopies is that without the headers of frames, IP and TCP.
	LineCopies     float64 `json:"line_copies"`
	OriginCopies   float64 `json:"origin_copies"`
	OriginRequests int     `json:"origin_requests"`
	// What the peer that sent least and the one that sent most gave away.
	UploadLeast float64 `json:"upload_least_copies"`
	UploadMost  float64 `json:"upload_most_copies"`
	// PageP50 and PageP95 are what a bystander waited for a page of 1 KiB.
	PageP50 float64 `json:"page_p50_s"`
	PageP95 float64 `json:"page_p95_s"`
	// CPU is what the programs of all peers used, and Busy the share of the
	// machine's processors in use, by whomever.
	CPU    float64 `json:"cpu_s"`
	Busy   float64 `json:"busy"`
	Failed int     `json:"failed"`
	Wrong  int     `json:"wrong"`
	// Errors are those of the failed downloads.
	Errors []string `json:"errors,omitempty"`
}

// glance is what is counted before and after a run.
type glance struct {
	origin     netns.Traffic
	peers      []netns.Traffic
	cpu        time.Duration
	busy, idle float64
}

func (w *world) look(ctx context.Context, m method) (g glance, err error) {
	if g.origin, err = w.origin.host.Traffic(ctx); err != nil {
		return g, err
	}
	for _, h := range w.peers {
		t, err := h.Traffic(ctx)
		if err != nil {
			return g, err
		}
		g.peers = append(g.peers, t)
	}
	if g.cpu, err = m.cpu(); err != nil {
		return g, err
	}
	g.busy, g.idle, err = machine()
	return g, err
}

// machine returns how much time all processors together were busy and idle,
// in ticks since boot.
func machine() (busy, idle float64, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, fmt.Errorf("trial: look at the machine: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line)[1:] {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("trial: look at the machine: %w", err)
		}
		switch i {
		case 3, 4: // idle, iowait
			idle += n
		case 0, 1, 2, 5, 6, 7: // the others but what is counted twice
			busy += n
		}
	}
	return busy, idle, nil
}

// tell makes the result of a run.
func (w *world) tell(way Way, visits []outcome, pages []time.Duration, before, after glance) (r Result, err error) {
	s := w.scenario
	makespan, mean := s.Bounds()
	r = Result{Engine: "sockets", Scenario: s.Name, Way: way, Nodes: s.Peers, Bound: makespan.Seconds()}
	var times, firsts []time.Duration
	cpu := after.cpu - before.cpu
	for i, v := range visits {
		cpu += v.cpu
		if v.err != nil {
			r.Failed++
			if errors.Is(v.err, errWrong) {
				r.Wrong++
			}
			r.Errors = append(r.Errors, v.err.Error())
			continue
		}
		times = append(times, v.last)
		if v.first > 0 {
			firsts = append(firsts, v.first)
		}
		r.Makespan = max(r.Makespan, (s.Arrivals[i] + v.last).Seconds())
		r.Mean += v.last.Seconds()
	}
	r.Mean /= float64(max(len(times), 1))
	r.BoundRatio, r.MeanBoundOver = r.Makespan/r.Bound, r.Mean/mean.Seconds()
	r.P95, r.FirstByteP50, r.FirstByteP95 = quantile(times, .95), quantile(firsts, .5), quantile(firsts, .95)
	r.PageP50, r.PageP95 = quantile(pages, .5), quantile(pages, .95)
	r.CPU, r.Busy = cpu.Seconds(), (after.busy-before.busy)/max(after.busy-before.busy+after.idle-before.idle, 1)

	size := float64(s.Size)
	r.LineCopies = float64(after.origin.Sent-before.origin.Sent) / size
	r.OriginCopies = float64(after.origin.SentBody-before.origin.SentBody) / size
	for i := range w.peers {
		sent := max(float64(after.peers[i].SentBody-before.peers[i].SentBody)/size, 0) // a few frames have shorter headers
		if r.UploadMost = max(r.UploadMost, sent); i == 0 || sent < r.UploadLeast {
			r.UploadLeast = sent
		}
	}
	r.OriginRequests, err = w.origin.requests()
	return r, err
}

// quantile returns the q-quantile in seconds, 0 of nothing.
func quantile(all []time.Duration, q float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(int(q*float64(len(all))), len(all)-1)].Seconds()
}
