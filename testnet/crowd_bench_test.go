//go:build system && linux

package testnet

import (
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/testnet/netns/trial"
)

// crowdJSON takes the results of BenchmarkCrowd, one a line.
var crowdJSON = flag.String("crowd.json", "", "append the results of BenchmarkCrowd to this `file`, as JSON, one a line")

// crowds are the scenarios of BenchmarkCrowd, each with the ways in which it
// is worth playing.
var crowds = []struct {
	trial.Scenario
	ways []trial.Way
}{
	{trial.Scenario{Name: "8-at-once"}, []trial.Way{trial.Direct, trial.Aria2, trial.Libtorrent, trial.Flashcrowd}},
	{trial.Scenario{Name: "16-at-once", Peers: 16}, []trial.Way{trial.Direct, trial.Aria2, trial.Libtorrent, trial.Flashcrowd}},
	{trial.Scenario{Name: "8-every-2s", Gap: 2 * time.Second}, []trial.Way{trial.Direct, trial.Aria2, trial.Libtorrent, trial.Flashcrowd}},
	{trial.Scenario{Name: "alone", Peers: 1}, []trial.Way{trial.Direct, trial.Aria2, trial.Libtorrent, trial.Flashcrowd}},
	{trial.Scenario{Name: "origin-dies-after-1.3-copies", DiesAfter: 1.3}, []trial.Way{trial.Aria2, trial.Libtorrent, trial.Flashcrowd}},
	{trial.Scenario{Name: "origin-dies-when-first-is-done", Gap: 2 * time.Second, DiesAtFirst: true}, []trial.Way{trial.Aria2, trial.Libtorrent, trial.Flashcrowd}},
}

// BenchmarkCrowd plays a crowd over real sockets on shaped links, in
// namespaces, with the real programs: curl straight from the origin, aria2 and
// libtorrent on a torrent with web seed, and nodes. -bench Crowd/SCENARIO/WAY picks.
func BenchmarkCrowd(b *testing.B) {
	var all []trial.Result
	for _, c := range crowds {
		b.Run(c.Name, func(b *testing.B) {
			for _, way := range c.ways {
				b.Run(string(way), func(b *testing.B) {
					for b.Loop() {
						all = append(all, playCrowd(b, c.Scenario, way))
					}
				})
			}
		})
	}
	if err := trial.WriteTable(os.Stdout, all); err != nil {
		b.Fatal(err)
	}
}

func playCrowd(b *testing.B, s trial.Scenario, way trial.Way) trial.Result {
	b.Helper()
	r, err := trial.Run(b.Context(), s, way)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range r.Errors {
		b.Log(e)
	}
	if r.Wrong > 0 {
		b.Errorf("%d downloads ended with wrong octets", r.Wrong)
	}
	b.ReportMetric(r.BoundRatio, "times-bound")
	b.ReportMetric(r.MeanBoundOver, "mean-times-bound")
	b.ReportMetric(r.LineCopies, "line-copies")
	b.ReportMetric(r.PageP50*1e3, "page-p50-ms")
	b.ReportMetric(r.CPU, "cpu-s")
	b.ReportMetric(0, "ns/op")
	if *crowdJSON != "" {
		appendJSON(b, *crowdJSON, r)
	}
	return r
}

func appendJSON(b *testing.B, path string, v any) {
	b.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := json.NewEncoder(f).Encode(v); err != nil {
		b.Fatal(err)
	}
}
