package swarm

import (
	"errors"
	"io"
	"runtime/debug"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
)

// Serve begins to answer other nodes, until Close.
func (s *Swarm) Serve() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.host.SetStreamHandler(Protocol, s.handle)
	}
}

// handle answers one stream of another node. The host calls it on a goroutine
// of the stream's own, for which Close waits.
func (s *Swarm) handle(st network.Stream) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = st.Reset()
		return
	}
	s.wg.Add(1)
	s.mu.Unlock()
	defer s.wg.Done()

	if st.Conn().Stat().Limited { // a relay carries no exchange
		_ = st.ResetWithError(network.StreamGated)
		return
	}
	// Of any other kind of key, one owner may have many IDs, or a huge one.
	key := st.Conn().RemotePublicKey()
	if key == nil || key.Type() != crypto.Ed25519 {
		_ = st.ResetWithError(network.StreamGated)
		return
	}
	r, crowdedOut, ok := s.peers.enter(st.Conn().RemotePeer(), st)
	if !ok {
		_ = st.ResetWithError(network.StreamResourceLimitExceeded)
		return
	}
	if crowdedOut != nil {
		_ = crowdedOut.ResetWithError(network.StreamGarbageCollected)
	}
	defer s.peers.leave(r, st)
	s.answerAll(st, r)
}

// answerAll answers what comes on st until it ends. A panic ends the stream
// and nothing else.
func (s *Swarm) answerAll(st network.Stream, r *remote) {
	defer func() {
		if p := recover(); p != nil {
			s.metrics.panics.Inc()
			s.log.Error("stream panic", "peer", r.id, "panic", p, "stack", string(debug.Stack()))
			_ = st.Reset()
		}
	}()
	until := &deadline{set: st.SetWriteDeadline}
	q := &requests{st: st, limits: s.limits}
	q.in.r = newReader(st)
	for {
		req, err := q.next()
		if errors.Is(err, io.EOF) {
			_ = st.Close()
			return
		}
		if err == nil {
			s.peers.waits(r, st, false)
			err = s.answer(&reply{s.ctx, st, req.number, until, s.patience, s.allowance}, r, req)
			s.peers.waits(r, st, true)
		}
		if err != nil {
			s.giveUp(st, r, err)
			return
		}
	}
}

// patience is how long an asker may take to accept dataSize octets: less when
// slots are scarce, so that idle readers do not keep them from others.
func (s *Swarm) patience() time.Duration {
	if 4*len(s.answers) > 3*cap(s.answers) {
		return s.limits.Write / 3
	}
	return s.limits.Write
}

// giveUp resets st because of err. To an asker an error of this node looks
// like a broken line, which nobody is blamed for.
func (s *Swarm) giveUp(st network.Stream, r *remote, err error) {
	switch {
	case errors.Is(err, ErrMalformed):
		s.log.Debug("malformed request", "peer", r.id, "err", err)
		_ = st.ResetWithError(network.StreamProtocolViolation)
	case errors.Is(err, errDisk):
		s.log.Error("stored body unreadable", "err", err)
		_ = st.Reset()
	default:
		s.log.Debug("stream ended early", "peer", r.id, "err", err)
		_ = st.Reset()
	}
}

// requests reads the requests of one stream.
type requests struct {
	st     network.Stream
	limits Limits
	in     frames
}

// next returns the next request: it may be long in coming, but once it has
// begun it must come as a whole. The end of the stream is io.EOF.
func (q *requests) next() (request, error) {
	if err := q.st.SetReadDeadline(time.Now().Add(q.limits.Pause)); err != nil {
		return request{}, err
	}
	if _, err := q.in.r.Peek(1); err != nil {
		return request{}, err
	}
	if err := q.st.SetReadDeadline(time.Now().Add(q.limits.Idle)); err != nil {
		return request{}, err
	}
	msg, err := q.in.next(maxRequest)
	if err != nil {
		return request{}, err
	}
	req, err := decodeRequest(msg)
	if cap(q.in.buf) > readAhead {
		q.in.buf = nil
	}
	return req, err
}
