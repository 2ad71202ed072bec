package fetch_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// segments is a connection that brings a segment each time that apart passes; a
// read takes all that has come, up to its length.
type segments struct {
	net.Conn
	body  []byte
	size  int
	apart time.Duration
	begun time.Time
	taken int
	reads int
}

func (s *segments) Read(p []byte) (int, error) {
	s.reads++
	if s.taken == len(s.body) {
		return 0, io.EOF
	}
	if s.begun.IsZero() {
		s.begun = time.Now()
	}
	next := s.taken/s.size + 1
	<-time.After(time.Until(s.begun.Add(time.Duration(next) * s.apart)))
	come := min(int(time.Since(s.begun)/s.apart)*s.size, len(s.body))
	n := copy(p, s.body[s.taken:come])
	s.taken += n
	return n, nil
}

// TestBatchReads: what comes segment by segment on a line of 20 Mbit/s is read
// in a fraction of the reads, whole and in order, and hardly later.
func TestBatchReads(t *testing.T) {
	for _, size := range []int{512, 4 << 10, 64 << 10} {
		synctest.Test(t, func(t *testing.T) {
			body := make([]byte, 2<<20)
			_, _ = rand.Read(body)
			s := &segments{body: body, size: 1448, apart: 579 * time.Microsecond}
			c, got, p, begun := fetch.BatchReads(s), []byte(nil), make([]byte, size), time.Now()
			for {
				n, err := c.Read(p)
				if len(got) == 0 && time.Since(begun) > s.apart {
					t.Errorf("the first octets took %v", time.Since(begun))
				}
				got = append(got, p[:n]...)
				if errors.Is(err, io.EOF) {
					break
				}
			}
			want := time.Duration(len(body)/s.size+1) * s.apart
			if took := time.Since(begun); !bytes.Equal(got, body) || took > want+8*time.Millisecond {
				t.Errorf("%d octets took %v, want %v", len(got), took, want)
			}
			if most := len(body) / s.size / 4; s.reads > most {
				t.Errorf("reads of %d: %d, want at most %d", size, s.reads, most)
			}
		})
	}
}

// TestBatchReadsKeepNobodyWaiting: messages that answer each other are not
// bulk, and a fast line is read as it comes.
func TestBatchReadsKeepNobodyWaiting(t *testing.T) {
	for _, s := range []*segments{
		{body: make([]byte, 100*200), size: 200, apart: time.Millisecond},          // messages
		{body: make([]byte, 100*1448), size: 1448, apart: 50 * time.Millisecond},   // far apart
		{body: make([]byte, 1000*64<<10), size: 64 << 10, apart: time.Millisecond}, // 500 Mbit/s
	} {
		synctest.Test(t, func(t *testing.T) {
			c, p, begun := fetch.BatchReads(s), make([]byte, 64<<10), time.Now()
			for k := 1; ; k++ {
				_, err := c.Read(p)
				if err != nil {
					break
				}
				if late := time.Since(begun) - time.Duration(k)*s.apart; late > 0 {
					t.Fatalf("read %d of %d each %v is %v late", k, s.size, s.apart, late)
				}
			}
		})
	}
}
