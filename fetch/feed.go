package fetch

import "time"

// Before members leave the origin to each other, each takes a little of the
// front of its own: its reader gets the first octets as soon as from the origin
// alone, and what it is fed with while nothing newer is proven. All of them
// together take about one part in feedShare of the body for it.
const (
	leastFeed = 16 << 10
	mostFeed  = 64 << 10
	feedShare = 20
	// feedTime is how long an origin may take to feed a reader before that is
	// no reason to go on.
	feedTime = 2 * time.Second
)

// fed reports whether the front is long enough to leave the origin.
func (v View) fed() bool {
	feed := v.Layout.Length / int64(feedShare*(len(v.Peers)+1))
	return v.Front >= min(max(feed, leastFeed), mostFeed) || v.Now-v.Crowd.Since >= feedTime
}

// starving reports whether readers have waited so long for proven octets that
// the origin must be asked for some.
func (v View) starving(tail int64) bool {
	return !v.Origin.Open && v.Crowd.Stripe.Empty() && v.Hungry >= 0 && v.Now-v.Hungry >= holdLimit &&
		v.Front < tail && v.Now >= v.Origin.NotBefore
}
