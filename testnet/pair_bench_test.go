//go:build system

package testnet

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// BenchmarkPairBesideStream takes a file with curl through one node from
// another that has it, on loopback without a limit, while the origin is slow;
// and the same octets through one libp2p stream over TCP and TLS in the same
// run. It reports medians: the rate of the node over that of the stream.
func BenchmarkPairBesideStream(b *testing.B) {
	body := Random(64<<20, 22)
	web := startNginx(b, body)
	nodes := startProcesses(b, 2)
	stream := newStream(b, body)
	var pair, raw []float64
	for i := 0; b.Loop(); i++ {
		url := fmt.Sprintf("%s/big.bin?n=%d", web.URL, i)
		web.Pace.SetRate(0)
		curlTimes(b, "-x", nodes[0].Proxy, url)
		web.Pace.SetRate(uplink)
		_, took := curlTimes(b, "-x", nodes[1].Proxy, url)
		pair, raw = append(pair, took), append(raw, stream().Seconds())
	}
	b.ReportMetric(float64(len(body))/1e6/median(pair), "pair-MB/s")
	b.ReportMetric(float64(len(body))/1e6/median(raw), "stream-MB/s")
	b.ReportMetric(median(raw)/median(pair), "pair/stream")
}

// newStream returns a function that sends body once over a bare stream and
// says how long that took.
func newStream(b *testing.B, body []byte) func() time.Duration {
	b.Helper()
	const protocol = "/stream/1"
	var ends [2]host.Host
	for i := range ends {
		h, err := libp2p.New(libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(libp2ptls.ID, libp2ptls.New),
			libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay(), libp2p.DisableMetrics())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = h.Close() })
		ends[i] = h
	}
	ends[0].SetStreamHandler(protocol, func(s network.Stream) {
		_, _ = s.Write(body)
		_ = s.Close()
	})
	if err := ends[1].Connect(b.Context(), peer.AddrInfo{ID: ends[0].ID(), Addrs: ends[0].Addrs()}); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 256<<10)
	return func() time.Duration {
		begin := time.Now()
		s, err := ends[1].NewStream(b.Context(), ends[0].ID(), protocol)
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, s, buf)
		if err != nil || n != int64(len(body)) {
			b.Fatalf("%d octets of the stream, %v", n, err)
		}
		return time.Since(begin)
	}
}
