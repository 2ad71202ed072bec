//go:build system

package testnet

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
)

// longBody is how long the long body is: 10 GiB before a release.
func longBody() int64 {
	if *full {
		return 10 << 30
	}
	return 384 << 20
}

// TestMemoryIsFlat: a long body passes through the node, and into its cache, in
// as much memory as a short one.
func TestMemoryIsFlat(t *testing.T) {
	block := Random(1<<20, 4)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.ParseInt(r.URL.Path[1:], 10, 64)
		h := w.Header()
		h.Set("Content-Length", strconv.FormatInt(size, 10))
		h.Set("Etag", `"long"`)
		h.Set("Cache-Control", "max-age=3600")
		for ; size > 0; size -= int64(len(block)) {
			if _, err := w.Write(block[:min(size, int64(len(block)))]); err != nil {
				return
			}
		}
	}))
	defer web.Close()
	p := startSmall(t, "20GiB")
	var peaks []int64
	for _, size := range []int64{64 << 20, 64<<20 + 1, longBody()} {
		p.peak()
		n, err := p.fetch(fmt.Sprintf("%s/%d", web.URL, size))
		if err != nil || n != size {
			t.Fatalf("%d of %d octets: %v", n, size, err)
		}
		peaks = append(peaks, p.peak())
	}
	t.Logf("peaks: %d and %d MiB for 64 MiB, %d MiB for %d MiB", peaks[0]>>20, peaks[1]>>20, peaks[2]>>20, longBody()>>20)
	if grown := peaks[2] - peaks[1]; grown > 16<<20 {
		t.Errorf("%d octets more than for 64 MiB", grown)
	}
	if !bytes.Contains(p.ask("status", "--json"), []byte(`"bytes"`)) {
		t.Error("the node does not answer any more")
	}
}
