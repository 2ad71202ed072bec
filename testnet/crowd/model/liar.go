package model

import (
	"fmt"
	"slices"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/testnet/crowd"
	"github.com/flashcrowd/flashcrowd/verify"
)

// What the liars do.
const (
	trickleRate     = 512 // octets a second, far below what the planner suffers
	sybilIdentities = 10
	sybilIntends    = 4 // pieces
	sybilAgain      = 3 * time.Second
)

// lie makes n, which is a liar, a member of every crowd. Every other one says
// that it has all (pretends), the rest that they took all from the origin
// themselves and are not done. They have the bodies, or lie about them, from
// elsewhere: that is the worst case.
func (n *node) lie() {
	for _, o := range n.w.objects {
		if !o.shared {
			continue
		}
		if n.kind() == crowd.Sybil {
			for i := range sybilIdentities {
				n.identity(i).besiege(o)
			}
			continue
		}
		if !n.pretends() {
			b := n.newBoard(o)
			for i := range o.layout.Pieces() {
				b.claim(i, n.claimedHash(o, i), true)
			}
		}
		n.w.announce(n, o, n.w.lookup())
	}
}

func (n *node) kind() crowd.LiarKind { return n.w.cfg.Peers.Liars.Kind }

// name is what a lie is signed with.
func (n *node) name() string { return fmt.Sprintf("node %d.%d", n.index, n.alias) }

func (n *node) pretends() bool { return n.kind() != crowd.Sybil && n.index%2 == 0 }

// identity is n under another name, on the same line and address.
func (n *node) identity(alias int) *node {
	other := *n
	other.alias, other.boards = alias, map[*object]*board{}
	return &other
}

// besiege announces again and again to take what it never takes.
func (n *node) besiege(o *object) {
	b := n.newBoard(o)
	b.group = fmt.Sprintf("group %d", n.index)
	n.w.announce(n, o, n.w.lookup())
	var again func()
	again = func() {
		i := n.w.dice.IntN(o.layout.Pieces())
		b.intend([2]fetch.Run{{First: i, End: min(i+sybilIntends, o.layout.Pieces())}, {}}, fetch.MaxLease)
		n.w.clock.after(sybilAgain, again)
	}
	again()
}

// claimedHash is that to which a liar commits itself for piece i.
func (n *node) claimedHash(o *object, i int) *[32]byte {
	if n.kind() == crowd.Claim {
		return o.hashOf(i, n.falsePiece(o, i))
	}
	return &o.hashes[i]
}

// list is the state list that n commits itself to.
func (n *node) list(o *object) *verify.StateList {
	if n.liar && n.kind() == crowd.Claim {
		return o.falseList
	}
	return o.list
}

// falsePiece is what a liar sends for piece i.
func (n *node) falsePiece(o *object, i int) []byte {
	switch n.kind() {
	case crowd.Flip:
		b := slices.Clone(o.piece(i))
		b[len(b)/2] ^= 1
		return b
	case crowd.Length:
		b := o.piece(i)
		return b[:len(b)-1]
	case crowd.Claim:
		return o.falseBody[o.scaled.Offset(i):o.scaled.Offset(i+1)]
	}
	return o.piece(i) // those that stall or trickle
}

// liarLine is the line on which a liar sends; nil when it never does.
func (n *node) liarLine() *link {
	switch n.kind() {
	case crowd.Stall, crowd.Sybil:
		return nil
	case crowd.Trickle:
		if n.slow == nil {
			n.slow = newLink(trickleRate)
		}
		return n.slow
	}
	return n.up
}
