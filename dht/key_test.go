package dht_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"testing"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

func parse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// The vectors fix the names for ever: nodes with other ones never meet.
func TestVectors(t *testing.T) {
	id, err := dht.URLID(parse(t, "HTTPS://Example.com:443/a/../b?q#f"))
	if err != nil {
		t.Fatal(err)
	}
	if want := sha256.Sum256([]byte("flashcrowd/url/1\x00https://example.com/b?q")); id != dht.ID(want) {
		t.Errorf("URLID = %v, want %x", id, want)
	}
	if want := "65f9ab666404980dc8aed50343af13aabcdc58d2547a38aacba803166ad43f9f"; id.String() != want {
		t.Errorf("id is %s, want %s", id, want)
	}
	if want := "bafkreihsgddx5frth5gmtog2ipv2xcpoqfm55t3ip327334fffnl2bjl2q"; id.Key().String() != want {
		t.Errorf("key is %s, want %s", id.Key(), want)
	}
	c := id.Key().CID()
	digest := sha256.Sum256(id[:])
	if want := append([]byte{0x12, 32}, digest[:]...); c.Version() != 1 || c.Type() != cid.Raw || string(c.Hash()) != string(want) {
		t.Errorf("key is CIDv%d, codec %#x, multihash %x; want CIDv1, raw, %x", c.Version(), c.Type(), c.Hash(), want)
	}
}

func TestSiteID(t *testing.T) {
	for _, c := range []struct{ raw, site string }{
		{"http://Example.com/a?b", "http://example.com:80"},
		{"https://example.com/", "https://example.com:443"},
		{"https://example.com:8443/x", "https://example.com:8443"},
		{"http://[::1]/", "http://[::1]:80"},
		{"http://[::1]:8080/", "http://[::1]:8080"},
		{"http://bücher.example/", "http://xn--bcher-kva.example:80"},
	} {
		id, err := dht.SiteID(parse(t, c.raw))
		if want := sha256.Sum256([]byte("flashcrowd/site/1\x00" + c.site)); id != dht.ID(want) || err != nil {
			t.Errorf("SiteID(%s) = %v, %v, want that of %s", c.raw, id, err, c.site)
		}
	}
	if _, err := dht.SiteID(parse(t, "ftp://example.com/")); !errors.Is(err, dht.ErrURL) {
		t.Errorf("SiteID of an ftp URL: %v", err)
	}
}

func TestDigestID(t *testing.T) {
	body := sha256.Sum256([]byte("body"))
	mh, err := multihash.Encode(body[:], multihash.SHA2_256)
	if err != nil {
		t.Fatal(err)
	}
	name := append([]byte("flashcrowd/digest/1\x00\x12\x20"), body[:]...)
	if id, want := dht.DigestID(mh), sha256.Sum256(name); id != dht.ID(want) {
		t.Errorf("DigestID = %v, want %x", id, want)
	}
}

func TestKeyOf(t *testing.T) {
	a, err := dht.KeyOf("http://example.com/%7Ea")
	if err != nil {
		t.Fatal(err)
	}
	for raw, same := range map[string]bool{
		"HTTP://EXAMPLE.com:80/~a":   true,
		"http://example.com/~a#top":  true,
		"https://example.com/~a":     false,
		"http://example.com/~a?":     false,
		"http://example.com/~a/":     false,
		"http://www.example.com/~a":  false,
		"http://example.com:81/~a":   false,
		"http://example.com/~a?x=1":  false,
		"http://example.com/%7Ea%2F": false,
	} {
		if b, err := dht.KeyOf(raw); (a == b) != same || err != nil {
			t.Errorf("KeyOf(%s) equal: %v, %v, want %v", raw, a == b, err, same)
		}
	}
	for _, raw := range []string{"http://exa mple.com/", "ftp://example.com/", "\x7f"} {
		if k, err := dht.KeyOf(raw); err == nil || k != (dht.Key{}) {
			t.Errorf("KeyOf(%q) = %v, %v, want an error and no key", raw, k, err)
		}
	}
	if s := (dht.Key{}).String(); s != "" {
		t.Errorf("the zero key is %q", s)
	}
	if _, err := hex.DecodeString(dht.ID{}.String()); err != nil || len(dht.ID{}.String()) != 64 {
		t.Errorf("the zero ID is %q", dht.ID{})
	}
}
