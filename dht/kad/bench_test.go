package kad_test

import (
	"context"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/dht/dhttest"
)

// BenchmarkJoinFirstMember measures the time from Join to the first member, in
// a network of 40 nodes with one member, by nodes that take turns. The time to
// the end of the Join is reported beside it.
func BenchmarkJoinFirstMember(b *testing.B) {
	nodes := newNet(b, 40, 4)
	var toEnd time.Duration
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		k := dhttest.Key(b, i)
		for range nodes[i%20].Join(b.Context(), k) {
		}
		joiner := nodes[20+i%20]
		began := time.Now()
		b.StartTimer()
		members := joiner.Join(b.Context(), k)
		if _, ok := <-members; !ok {
			b.Fatal("found nobody")
		}
		b.StopTimer()
		for range members {
		}
		toEnd += time.Since(began)
		b.StartTimer()
	}
	b.ReportMetric(float64(toEnd.Nanoseconds())/float64(b.N), "ns-to-end/op")
}

// BenchmarkFindAgain measures a Find whose holders are remembered.
func BenchmarkFindAgain(b *testing.B) {
	nodes := newNet(b, 40, 4)
	k := dhttest.Key(b, 0)
	for range nodes[1].Join(b.Context(), k) {
	}
	find := func(ctx context.Context) (found int) {
		var members <-chan dht.Member = nodes[30].Find(ctx, k)
		for range members {
			found++
		}
		return found
	}
	find(b.Context())
	for b.Loop() {
		if find(b.Context()) != 1 {
			b.Fatal("found nobody")
		}
	}
}
