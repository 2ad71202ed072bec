package fetch_test

import (
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// TestMembersAreAskedForAgain: a download joins its crowd at the header fields,
// and looks again 1, 2, 4 and 8 s later while it knows too few members.
func TestMembersAreAskedForAgain(t *testing.T) {
	body := bodyOf(4 * mib)
	for _, members := range []int{0, 3, 8} {
		play(t, nil, func(w *world) {
			w.origin(body, func(o *fetchtest.Object) { o.Link = line(2 * mbit) })
			for range members { // that are there, and slow
				w.peer(&fetchtest.Peer{Link: line(mbit / 100)}, body)
			}
			d := w.get(body)
			w.whole(d, body)
			joins, finds := w.router.Calls("Join"), w.router.Calls("Find")
			if len(joins) != 2 || joins[1].At.Sub(w.start) > d.first {
				w.Fatalf("%d members: joins %v, want one of the URL and one of the digest before the first octet, after %v", members, joins, d.first)
			}
			want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}
			if members >= 8 {
				want = nil
			}
			if len(finds) != len(want) {
				w.Fatalf("%d members: asked again %d times, want %d", members, len(finds), len(want))
			}
			for i, at := range want {
				if got := finds[i].At.Sub(joins[0].At); got != at || finds[i].Key != joins[0].Key && finds[i].Key != joins[1].Key {
					w.Errorf("%d members: asked again after %v, want %v", members, got, at)
				}
			}
		})
	}
}
