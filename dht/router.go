package dht

import "context"

// Member is a node that said it belongs to the crowd of one key. Nothing about
// it has been checked.
type Member struct {
	// ID is the libp2p peer ID in its text form.
	ID string
	// Addrs are multiaddrs in text form without a /p2p part; it may be empty
	// when the router knows the member only by name.
	Addrs []string
}

// Router finds the members of a crowd and makes this node one of them.
//
// The channels that Find and Join return yield members as they become known,
// the same member possibly more than once and never this node itself; they are
// closed when the search has ended or ctx is done, whichever is first. Whoever
// calls need not drain them: cancelling ctx frees everything. An error of the
// network is an early end, since every answer is only a hint.
//
// All methods may be called at once from many goroutines.
type Router interface {
	// Find looks k up and tells nobody that this node is interested beyond
	// the nodes that it asks.
	Find(ctx context.Context, k Key) <-chan Member

	// Join announces this node under k to the nodes closest to k and then
	// asks the same nodes for members, so that of two newcomers at least one
	// sees the other. The announcement outlives ctx: the node stays a member,
	// announced again when records run out, until Leave.
	Join(ctx context.Context, k Key) <-chan Member

	// Keep makes this node a member of all keys without looking anybody up
	// and without haste: announcements go out in batches, in the background.
	// It is for what the cache still holds after a restart.
	Keep(keys ...Key)

	// Leave ends membership: keys are not announced again. What other nodes
	// have stored runs out by itself.
	Leave(keys ...Key)
}
