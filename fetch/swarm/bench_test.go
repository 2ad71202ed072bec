//go:build unix

package swarm

import (
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/libp2p/go-libp2p/core/network"
)

const benchSize = 64 << 20

// cpuPerGB returns a function that reports what the processors did for each GB
// of what b reports as its octets: both ends are in this process.
func cpuPerGB(b *testing.B, octets int64) func() {
	b.Helper()
	spent := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	begun := spent()
	return func() {
		b.ReportMetric((spent()-begun).Seconds()/(float64(octets)*float64(b.N)/1e9), "cpu-s/GB")
	}
}

// BenchmarkGet measures a body that goes from a shelf in memory to a reader,
// over loopback TCP and TLS, in spans of one size, one after the other. What
// is possible is BenchmarkRawStream.
func BenchmarkGet(b *testing.B) {
	o := newObject(b, "bench", benchSize)
	far := newSwarm(b, Config{Shelf: newShelf(o)})
	p := newPeer(b, newSwarm(b, Config{}), far.host, o.want())
	for _, size := range []int64{64 << 10, 256 << 10, 1 << 20, benchSize} {
		b.Run(fmt.Sprintf("span=%dKiB", size>>10), func(b *testing.B) {
			buf := make([]byte, 256<<10)
			b.SetBytes(size)
			b.ReportAllocs()
			defer cpuPerGB(b, size)()
			at := int64(0)
			for b.Loop() {
				r, err := p.Open(b.Context(), fetch.Span{Offset: at, End: at + size})
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, buf); n != size || err != nil {
					b.Fatal(n, err)
				}
				r.Close()
				at = (at + size) % benchSize
			}
		})
	}
}

// BenchmarkRawStream measures the same octets over a bare libp2p stream, all
// in one go.
func BenchmarkRawStream(b *testing.B) {
	far, near := newHost(b), newHost(b)
	far.SetStreamHandler(Protocol, func(st network.Stream) {
		buf := make([]byte, 256<<10)
		var octet [1]byte
		for {
			if _, err := io.ReadFull(st, octet[:]); err != nil {
				_ = st.Close()
				return
			}
			for range benchSize / len(buf) {
				if _, err := st.Write(buf); err != nil {
					return
				}
			}
		}
	})
	st := connect(b, near, far)
	buf := make([]byte, 256<<10)
	b.SetBytes(benchSize)
	b.ReportAllocs()
	defer cpuPerGB(b, benchSize)()
	for b.Loop() {
		write(b, st, []byte{1})
		if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(st, benchSize), buf); n != benchSize || err != nil {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkHave measures the largest have: that of a body of 512 MiB.
func BenchmarkHave(b *testing.B) {
	o := newObject(b, "bench", 512<<20)
	far := newSwarm(b, Config{Shelf: newShelf(o)})
	p := newPeer(b, newSwarm(b, Config{}), far.host, o.want())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Have(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
