package fetch

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/flashcrowd/flashcrowd/dht"
)

// RankOf returns the place of a peer in the order in which the crowd of an
// object turns to the origin: lower is earlier. Every member reckons the same,
// and for each object another order.
func RankOf(id dht.ID, peer string) uint64 {
	h := sha256.New()
	h.Write([]byte("flashcrowd/rank/1\x00"))
	h.Write(id[:])
	h.Write([]byte(peer))
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// preference is how much the member of the given rank wants a thing by number:
// of two that want the same one, the higher keeps it. To each member the things
// seem shuffled.
func preference(rank uint64, thing int) uint64 {
	x := rank + uint64(thing)*0x9e3779b97f4a7c15 // splitmix64
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
