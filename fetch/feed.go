package fetch

import (
	"math"
	"time"
)

// Readers of a crowd wait until the whole is proven. Until then each is fed with
// octets that the origin itself sent to its node, which nobody else can use: a
// little of the front before the node leaves the origin to the crowd, so that
// the reader has his first octets as soon as from the origin alone, and more
// when he has waited.
const (
	// DripEvery is after how long a reader that waits gets DripSize octets of
	// what is kept back.
	DripEvery = 4 * time.Second
	// mostDrip octets in 5 s are promised to the reader of a small crowd, and
	// leastDrip to any. A drip for each of 200 readers would take a quarter of a
	// line of 20 Mbit/s, so that all of them waited longer for all of it: in
	// between, a crowd gets crowdDrip at a time.
	mostDrip  = 16 << 10
	leastDrip = 4 << 10
	crowdDrip = 16 * mostDrip
	// drips is how many drips are taken from the origin at once.
	drips = 3
	// feedShare: what all readers get at first takes up about one part in
	// feedShare of the body.
	feedShare = 20
	// feedSpread is over what time the requests for more are spread.
	feedSpread = time.Second
	// feedTime is how long an origin may take to feed a reader before that is
	// no reason to go on.
	feedTime = 2 * time.Second
)

// DripSize is how many octets a reader gets at a time who waits in a crowd of so
// many members, this node among them.
func DripSize(members int) int64 {
	return min(max(crowdDrip/int64(max(members, 1)), leastDrip), mostDrip)
}

// members is how large the crowd is at least.
func (v View) members() int { return max(len(v.Peers), v.Crowd.Others) + 1 }

// fed reports whether the front is long enough to leave the origin.
func (v View) fed() bool {
	drip := DripSize(v.members())
	feed := max(v.Layout.Length/int64(feedShare*v.members()), drip)
	if drip == leastDrip {
		feed = drip
	}
	return v.Front >= min(feed, drips*drip) || v.Now-v.Crowd.Since >= feedTime
}

// starving reports whether readers have waited so long for proven octets that
// the origin must be asked for some. The members of a crowd, who began to wait
// at the same moment, ask at different ones.
func (v View) starving(tail int64) bool {
	early := time.Duration(float64(feedSpread) * float64(v.Crowd.Rank) / math.MaxUint64)
	return !v.Origin.Open && v.Crowd.Stripe.Empty() && v.Hungry >= 0 && v.Now-v.Hungry >= holdLimit-early &&
		v.Front < tail && v.Now >= v.Origin.NotBefore
}
