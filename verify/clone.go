package verify

import (
	"encoding"
	"hash"
)

// cloneHash returns a hash that stands where h stands, and goes its own way.
func cloneHash(h hash.Hash) hash.Hash {
	switch x := h.(type) {
	case *gitBlob:
		return &gitBlob{cloneHash(x.safeSHA1).(*safeSHA1)}
	case *parts:
		return &parts{x.size, cloneHash(x.outer), cloneHash(x.part).(*safeMD5), x.left, x.attacked}
	case *safeSHA1:
		next := newSafeSHA1()
		next.collided = x.collides()
		restore(next.CollisionResistantHash, x.CollisionResistantHash)
		return next
	case hash.Cloner:
		if c, err := x.Clone(); err == nil {
			return c
		}
	}
	next := newBLAKE2b()
	restore(next, h)
	return next
}

// restore puts to, a new hash of from's kind, where from stands.
func restore(to, from hash.Hash) {
	state, err := from.(encoding.BinaryMarshaler).MarshalBinary()
	if err == nil {
		err = to.(encoding.BinaryUnmarshaler).UnmarshalBinary(state)
	}
	if err != nil {
		panic("verify: internal error: clone hash: " + err.Error())
	}
}
