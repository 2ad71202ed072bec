package swarm

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// answer answers req of peer r in full. An error ends the stream.
func (s *Swarm) answer(w *reply, r *remote, req request) error {
	// The slot comes before the look-up, so that "busy" tells nothing of it.
	if s.allowance.refused(time.Now()) != nil || !s.takeSlot() {
		return w.plain(ansBusy)
	}
	held := true
	release := func() {
		if held {
			held = false
			<-s.answers
		}
	}
	defer release()
	sh := s.lookUp(r, req)
	if sh == nil {
		return w.plain(ansGone)
	}
	if sh.Close != nil {
		defer sh.Close()
	}
	switch req.kind {
	case askFollow:
		release()
		return s.follow(w, r, sh)
	case askHave:
		return w.have(haveOf(sh))
	case askStates:
		if !sh.Complete {
			return w.plain(ansGone)
		}
		return s.limited(w, func() error { return w.states(sh.States) })
	case askGet:
		if !mayGet(sh, req.spans) {
			return w.plain(ansGone)
		}
		if sh.Complete {
			return s.limited(w, func() error { return s.upload(w, r, sh, req.spans, 0) })
		}
		return s.share(w, r, sh, req)
	default:
		return w.plain(ansGone)
	}
}

// share answers a get of a body that is not complete, if the asker has credit for
// it; of those who do not know of credit, if one of their places is free.
func (s *Swarm) share(w *reply, r *remote, sh *fetch.Shelved, req request) error {
	if !req.credit {
		if !s.partial.enter(req.id) {
			return w.plain(ansBusy)
		}
		defer s.partial.leave(req.id)
		return s.limited(w, func() error { return s.upload(w, r, sh, req.spans, 0) })
	}
	octets, piece, rtt := int64(0), sh.Digest.Layout().PieceSize, s.peers.trip(r)
	for _, span := range req.spans {
		octets += span.Len()
	}
	if !s.credits.enter(r.id, octets, piece, rtt, time.Now()) {
		return w.plain(ansBusy)
	}
	defer s.credits.leave(r.id, octets)
	credit := s.credits.grant(r.id, piece, rtt, time.Now())
	return s.limited(w, func() error { return s.upload(w, r, sh, req.spans, credit) })
}

// limited gives a body if the rate of giving leaves it enough of a share.
func (s *Swarm) limited(w *reply, give func() error) error {
	if !s.allowance.enter() {
		return w.plain(ansBusy)
	}
	defer s.allowance.leave()
	return give()
}

// takeSlot waits for one of the slots that all answers share.
func (s *Swarm) takeSlot() bool {
	select {
	case s.answers <- struct{}{}:
		return true
	default:
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.limits.Slot)
	defer cancel()
	select {
	case s.answers <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// lookUp opens what req is about, nil when r may not have it. A banned asker
// takes the way of one that does not know the token, through the same look-up.
func (s *Swarm) lookUp(r *remote, req request) *fetch.Shelved {
	if s.shelf == nil {
		return nil
	}
	if s.bans.has(r.id) {
		req.token = verify.Token{}
	}
	sh, err := s.shelf.Open(req.id, req.token)
	if err != nil {
		if !errors.Is(err, fetch.ErrUnknown) {
			s.log.Error("open shelf", "id", req.id, "err", err)
		}
		return nil
	}
	if sh.Coding != req.coding || !s.sound(sh) {
		if sh.Close != nil {
			sh.Close()
		}
		return nil
	}
	return sh
}

// sound reports whether what the shelf says of a complete body fits its
// length. To offer anything else could only get this node banned.
func (s *Swarm) sound(sh *fetch.Shelved) bool {
	if !sh.Complete || len(sh.States) == sh.Digest.ListSize() {
		return true
	}
	s.log.Error("shelf offers a body that does not fit its digest", "digest", sh.Digest)
	return false
}

func haveOf(sh *fetch.Shelved) fetch.Have {
	n := sh.Digest.Layout().Pieces()
	if sh.Complete {
		return fetch.Have{Complete: true, Has: fetch.AllPieces(n), ListHash: sha256.Sum256(sh.States)}
	}
	has := fetch.NewPieces(n)
	for i := range n {
		if sh.Has.Has(i) {
			has.Add(i)
		}
	}
	return fetch.Have{Has: has}
}

// mayGet reports whether all spans are whole pieces that sh offers.
func mayGet(sh *fetch.Shelved, spans []fetch.Span) bool {
	l := sh.Digest.Layout()
	for _, span := range spans {
		if !offered(l, span) {
			return false
		}
		for i := l.PieceAt(span.Offset); !sh.Complete && i < l.Pieces() && l.Offset(i) < span.End; i++ {
			if !sh.Has.Has(i) {
				return false
			}
		}
	}
	return true
}
