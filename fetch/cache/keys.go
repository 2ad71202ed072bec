package cache

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
)

// The keys of this package in an index that it shares with others, who all
// begin theirs with a slash:
//
//	fc/o/ id[32] name[16]              -> record
//	fc/p/ id[32] name[16]              -> part; of an incomplete response
//	fc/s/ name[16]                     -> side
//	fc/a/ name[16]                     -> access
//	fc/k/ id[32]                       -> a URL; what is pinned
//	fc/m/ id[32] hash(etag, coding)[16]-> memo
//	fc/t/ time[8] key of a memo[48]    -> nothing; memos by age
const (
	prefixRecord = "fc/o/"
	prefixPart   = "fc/p/"
	prefixSide   = "fc/s/"
	prefixAccess = "fc/a/"
	prefixPin    = "fc/k/"
	prefixMemo   = "fc/m/"
	prefixAge    = "fc/t/"
)

// name is the name of one body, random and never used twice.
type name [16]byte

func newName() (n name) {
	rand.Read(n[:]) // never fails (crypto/rand)
	return n
}

// String returns the name in lower-case hexadecimal.
func (n name) String() string { return hex.EncodeToString(n[:]) }

func recordKey(id dht.ID, n name) []byte { return objectKey(prefixRecord, id, n) }
func partKey(id dht.ID, n name) []byte   { return objectKey(prefixPart, id, n) }

func objectKey(prefix string, id dht.ID, n name) []byte {
	return append(append([]byte(prefix), id[:]...), n[:]...)
}

// parseObjectKey is the inverse of objectKey.
func parseObjectKey(prefix string, key []byte) (id dht.ID, n name, ok bool) {
	if len(key) != len(prefix)+len(id)+len(n) {
		return id, n, false
	}
	copy(id[:], key[len(prefix):])
	copy(n[:], key[len(prefix)+len(id):])
	return id, n, true
}

func pinKey(id dht.ID) []byte { return append([]byte(prefixPin), id[:]...) }

func sideKey(n name) []byte   { return append([]byte(prefixSide), n[:]...) }
func accessKey(n name) []byte { return append([]byte(prefixAccess), n[:]...) }

// parseNameKey returns the name in a side or access key.
func parseNameKey(prefix string, key []byte) (n name, ok bool) {
	if len(key) != len(prefix)+len(n) {
		return n, false
	}
	copy(n[:], key[len(prefix):])
	return n, true
}

// memoID is the part of a memo's key behind the prefix.
type memoID [48]byte

func memoIDOf(id dht.ID, etag, coding string) (m memoID) {
	h := sha256.New()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(etag)))
	h.Write(n[:])
	h.Write([]byte(etag))
	h.Write([]byte(coding))
	copy(m[:], id[:])
	copy(m[len(id):], h.Sum(nil))
	return m
}

func (m memoID) key() []byte { return append([]byte(prefixMemo), m[:]...) }

func (m memoID) ageKey(at time.Time) []byte {
	k := binary.BigEndian.AppendUint64([]byte(prefixAge), uint64(max(at.Unix(), 0)))
	return append(k, m[:]...)
}

// parseAgeKey is the inverse of ageKey.
func parseAgeKey(key []byte) (m memoID, at time.Time, ok bool) {
	if len(key) != len(prefixAge)+8+len(m) {
		return m, at, false
	}
	at = time.Unix(int64(binary.BigEndian.Uint64(key[len(prefixAge):])), 0)
	copy(m[:], key[len(prefixAge)+8:])
	return m, at, true
}

// after returns the first key behind all that begin with prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
