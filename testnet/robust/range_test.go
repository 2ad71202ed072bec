package robust

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// zeros is an endless body of which any part can be had.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestOR15RangesDoNotAmplify: 100 clients that want an octet each of 1 GiB cost
// the origin no more than what is read ahead for each; the same octet for all
// is fetched once or twice.
func TestOR15RangesDoNotAmplify(t *testing.T) {
	const size, ahead = 1 << 30, 256 << 10
	each(t, everyWay, func(r *run) {
		var sent atomic.Int64
		r.origin(func(c *conn, q *http.Request) {
			var from, to int64
			spec := q.Header.Get("Range")
			head := fmt.Sprintf("Date: %s\r\nCache-Control: public, max-age=600\r\nEtag: \"v1\"\r\nAccept-Ranges: bytes\r\n", time.Now().UTC().Format(http.TimeFormat))
			if n, _ := fmt.Sscanf(spec, "bytes=%d-%d", &from, &to); n < 1 {
				c.say(fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n", head, size))
				to = size - 1
			} else {
				if n == 1 {
					to = size - 1
				}
				c.say(fmt.Sprintf("HTTP/1.1 206 Partial Content\r\n%sContent-Range: bytes %d-%d/%d\r\nContent-Length: %d\r\n\r\n", head, from, to, size, to-from+1))
			}
			n, err := io.CopyN(c, zeros{}, to-from+1)
			if sent.Add(n); err != nil {
				c.Close()
			}
		})
		octet := func(at int64) {
			resp, text := r.ask(plainGet + fmt.Sprintf("Range: bytes=%d-%[1]d\r\n\r\n", at))
			if r.status(resp, "", 206); text != "\x00" {
				r.Errorf("%d octets", len(text))
			}
		}
		crowd := func(place func() int64) {
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() { octet(place()) })
			}
			wg.Wait()
		}
		crowd(func() int64 { return rand.Int64N(size) })
		random := sent.Load()
		r.Logf("100 places: the origin sent %d KiB", random>>10)
		if random > 100*ahead {
			r.Errorf("the origin sent %d octets for 100", random)
		}
		crowd(func() int64 { return size / 2 })
		same := sent.Load() - random
		r.Logf("100 times one place: %d KiB", same>>10)
		if same > 4*ahead {
			r.Errorf("the origin sent %d octets for one", same)
		}
	})
}

// TestOR15OriginsWithoutRanges: an origin that sends the whole for a range
// sends it no more often than clients that ask it themselves would have it.
func TestOR15OriginsWithoutRanges(t *testing.T) {
	const size, clients = 4 << 20, 8
	each(t, everyWay, func(r *run) {
		var sent atomic.Int64
		r.origin(func(c *conn, q *http.Request) {
			c.say(dated(fmt.Sprintf("Content-Length: %d\r\n", size), ""))
			n, err := io.CopyN(c, zeros{}, size)
			if sent.Add(n); err != nil {
				c.Close()
			}
		})
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				resp, text := r.ask(plainGet + fmt.Sprintf("Range: bytes=%d-%[1]d\r\n\r\n", i*size/clients))
				if resp.StatusCode == 206 && text != "\x00" || resp.StatusCode == 200 && (len(text) != size || strings.Trim(text, "\x00") != "") || resp.StatusCode > 206 {
					r.Errorf("status %d with %d octets", resp.StatusCode, len(text))
				}
			})
		}
		wg.Wait()
		if sent.Load() > clients*size {
			r.Errorf("the origin sent %d octets for %d clients and %d octets", sent.Load(), clients, size)
		}
	})
}
