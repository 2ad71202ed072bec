//go:build system

package testnet

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
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
// run. It reports medians: the rate of the node over that of the stream, and
// what is the most that any node could reach (startProvenStream).
func BenchmarkPairBesideStream(b *testing.B) {
	body := Random(64<<20, 22)
	web := startNginx(b, body)
	nodes := startProcesses(b, 2)
	stream := newStream(b, body)
	proven := startProvenStream(b, body, stream)
	var pair, most, raw []float64
	for i := 0; b.Loop(); i++ {
		url := fmt.Sprintf("%s/big.bin?n=%d", web.URL, i)
		web.Pace.SetRate(0)
		curlTimes(b, "-x", nodes[0].Proxy, url)
		web.Pace.SetRate(uplink)
		_, took := curlTimes(b, "-x", nodes[1].Proxy, url)
		begin := time.Now()
		stream(io.Discard)
		raw = append(raw, time.Since(begin).Seconds())
		_, bare := curlTimes(b, proven)
		pair, most = append(pair, took), append(most, bare)
	}
	b.ReportMetric(float64(len(body))/1e6/median(pair), "pair-MB/s")
	b.ReportMetric(float64(len(body))/1e6/median(raw), "stream-MB/s")
	b.ReportMetric(median(raw)/median(pair), "pair/stream")
	b.ReportMetric(median(raw)/median(most), "most/stream")
}

// startProvenStream returns the URL of a bare HTTP server that does for each
// request the least that any node does which hands on proven octets alone: the
// body comes over one bare stream, is hashed once and written to a file by
// goroutines of their own meanwhile, and goes to the client by sendfile when its
// digest is right. What proves a SHA-256 is its last octet, so nothing may go to
// the client before.
func startProvenStream(b *testing.B, body []byte, stream func(io.Writer)) string {
	b.Helper()
	digest := sha256.Sum256(body)
	path := filepath.Join(b.TempDir(), "body")
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, err := os.Create(path)
		if err != nil {
			b.Error(err)
			return
		}
		defer file.Close()
		hash := sha256.New()
		both := newSpread(hash, file)
		stream(both)
		both.end()
		if [32]byte(hash.Sum(nil)) != digest {
			b.Error("the stream brought something else")
			return
		}
		http.ServeContent(w, r, "", time.Time{}, file)
	}))
	b.Cleanup(web.Close)
	return web.URL
}

// streamBuffer is how much is read from a bare stream at a time.
const streamBuffer = 256 << 10

// newStream returns a function that sends body once over a bare stream and
// writes it to what it is given.
func newStream(b *testing.B, body []byte) func(io.Writer) {
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
	buf := make([]byte, streamBuffer)
	return func(to io.Writer) {
		s, err := ends[1].NewStream(b.Context(), ends[0].ID(), protocol)
		if err != nil {
			b.Error(err)
			return
		}
		defer s.Close()
		n, err := io.CopyBuffer(struct{ io.Writer }{to}, s, buf)
		if err != nil || n != int64(len(body)) {
			b.Errorf("%d octets of the stream, %v", n, err)
		}
	}
}

// spread writes what it is given to several writers, each on a goroutine of its
// own, from buffers that are used again: one copy for all.
type spread struct {
	free  chan []byte
	parts []chan part
	ended sync.WaitGroup
}

// part is a filled buffer, and how many still read it.
type part struct {
	octets []byte
	users  *atomic.Int32
}

func newSpread(to ...io.Writer) *spread {
	s := &spread{free: make(chan []byte, 32)}
	for range cap(s.free) {
		s.free <- make([]byte, streamBuffer)
	}
	for _, w := range to {
		parts := make(chan part, cap(s.free))
		s.parts = append(s.parts, parts)
		s.ended.Go(func() {
			for p := range parts {
				_, _ = w.Write(p.octets) // the digest and what curl gets say what came of it
				if p.users.Add(-1) == 0 {
					s.free <- p.octets[:streamBuffer]
				}
			}
		})
	}
	return s
}

// Write takes streamBuffer octets at most.
func (s *spread) Write(octets []byte) (int, error) {
	p := part{<-s.free, new(atomic.Int32)}
	p.octets = p.octets[:copy(p.octets, octets)]
	p.users.Store(int32(len(s.parts)))
	for _, to := range s.parts {
		to <- p
	}
	return len(p.octets), nil
}

// end returns when all is written.
func (s *spread) end() {
	for _, to := range s.parts {
		close(to)
	}
	s.ended.Wait()
}
