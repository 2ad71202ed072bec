package testnet

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// WriteTable writes r for people: octets by source for each node, and the
// origin's burden.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "node\tseconds\tcache\torigin\tpeers\tright\t")
	for _, n := range r.Nodes {
		right := "yes"
		if !n.OK {
			right = "NO"
		}
		fmt.Fprintf(t, "%d\t%.1f\t%s\t%s\t%s\t%s\t\n", n.Node, n.Seconds, octets(n.Cache), octets(n.Origin), octets(n.Peers), right)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\norigin: %s in %d requests: %.2f copies of its large files for %d nodes (direct: %d.00)\n",
		octets(r.Origin.Bytes), r.Origin.Requests, r.Origin.Copies, len(r.Nodes), len(r.Nodes))
	return err
}

// octets writes n in binary units.
func octets(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

func peersOf(sources []fetch.SourceBytes) int {
	n := 0
	for _, s := range sources {
		if s.Kind == "peer" {
			n++
		}
	}
	return n
}
