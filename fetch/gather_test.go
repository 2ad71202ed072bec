package fetch_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// hangingJoin is a router whose Join is never through: somewhere a dead node
// is waited for.
type hangingJoin struct{ dht.Router }

func (r hangingJoin) Join(ctx context.Context, k dht.Key) <-chan dht.Member {
	r.Keep(k)
	return fetchtest.Stuck{Quiet: true}.Join(ctx, k)
}

// TestJoinThatHangsHoldsUpNoQuestion: members are asked for at 1, 2, 4 and 8 s
// all the same, and the first question finds the peer.
func TestJoinThatHangsHoldsUpNoQuestion(t *testing.T) {
	body := bodyOf(16 * mib)
	play(t, func(w *world) {
		w.router.Router = hangingJoin{w.router.Router}
	}, func(w *world) {
		w.peer(&fetchtest.Peer{Link: line(100 * mbit)}, body)
		w.origin(body, nil)
		d := w.get(body)
		w.whole(d, body)
		if octets(w.receipt(), "peer") == 0 {
			w.Errorf("nothing came from the peer: %+v", w.receipt())
		}
	})
}

func TestQuestionsAreAskedOnTime(t *testing.T) {
	body := bodyOf(32 * mib)
	play(t, nil, func(w *world) {
		w.origin(body, nil)
		w.whole(w.get(body), body)
		var at []time.Duration
		calls := append(w.router.Calls("Join"), w.router.Calls("Find")...)
		for _, c := range calls {
			at = append(at, c.At.Sub(calls[0].At))
		}
		if want := []time.Duration{0, 0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}; !slices.Equal(at, want) {
			w.Errorf("asked at %v, want %v", at, want)
		}
	})
}
