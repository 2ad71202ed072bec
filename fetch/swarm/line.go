package swarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// line is one stream to a peer. It carries one request at a time; a request
// that comes meanwhile takes another line, so that no reader waits for the
// consumer of another.
type line struct {
	st     network.Stream
	wait   patience
	in     frames
	number uint64 // of the last request
	reused bool
	// hangUp closes the stream in good order; hang-up of an idle line only.
	hangUp    func()
	idleSince time.Time // the table's mu guards it
}

// take returns a line to the peer, an idle one if reuse says so and there is
// one, and opens the connection where there is none. The caller gives it back
// or drops it.
func (s *Swarm) take(ctx context.Context, r *remote, info peer.AddrInfo, reuse bool) (*line, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.limits.Connect, ErrSlow)
	defer cancel()
	select {
	case r.out <- struct{}{}:
	default:
		select {
		case r.out <- struct{}{}:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a free stream: %w: %w", ErrBusy, context.Cause(ctx))
		}
	}
	if l := s.idleLine(r, reuse); l != nil {
		return l, nil
	}
	l, err := s.dial(ctx, r, info)
	if err != nil {
		<-r.out
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("connect: %w", err)
	}
	return l, nil
}

// idleLine returns an idle line if reuse says so; else it closes them, since
// one of them has just proved to be dead.
func (s *Swarm) idleLine(r *remote, reuse bool) *line {
	for {
		l := s.peers.takeIdle(r)
		if l == nil || reuse {
			return l
		}
		l.hangUp()
	}
}

// dial opens a new line.
func (s *Swarm) dial(ctx context.Context, r *remote, info peer.AddrInfo) (*line, error) {
	// Connect puts the addresses into the peerstore for two minutes.
	if err := s.host.Connect(ctx, info); err != nil {
		return nil, err
	}
	st, err := s.host.NewStream(ctx, info.ID, Protocol)
	if err != nil {
		return nil, err
	}
	// Whoever bans or closes marks first and resets then, so that no stream
	// slips through between.
	if !s.peers.add(r, st) {
		_ = st.Reset()
		return nil, ErrClosed
	}
	if s.bans.has(r.id) {
		_ = st.Reset()
		s.peers.remove(r, st)
		return nil, fetch.ErrBanned
	}
	s.host.ConnManager().TagPeer(info.ID, "flashcrowd", 10)
	l := &line{st: st}
	l.wait = patience{st: st, until: deadline{set: st.SetReadDeadline}, idle: s.limits.Idle}
	l.in.r = newReader(&l.wait)
	l.hangUp = func() {
		s.peers.remove(r, st)
		if err := st.Close(); err != nil {
			_ = st.Reset()
		}
	}
	return l, nil
}

// giveBack keeps l for another request. It is there before the place of l is
// free, so that whoever waits for the place finds it.
func (s *Swarm) giveBack(r *remote, l *line) {
	l.reused = true
	l.in.buf = nil
	if s.bans.has(r.id) || !s.peers.putIdle(r, l) {
		l.hangUp()
	}
	<-r.out
}

// drop ends l, whatever is under way on it.
func (s *Swarm) drop(r *remote, l *line) {
	_ = l.st.Reset()
	s.peers.remove(r, l.st)
	<-r.out
}

// ask sends req and returns the first frame of its answer.
func (l *line) ask(req request, limits Limits) (answer, error) {
	l.number++
	req.number = l.number
	if err := l.st.SetWriteDeadline(time.Now().Add(limits.FirstByte)); err != nil {
		return answer{}, fmt.Errorf("ask: %w", err)
	}
	if _, err := l.st.Write(appendRequest(nil, req)); err != nil {
		return answer{}, fmt.Errorf("ask: %w", overdue(err))
	}
	l.wait.begin(limits.FirstByte)
	a, err := l.next()
	if err != nil {
		return answer{}, fmt.Errorf("await answer: %w", brokenOff(err))
	}
	return a, nil
}

// next returns the next frame of the answer to the last request. It passes
// over those of an unknown kind.
func (l *line) next() (answer, error) {
	for range maxSkipped {
		msg, err := l.in.next(maxFrame)
		if err != nil {
			return answer{}, overdue(err)
		}
		a, err := decodeAnswer(msg)
		if err != nil {
			return answer{}, err
		}
		switch {
		case a.number != l.number:
			return answer{}, malformed("answer %d to request %d", a.number, l.number)
		case a.kind == ansBusy:
			return answer{}, ErrBusy
		case a.kind == ansGone:
			return answer{}, fetch.ErrUnknown
		case a.kind != 0:
			return a, nil
		}
	}
	return answer{}, malformed("more than %d frames of an unknown kind", maxSkipped)
}

// brokenOff makes io.ErrUnexpectedEOF of the error of a lost stream, so that
// it never looks like a clean end.
func brokenOff(err error) error {
	if lost(err) {
		return fmt.Errorf("%w: %v", io.ErrUnexpectedEOF, err)
	}
	return err
}

// lost reports whether err is that of a stream which ended: nothing that the
// peer said, and no deadline.
func lost(err error) bool {
	for _, said := range []error{ErrMalformed, ErrSlow, ErrBusy, fetch.ErrUnknown} {
		if errors.Is(err, said) {
			return false
		}
	}
	return true
}

// overdue adds ErrSlow to err if that is a missed deadline.
func overdue(err error) error {
	var t net.Error
	if errors.As(err, &t) && t.Timeout() {
		return fmt.Errorf("%w: %w", ErrSlow, err)
	}
	return err
}
