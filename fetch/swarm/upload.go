package swarm

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/libp2p/go-libp2p/core/network"
)

// errDisk: the shelf cannot read what it offers, or found that it is not what
// was stored.
var errDisk = errors.New("swarm: disk")

// loadSize is how much is read from the shelf at a time.
const loadSize = 4 * dataSize

// loadBuffers hold room for the header of a data frame, and loadSize.
var loadBuffers = sync.Pool{New: func() any {
	b := make([]byte, maxDataHeader+loadSize)
	return &b
}}

// upload is the octets of one answer on their way to an asker.
type upload struct {
	reply   *reply
	shelved *fetch.Shelved
	buf     []byte
	credits *credits
	left    int64 // octets that are announced and not sent
}

// upload answers a get, whose spans sh offers, and tells credit unless that is 0.
func (s *Swarm) upload(w *reply, r *remote, sh *fetch.Shelved, spans []fetch.Span, credit int64) error {
	scope := w.st.Scope()
	if err := scope.ReserveMemory(loadSize, network.ReservationPriorityHigh); err != nil {
		return w.plain(ansBusy)
	}
	defer scope.ReleaseMemory(loadSize)
	buf := loadBuffers.Get().(*[]byte)
	defer loadBuffers.Put(buf)

	u := &upload{reply: w, shelved: sh, buf: *buf, credits: &s.credits}
	for _, span := range spans {
		u.left += span.Len()
	}
	total := u.left
	defer func() {
		sent := total - u.left
		s.metrics.uploads.Add(float64(sent))
		r.bytesTo.Add(sent)
		if sh.Served != nil && sent > 0 {
			sh.Served(sent)
		}
	}()
	if err := w.head(total, credit); err != nil {
		return err
	}
	for _, span := range spans {
		if err := u.send(span); err != nil {
			return err
		}
	}
	return nil
}

// send sends the octets of span.
func (u *upload) send(span fetch.Span) error {
	for span.Len() > 0 {
		n := min(loadSize, span.Len())
		part := u.buf[maxDataHeader : maxDataHeader+n]
		if got, err := u.shelved.Body.ReadAt(part, span.Offset); got < len(part) {
			return fmt.Errorf("%w: read %s at %d: %w", errDisk, u.shelved.Digest, span.Offset, err)
		}
		if err := u.flush(int(n)); err != nil {
			return err
		}
		span.Offset += n
	}
	return nil
}

// flush sends the n octets that are loaded, in data frames.
func (u *upload) flush(n int) error {
	for at := 0; at < n; at += dataSize {
		size := min(dataSize, n-at)
		from := maxDataHeader + at
		if err := u.reply.data(u.buf, from, from+size, u.left == int64(size)); err != nil {
			return err
		}
		u.left -= int64(size)
		if !u.shelved.Complete {
			u.credits.gave(int64(size), time.Now())
		}
	}
	return nil
}

// states answers a states with list.
func (w *reply) states(list []byte) error {
	if err := w.head(int64(len(list)), 0); err != nil {
		return err
	}
	buf := make([]byte, maxDataHeader+min(len(list), dataSize))
	for {
		n := copy(buf[maxDataHeader:], list)
		list = list[n:]
		if err := w.data(buf, maxDataHeader, maxDataHeader+n, len(list) == 0); err != nil || len(list) == 0 {
			return err
		}
	}
}
