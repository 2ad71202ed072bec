package kad

import (
	"slices"

	kb "github.com/libp2p/go-libp2p-kbucket"
	"github.com/libp2p/go-libp2p/core/peer"
)

// closest follows one walk: who is nearest to the key of all that were named,
// and of all that answered. Both lists hold at most k peers, nearest first.
type closest struct {
	self     peer.ID
	target   kb.ID
	k        int
	named    []peer.ID
	answered []peer.ID
}

// answer notes that p answered and named others. Honest peers name at most k;
// what a longer list holds beyond 2k is ignored, as kad-dht does.
func (c *closest) answer(p peer.ID, others []*peer.AddrInfo) {
	c.answered = c.insert(c.answered, p)
	c.named = c.insert(c.named, p)
	for _, ai := range others[:min(len(others), 2*c.k)] {
		if ai != nil {
			c.named = c.insert(c.named, ai.ID)
		}
	}
}

// sure returns those that answered and are among the k nearest of all named:
// they hold the key's records unless the walk still finds somebody nearer.
func (c *closest) sure() []peer.ID {
	return slices.DeleteFunc(slices.Clone(c.answered), func(p peer.ID) bool {
		return !slices.Contains(c.named, p)
	})
}

func (c *closest) insert(list []peer.ID, p peer.ID) []peer.ID {
	if p == c.self || slices.Contains(list, p) {
		return list
	}
	list = kb.SortClosestPeers(append(list, p), c.target)
	return list[:min(len(list), c.k)]
}
