//go:build system

package testnet

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
	var pair, least, raw []float64
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
		pair, least = append(pair, took), append(least, bare)
	}
	b.ReportMetric(float64(len(body))/1e6/median(pair), "pair-MB/s")
	b.ReportMetric(float64(len(body))/1e6/median(raw), "stream-MB/s")
	b.ReportMetric(median(raw)/median(pair), "pair/stream")
	b.ReportMetric(median(raw)/median(least), "least/stream")
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
		hashed, written := beside(hash), beside(file)
		stream(io.MultiWriter(hashed, written))
		hashed.end()
		written.end()
		if [32]byte(hash.Sum(nil)) != digest {
			b.Error("the stream brought something else")
			return
		}
		http.ServeContent(w, r, "", time.Time{}, file)
	}))
	b.Cleanup(web.Close)
	return web.URL
}

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
	buf := make([]byte, 256<<10)
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

// besideWriter hands what is written to a goroutine that writes it on.
type besideWriter struct {
	parts chan []byte
	done  chan struct{}
}

func beside(to io.Writer) *besideWriter {
	w := &besideWriter{parts: make(chan []byte, 64), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for p := range w.parts {
			_, _ = to.Write(p) // the digest and what curl gets say what came of it
		}
	}()
	return w
}

func (w *besideWriter) Write(p []byte) (int, error) {
	w.parts <- bytes.Clone(p)
	return len(p), nil
}

// end returns when all is written.
func (w *besideWriter) end() {
	close(w.parts)
	<-w.done
}
