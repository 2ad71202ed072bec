package crowd

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// WriteTable writes r for people: the crowd, everybody direct, and the bound.
func (r Result) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...string) {
		for _, c := range cells {
			fmt.Fprint(t, c, "\t")
		}
		fmt.Fprintln(t)
	}
	row(r.Scenario, "crowd", "direct", "bound")
	row("makespan", r.Makespan.seconds(), r.Direct.Makespan.seconds(), r.Bound.seconds())
	row("mean completion", r.Mean.seconds(), r.Direct.Mean.seconds(), "")
	row("p95 completion", r.P95.seconds(), Quantile(r.Direct.Trace.Times, .95).seconds(), "")
	row("p95 first byte", r.FirstByte.seconds(), "", "")
	row("origin copies", fmt.Sprintf("%.3f", r.OriginCopies), fmt.Sprintf("%.3f", r.Direct.OriginCopies), "1")
	row("completed", fmt.Sprint(r.Completed), fmt.Sprint(r.Direct.Completed), fmt.Sprint(r.Nodes-r.Liars))
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s engine, seed %d, %d nodes (%d liars); makespan %s\n"+
		"origin requests %d, fairness %.2f, control %.1f kB a node\n"+
		"wrong bytes %d, liars banned %d, honest banned %d, failed %d, left %d\n",
		r.Engine, r.Seed, r.Nodes, r.Liars, r.BoundRatio.times(),
		r.OriginRequests, r.Fairness, float64(r.ControlBytes)/1e3/float64(max(r.Nodes, 1)),
		r.WrongBytes, r.LiarsBanned, r.HonestBanned, r.Failed, r.Left)
	for _, a := range r.AssertFailed {
		fmt.Fprintf(w, "does not hold: %s\n", a)
	}
	return err
}

func (n Number) times() string {
	if math.IsInf(float64(n), 0) || math.IsNaN(float64(n)) {
		return "never"
	}
	return fmt.Sprintf("%.2f times the bound", float64(n))
}

func (n Number) seconds() string {
	if math.IsInf(float64(n), 0) || math.IsNaN(float64(n)) {
		return "never"
	}
	return fmt.Sprintf("%.2f s", float64(n))
}
