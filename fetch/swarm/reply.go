package swarm

import (
	"context"
	"fmt"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/libp2p/go-libp2p/core/network"
)

// reply writes the frames of one answer, no faster than the allowance grants. A
// reader that does not take dataSize octets within patience is given up.
type reply struct {
	ctx       context.Context // of the swarm
	st        network.Stream
	number    uint64
	until     *deadline // of writing to st
	patience  func() time.Duration
	allowance *allowance
}

// What waits for the allowance is urgent where a crowd or an asker's patience
// depends on it: a frame that comes before bodies or beside them.
const (
	isUrgent  = true
	notUrgent = false
)

// plain is an answer without a body: gone or busy. It needs no allowance, or
// whoever gives nothing could not say so.
func (w *reply) plain(k kind) error { return w.send(appendAnswer(nil, w.number, k, nil)) }

// have says h.
func (w *reply) have(h fetch.Have) error {
	return w.write(appendHave(nil, w.number, h), isUrgent)
}

// head announces how many octets the data frames that follow will carry, and tells
// credit unless that is 0.
func (w *reply) head(total, credit int64) error {
	return w.write(appendAnswer(nil, w.number, ansHead, encodeHead(total, credit)), isUrgent)
}

// data sends one data frame with the octets buf[from:to]. It overwrites what
// stands before them in buf, of which there must be maxDataHeader octets.
func (w *reply) data(buf []byte, from, to int, last bool) error {
	var room [maxDataHeader]byte
	header := appendDataHeader(room[:0], w.number, to-from, last)
	copy(buf[from-len(header):], header)
	return w.write(buf[from-len(header):to], notUrgent)
}

func (w *reply) write(b []byte, urgent bool) error {
	const slice = dataSize + maxDataHeader
	for len(b) > 0 {
		n, err := w.allowance.take(w.ctx, min(len(b), slice), urgent)
		if err != nil {
			return err
		}
		if err := w.send(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (w *reply) send(b []byte) error {
	if err := w.until.in(w.patience()); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	if _, err := w.st.Write(b); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}
