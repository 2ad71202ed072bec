//go:build system

package testnet

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// curlTimes downloads url with curl and returns seconds to the first octet and
// in all.
func curlTimes(b *testing.B, args ...string) (first, total float64) {
	b.Helper()
	args = append([]string{"-sS", "--fail", "--noproxy", "", "-o", "/dev/null", "-w", "%{time_starttransfer} %{time_total}"}, args...)
	out, err := exec.Command("curl", args...).CombinedOutput()
	if err != nil {
		b.Fatalf("curl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	if _, err := fmt.Sscan(string(out), &first, &total); err != nil {
		b.Fatalf("curl said %q: %v", out, err)
	}
	return first, total
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// BenchmarkProxyBesideCurl compares downloads through a node, one that nobody
// has yet and one that the node has, with curl straight from the same nginx in
// the same run. It reports medians and ratios: node over direct.
func BenchmarkProxyBesideCurl(b *testing.B) {
	body := Random(64<<20, 21)
	web := startNginx(b, body)
	node := startProcess(b, 0, "none")
	var first, total [3][]float64 // direct, miss, hit
	for i := 0; b.Loop(); i++ {
		miss := fmt.Sprintf("%s/big.bin?n=%d", web.URL, i)
		for k, args := range [][]string{{web.URL + "/big.bin"}, {"-x", node.Proxy, miss}, {"-x", node.Proxy, miss}} {
			f, t := curlTimes(b, args...)
			first[k], total[k] = append(first[k], f), append(total[k], t)
		}
	}
	b.ReportMetric(median(first[0])*1e3, "direct-first-ms")
	b.ReportMetric(median(total[0])*1e3, "direct-ms")
	b.ReportMetric(median(first[1])/median(first[0]), "miss/direct-first")
	b.ReportMetric(median(total[1])/median(total[0]), "miss/direct")
	b.ReportMetric(median(first[2])/median(first[0]), "hit/direct-first")
	b.ReportMetric(median(total[2])/median(total[0]), "hit/direct")
}
