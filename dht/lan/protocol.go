package lan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multihash"
	"golang.org/x/time/rate"
)

// One question is a stream of its own: the multihash of a key behind its length
// in one octet, up to maxKey. The answer is one octet, member or stranger. A
// question that cannot be read is answered by a reset.
const (
	maxKey   = 80
	stranger = 0
	member   = 1
)

// answerLimit is how long a question may take on either side. A neighbour is
// milliseconds away, or asleep.
const answerLimit = 2 * time.Second

// Questions that one neighbour may ask: as many as a large page has objects at
// once, and then what a busy user goes on to ask.
const (
	questionsPerSecond = 64
	questionsAtOnce    = 1024
)

var errAnswer = errors.New("lan: bad answer")

// ask asks p whether it belongs to the crowd of k.
func (r *Router) ask(ctx context.Context, p peer.ID, k dht.Key) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	s, err := r.cfg.Host.NewStream(ctx, p, r.protocol())
	if err != nil {
		return false, fmt.Errorf("lan: ask neighbour: %w", err)
	}
	defer s.Reset()
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	_ = s.SetDeadline(time.Now().Add(answerLimit))
	hash := k.CID().Hash()
	if _, err := s.Write(append([]byte{byte(len(hash))}, hash...)); err != nil {
		return false, fmt.Errorf("lan: ask neighbour: %w", err)
	}
	if err := s.CloseWrite(); err != nil {
		return false, fmt.Errorf("lan: ask neighbour: %w", err)
	}
	var answer [1]byte
	if _, err := io.ReadFull(s, answer[:]); err != nil {
		return false, fmt.Errorf("lan: ask neighbour: %w", err)
	}
	if answer[0] > member {
		return false, errAnswer
	}
	return answer[0] == member, nil
}

// answer answers one question of a neighbour. The host calls it on a goroutine
// of the stream's own.
func (r *Router) answer(s network.Stream) {
	if !r.begin() {
		_ = s.Reset()
		return
	}
	defer r.work.Done()
	_ = s.SetDeadline(time.Now().Add(answerLimit))
	if !r.allows(s.Conn().RemotePeer()) {
		_ = s.Reset()
		return
	}
	key, err := readKey(s)
	if err != nil {
		_ = s.Reset()
		return
	}
	answer := byte(stranger)
	if r.belongs(key) {
		answer = member
	}
	if _, err := s.Write([]byte{answer}); err != nil {
		_ = s.Reset()
		return
	}
	_ = s.Close()
}

// readKey reads a question, and no octet more than it may have.
func readKey(from io.Reader) (string, error) {
	var length [1]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return "", fmt.Errorf("lan: read question: %w", err)
	}
	if length[0] == 0 || length[0] > maxKey {
		return "", fmt.Errorf("lan: read question: a key of %d octets", length[0])
	}
	key := make([]byte, length[0])
	if _, err := io.ReadFull(from, key); err != nil {
		return "", fmt.Errorf("lan: read question: %w", err)
	}
	if _, err := multihash.Cast(key); err != nil {
		return "", fmt.Errorf("lan: read question: %w", err)
	}
	return string(key), nil
}

// allows reports whether p may ask one more question now.
func (r *Router) allows(p peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.askers[p]
	if l == nil {
		if len(r.askers) >= maxNeighbours {
			clear(r.askers) // which costs a flood its count, and nobody else anything
		}
		l = rate.NewLimiter(questionsPerSecond, questionsAtOnce)
		r.askers[p] = l
	}
	return l.Allow()
}
