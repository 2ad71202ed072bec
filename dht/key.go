package dht

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// ID names one URL, site or digest between nodes that both know it (32 octets
// of SHA-256 over a kind prefix and the name). It is never put into the DHT.
type ID [sha256.Size]byte

// String returns the ID in lower-case hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Key is what the DHT sees of an ID: CIDv1(raw, sha2-256(id)).
func (id ID) Key() Key {
	sum := sha256.Sum256(id[:])
	mh, err := multihash.Encode(sum[:], multihash.SHA2_256)
	if err != nil {
		panic("dht: internal error: sha2-256 multihash: " + err.Error())
	}
	return Key{cid.NewCidV1(cid.Raw, mh)}
}

// Key is a rendezvous point in the DHT. Keys are comparable; the zero Key is
// no key.
type Key struct{ c cid.Cid }

// CID returns the key in the form that go-libp2p-kad-dht takes.
func (k Key) CID() cid.Cid { return k.c }

// String returns the CID in its default base, or "" for the zero Key.
func (k Key) String() string {
	if !k.c.Defined() {
		return ""
	}
	return k.c.String()
}

// URLID returns the ID of u: SHA-256("flashcrowd/url/1" NUL canonical-URL).
func URLID(u *url.URL) (ID, error) {
	s, err := Canonical(u)
	if err != nil {
		return ID{}, err
	}
	return kindID("url", s), nil
}

// KeyOf returns the DHT key of an absolute http or https URL.
func KeyOf(rawURL string) (Key, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return Key{}, fmt.Errorf("dht: parse url: %w", err)
	}
	id, err := URLID(u)
	if err != nil {
		return Key{}, err
	}
	return id.Key(), nil
}

// SiteID returns the ID of the site that u belongs to, scheme://host:port with
// the port always written: SHA-256("flashcrowd/site/1" NUL site).
func SiteID(u *url.URL) (ID, error) {
	c, err := canonical(u)
	if err != nil {
		return ID{}, err
	}
	port := c.Port()
	if port == "" {
		port = defaultPort[c.Scheme]
	}
	return kindID("site", c.Scheme+"://"+bracketed(c.Hostname())+":"+port), nil
}

// DigestID returns the ID of a body by its multihash, so that mirrors of one
// file share a swarm: SHA-256("flashcrowd/digest/1" NUL multihash).
func DigestID(mh multihash.Multihash) ID { return kindID("digest", string(mh)) }

func kindID(kind, name string) ID {
	return sha256.Sum256([]byte("flashcrowd/" + kind + "/1\x00" + name))
}
