package swarm

import (
	"fmt"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/libp2p/go-libp2p/core/network"
)

// reply writes the frames of one answer. A reader that does not take dataSize
// octets within patience is given up.
type reply struct {
	st       network.Stream
	number   uint64
	patience time.Duration
}

// plain is an answer without a body: gone or busy.
func (w *reply) plain(k kind) error { return w.write(appendAnswer(nil, w.number, k, nil)) }

func (w *reply) have(h fetch.Have) error {
	return w.write(appendAnswer(nil, w.number, ansHave, encodeHave(h)))
}

// head announces how many octets the data frames that follow will carry.
func (w *reply) head(total int64) error {
	return w.write(appendAnswer(nil, w.number, ansHead, encodeHead(total)))
}

// data sends one data frame with the octets buf[from:to]. It overwrites what
// stands before them in buf, of which there must be maxDataHeader octets.
func (w *reply) data(buf []byte, from, to int, last bool) error {
	var room [maxDataHeader]byte
	header := appendDataHeader(room[:0], w.number, to-from, last)
	copy(buf[from-len(header):], header)
	return w.write(buf[from-len(header) : to])
}

func (w *reply) write(b []byte) error {
	const slice = dataSize + maxDataHeader
	for len(b) > 0 {
		n := min(len(b), slice)
		if err := w.st.SetWriteDeadline(time.Now().Add(w.patience)); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		if _, err := w.st.Write(b[:n]); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		b = b[n:]
	}
	return nil
}
