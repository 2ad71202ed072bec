package model

import (
	"fmt"
	"slices"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/testnet/crowd"
	"github.com/flashcrowd/flashcrowd/verify"
)

// What the liars do.
const (
	trickleRate     = 512 // octets a second, far below what the planner suffers
	sybilIdentities = 10
)

// lie makes n, which is a liar, a member of every crowd. It has the bodies, or
// lies about them, from elsewhere: that is the worst case.
func (n *node) lie() {
	for _, o := range n.w.objects {
		if !o.shared {
			continue
		}
		n.w.announce(n, o, n.w.lookup())
		if n.kind() != crowd.Sybil {
			continue
		}
		for range sybilIdentities - 1 {
			other := *n // another name on the same line, found beside the first
			n.w.announce(&other, o, n.w.lookup())
		}
	}
}

func (n *node) kind() crowd.LiarKind { return n.w.cfg.Peers.Liars.Kind }

// name is what a lie is signed with.
func (n *node) name() string { return fmt.Sprintf("node %d", n.index) }

// pretends is what a liar says it has.
func (n *node) pretends(o *object) (fetch.Pieces, bool) {
	if n.kind() == crowd.Sybil {
		return nil, false
	}
	return fetch.AllPieces(o.layout.Pieces()), true
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
