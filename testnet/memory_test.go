//go:build system

package testnet

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// peak returns the process' largest resident set since it was last asked, in
// octets.
func (p *process) peak() int64 {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	var kib int64
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if _, err := fmt.Sscan(rest, &kib); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	reset := fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid)
	if err := os.WriteFile(reset, []byte("5"), 0); err != nil {
		p.t.Fatal(err)
	}
	return kib << 10
}

// TestMemoryDoesNotGrowWithTheBody holds a download of 512 MiB from a peer
// against one of 64 MiB: a transfer takes at most 8 MiB whatever its size,
// twice that with what the garbage collector leaves lying about.
func TestMemoryDoesNotGrowWithTheBody(t *testing.T) {
	small, large := Random(64<<20, 80), Random(512<<20, 81)
	nodes := startProcesses(t, 2)
	var peaks []int64
	for _, body := range [][]byte{small, small, large} {
		web := startNginx(t, body)
		nodes[0].mustCurl(web.URL+"/big.bin", body)
		web.Pace.SetRate(uplink)
		nodes[1].peak()
		nodes[1].mustCurl(web.URL+"/big.bin", body)
		peaks = append(peaks, nodes[1].peak())
	}
	t.Logf("peaks: %d, %d and %d MiB", peaks[0]>>20, peaks[1]>>20, peaks[2]>>20)
	if grown := peaks[2] - peaks[1]; grown > 16<<20 {
		t.Errorf("512 MiB took %d octets more than 64 MiB", grown)
	}
}
