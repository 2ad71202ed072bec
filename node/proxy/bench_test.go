package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// benchmark asks for one body over and over on one connection.
func benchmark(b *testing.B, h http.Handler, p *Proxy, size int) {
	s := httptest.NewUnstartedServer(nil)
	s.Config, s.Listener = p.Server(h), p.Strict(s.Listener)
	s.Start()
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 64<<10)
	raw := []byte("GET http://h.example/x HTTP/1.1\r\nHost: h.example\r\n\r\n")
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		conn.Write(raw)
		for { // the header
			line, err := r.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if len(line) == 2 {
				break
			}
		}
		if n, err := io.CopyN(io.Discard, r, int64(size)); err != nil || n != int64(size) {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkHit is the proxy's own cost on top of net/http, for bodies from
// memory and from disk.
func BenchmarkHit(b *testing.B) {
	path := filepath.Join(b.TempDir(), "body")
	for _, size := range []int{1 << 10, 100 << 10, 16 << 20} {
		data := make([]byte, size)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.Fatal(err)
		}
		open := func() *os.File {
			f, err := os.Open(path)
			if err != nil {
				b.Error(err)
			}
			return f
		}
		header := http.Header{"Content-Type": {"x/y"}, "Etag": {`"e"`}}
		for name, body := range map[string]func() io.ReadCloser{
			"memory": func() io.ReadCloser { return memory{bytes.NewReader(data)} },
			"file":   func() io.ReadCloser { return open() },
		} {
			b.Run(name+"/proxy/"+sizeName(size), func(b *testing.B) {
				p := New(Config{Fetcher: stored(header, body)})
				defer p.Close()
				benchmark(b, p.Handler(), p, size)
			})
			b.Run(name+"/plain/"+sizeName(size), func(b *testing.B) {
				p := New(Config{})
				defer p.Close()
				benchmark(b, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header()["Content-Type"] = header["Content-Type"]
					whole := body()
					defer whole.Close()
					http.ServeContent(w, r, "", time.Time{}, whole.(io.ReadSeeker))
				}), p, size)
			})
		}
	}
}

func sizeName(n int) string {
	if n >= 1<<20 {
		return "16MiB"
	}
	if n >= 100<<10 {
		return "100KiB"
	}
	return "1KiB"
}
