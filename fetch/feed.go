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
	// DripEvery is after how long a reader that waits gets a drip of what is
	// kept back.
	DripEvery = 4 * time.Second
	// mostDrip octets in 5 s are promised to a reader, where a crowd can afford
	// that: 200 readers would take a quarter of a line of 20 Mbit/s with it, so
	// that all of them waited a third longer for all of it. All drips together
	// take one part in feedShare of what the origin gives, and what all readers
	// get at first as much of the body. leastDrip is a sign of life.
	mostDrip  = 16 << 10
	leastDrip = 1 << 10
	feedShare = 40
	// drips is how many drips are taken from the origin at once.
	drips = 3
	// feedSpread is over what time the requests for more are spread.
	feedSpread = time.Second
	// feedTime is how long an origin may take to feed a reader before that is
	// no reason to go on.
	feedTime = 2 * time.Second
)

// DripSize is how many octets a reader gets at a time who waits in a crowd of so
// many members, this node among them, to which the origin gives flow octets a
// second.
func DripSize(members int, flow float64) int64 {
	return apiece(flow*DripEvery.Seconds(), members, mostDrip)
}

// apiece is what each member of a crowd may have of all octets for itself alone.
func apiece(all float64, members int, most int64) int64 {
	return min(max(int64(all)/int64(feedShare*max(members, 1)), leastDrip), most)
}

// members is how large the crowd is at least.
func (v View) members() int { return max(len(v.Peers), v.Crowd.Others) + 1 }

// fed reports whether the front is long enough to leave the origin: one drip, since
// a server doubles from round trip to round trip what is under way, and for each
// drip more as much again comes that nobody needs.
func (v View) fed() bool {
	return v.Front >= apiece(float64(v.Layout.Length), v.members(), mostDrip) || v.Now-v.Crowd.Since >= feedTime
}

// starving reports whether readers have waited so long for proven octets that
// the origin must be asked for some. The members of a crowd, who began to wait
// at the same moment, ask at different ones.
func (v View) starving(tail int64) bool {
	early := time.Duration(float64(feedSpread) * float64(v.Crowd.Rank) / math.MaxUint64)
	return !v.Origin.Open && v.Crowd.Stripe.Empty() && v.Hungry >= 0 && v.Now-v.Hungry >= holdLimit-early &&
		v.Front < tail && v.Now >= v.Origin.NotBefore
}
