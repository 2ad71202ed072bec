package origin

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// A body over HTTP/2 that nobody reads costs the origin, and this node's
// memory, no more than the window and what the server itself buffers.
func TestUnreadBodyIsBounded(t *testing.T) {
	const (
		chunk  = 16 << 10
		window = 128 << 10
	)
	for _, tt := range []struct{ window, want int }{{window, window}, {0, 1 << 20}} {
		var sent atomic.Int64
		srv, cas := webserver(t, true, func(w http.ResponseWriter, _ *http.Request) {
			page := make([]byte, chunk)
			for range 16 << 20 / chunk {
				n, err := w.Write(page)
				if err != nil || http.NewResponseController(w).Flush() != nil {
					return
				}
				sent.Add(int64(n))
			}
		})
		c := client(t, Config{RootCAs: cas, StreamWindow: tt.window})
		a := send(t, c, get(t, srv.URL))
		got := settled(t, &sent)
		if got > int64(tt.want+2*chunk) || got < int64(tt.want/2) {
			t.Errorf("window %d: %d octets were sent unread", tt.want, got)
		}
		// Other streams of the connection go on meanwhile.
		b := send(t, c, get(t, srv.URL))
		if n, err := io.Copy(io.Discard, b.Body); n != 16<<20 || err != nil {
			t.Errorf("beside an unread body: %d octets, %v", n, err)
		}
		if n, err := io.Copy(io.Discard, a.Body); n != 16<<20 || err != nil {
			t.Errorf("read at last: %d octets, %v", n, err)
		}
	}
}

// settled waits until n has been the same for a while.
func settled(t *testing.T, n *atomic.Int64) int64 {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	last, same := int64(-1), 0
	for same < 10 {
		select {
		case <-deadline:
			t.Fatal("it never comes to rest")
		case <-tick.C:
		}
		if now := n.Load(); now == last {
			same++
		} else {
			last, same = now, 0
		}
	}
	return last
}

// BenchmarkBody streams a body through Send and, in the same run, through a
// plain http.Client.
func BenchmarkBody(b *testing.B) {
	const size = 64 << 20
	page := make([]byte, 256<<10)
	for _, secure := range []bool{false, true} {
		srv, cas := webserver(b, secure, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			for range size / len(page) {
				if _, err := w.Write(page); err != nil {
					return
				}
			}
		})
		c := client(b, Config{RootCAs: cas})
		scheme := map[bool]string{false: "http", true: "h2"}[secure]
		buf := make([]byte, 64<<10)
		b.Run(scheme+"/send", func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				a, err := c.Send(b.Context(), get(b, srv.URL), nil)
				if err != nil {
					b.Fatal(err)
				}
				drain(b, a.Body, buf, size)
			}
		})
		b.Run(scheme+"/plain", func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				resp, err := srv.Client().Get(srv.URL)
				if err != nil {
					b.Fatal(err)
				}
				drain(b, resp.Body, buf, size)
			}
		})
	}
}

func drain(b *testing.B, r io.ReadCloser, buf []byte, size int64) {
	defer r.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, buf)
	if n != size || err != nil {
		b.Fatalf("%d octets, %v", n, err)
	}
}

// BenchmarkWindow shows what the window costs on a long way: one stream of
// HTTP/2 over a link with a round trip of 40 ms.
func BenchmarkWindow(b *testing.B) {
	const size, trip = 16 << 20, 40 * time.Millisecond
	for _, window := range []int{256 << 10, 1 << 20, 4<<20 - 1} {
		b.Run(fmt.Sprintf("%dKiB", window>>10), func(b *testing.B) {
			srv, cas := webserver(b, true, func(w http.ResponseWriter, _ *http.Request) {
				page := make([]byte, 64<<10)
				for range size / len(page) {
					if _, err := w.Write(page); err != nil {
						return
					}
				}
			})
			c := client(b, Config{RootCAs: cas, StreamWindow: window, Dial: faraway(srv, trip)})
			buf := make([]byte, 64<<10)
			b.SetBytes(size)
			for b.Loop() {
				a, err := c.Send(b.Context(), get(b, srv.URL), nil)
				if err != nil {
					b.Fatal(err)
				}
				drain(b, a.Body, buf, size)
			}
		})
	}
}

// faraway dials srv over a link that takes trip there and back, and has no
// limit of its own.
func faraway(srv *httptest.Server, trip time.Duration) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		near, err := d.DialContext(ctx, network, srv.Listener.Addr().String())
		if err != nil {
			return nil, err
		}
		ours, theirs := net.Pipe()
		go lag(theirs, near, trip/2)
		go lag(near, theirs, trip/2)
		return elsewhere{ours, near.RemoteAddr()}, nil
	}
}

// lag copies from one connection to the other, each octet late by delay, until
// one of them ends, and then closes both.
func lag(to, from net.Conn, delay time.Duration) {
	type late struct {
		data []byte
		due  time.Time
	}
	queue := make(chan late, 4096)
	go func() {
		defer close(queue)
		for {
			data := make([]byte, 64<<10)
			n, err := from.Read(data)
			if err != nil {
				return
			}
			queue <- late{data[:n], time.Now().Add(delay)}
		}
	}()
	failed := false
	for l := range queue {
		if failed {
			continue
		}
		<-time.After(time.Until(l.due))
		if _, err := to.Write(l.data); err != nil {
			failed = true
			from.Close()
		}
	}
	to.Close()
	from.Close()
}
