//go:build linux

package trial

import (
	"fmt"
	"io"
)

// WriteTable writes results as a table in Markdown.
func WriteTable(w io.Writer, results []Result) error {
	_, err := fmt.Fprint(w, "| scenario | way | makespan | × bound | mean | × bound | origin's line, copies (body) | requests | first octet p50, p95 | "+
		"page p50, p95 | sent by a peer, copies | CPU | machine busy | failed |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		if err != nil {
			return err
		}
		first := "-"
		if r.FirstByteP50 > 0 {
			first = fmt.Sprintf("%.0f, %.0f ms", r.FirstByteP50*1e3, r.FirstByteP95*1e3)
		}
		_, err = fmt.Fprintf(w, "| %s | %s | %.1f s | %.2f | %.1f s | %.2f | %.2f (%.2f) | %d | %s | %.0f, %.0f ms | %.2f–%.2f | %.1f s | %.0f %% | %d |\n",
			r.Scenario, r.Way, r.Makespan, r.BoundRatio, r.Mean, r.MeanBoundOver, r.LineCopies, r.OriginCopies, r.OriginRequests, first,
			r.PageP50*1e3, r.PageP95*1e3, r.UploadLeast, r.UploadMost, r.CPU, r.Busy*100, r.Failed)
	}
	return err
}
