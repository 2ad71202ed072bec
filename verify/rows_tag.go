package verify

import (
	"encoding/base64"
	"strings"
)

// tagRows are entity tags of servers and frameworks. Those that can be digests
// are believed only where this node has seen them be digests (Profiles).
var tagRows = []*Row{
	{
		Source: "entity tag, learned MD5", Pattern: `ETag: "<32hex>"`, Levels: []Level{E3}, kind: ETag,
		Condition: "learned for this place; one miss bars it",
		fields:    learnedHex(32, MD5),
		hint:      "this node believes such an entity tag after 8 full downloads from the site have borne it out",
	},
	{
		Source: "entity tag, learned SHA-1", Pattern: `ETag: "<40hex>"`, Levels: []Level{E3}, kind: ETag,
		Condition: "learned for this place, plain or as git names blobs",
		fields:    learnedHex(40, SHA1, GitBlob),
		hint:      "this node believes such an entity tag after 8 full downloads from the site have borne it out",
	},
	{
		Source: "Apache FileETag Digest", Pattern: `ETag: "<28 b64>"`, Levels: []Level{E3}, kind: ETag,
		Condition: "learned for this place",
		fields: func(x *exchange) []statement {
			t, ok := x.etag()
			sum := base64Sum(SHA1, t.text)
			if !ok || !t.strong || !t.quoted || sum == nil || !x.whole() {
				return nil
			}
			return x.learned(SHA1, sum)
		},
	},
	{
		Source: "Tomcat strong entity tag", Pattern: `ETag: "<64hex>"`, Levels: []Level{E3}, kind: ETag,
		Condition: "learned for this place",
		fields:    learnedHex(64, SHA256),
		hint:      "this node believes such an entity tag after 8 full downloads from the site have borne it out",
	},
	{
		Source: "GitHub raw entity tag", Pattern: `ETag: W/"<64hex>"`, Levels: []Level{E0},
		Condition: "never a digest of the content",
		fields:    weakTag(64),
	},
	{
		Source: "nginx, Apache, Caddy entity tag", Pattern: `ETag: "<hex>-<hex>" or base 36`, Levels: []Level{E1},
		Condition: "time and size: a validator only",
		fields: func(x *exchange) []statement {
			t, ok := x.etag()
			a, b, parted := strings.Cut(t.text, "-")
			alike := func(s string) bool {
				return s != "" && len(s) <= 16 && strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyz") == ""
			}
			if !ok || !t.strong || !parted || !alike(a) || !alike(b) {
				return nil
			}
			return []statement{{level: E1}}
		},
		hint: "the server's entity tag is made of time and size; a Repr-Digest field with sha-256 would let others help",
	},
	{
		Source: "Rack, Rails entity tag", Pattern: `ETag: W/"<32hex>"`, Levels: []Level{E0},
		Condition: "a SHA-256 cut to 32 digits: looks like MD5 and is not",
		fields:    weakTag(32),
	},
	{
		Source: "Cloudflare Pages entity tag", Pattern: `ETag: "<32hex>" of Pages and Workers`, Levels: []Level{E1},
		Condition: "a BLAKE3 of another input, cut: looks like MD5 and is not",
		fields: func(x *exchange) []statement {
			t, ok := x.etag()
			if !ok || !t.strong || !lowerHex(t.text, 32) || !isAssetHost(x) {
				return nil
			}
			return []statement{{level: E1}}
		},
	},
}

// learnedHex reads an entity tag of n hexadecimal digits as the one of algs
// that this place was seen to use.
func learnedHex(n int, algs ...Algorithm) func(*exchange) []statement {
	return func(x *exchange) []statement {
		t, ok := x.digestTag(n)
		if !ok {
			return nil
		}
		for _, alg := range algs {
			if s := x.learned(alg, hexSum(alg, t.text)); s != nil {
				return s
			}
		}
		return []statement{{level: E1}}
	}
}

func (x *exchange) learned(alg Algorithm, sum []byte) []statement {
	if !x.Profiles.learned(placeOf(x), alg, x.At) {
		return nil
	}
	return []statement{{level: E3, alg: alg, sum: sum}}
}

func weakTag(n int) func(*exchange) []statement {
	return func(x *exchange) []statement {
		t, ok := x.etag()
		if !ok || t.strong || !lowerHex(t.text, n) {
			return nil
		}
		return []statement{{level: E0}}
	}
}

// guesses returns what the entity tag of x could be, if it is a digest: what a
// full download is to be held against, so that the place is learned.
func guesses(x *exchange) []statement {
	var out []statement
	for n, algs := range map[int][]Algorithm{32: {MD5}, 40: {SHA1, GitBlob}, 64: {SHA256}} {
		t, ok := x.digestTag(n)
		for _, alg := range algs {
			if ok {
				out = append(out, statement{alg: alg, sum: hexSum(alg, t.text)})
			}
		}
	}
	t, ok := x.etag()
	if ok && t.strong && t.quoted && x.whole() && len(t.text) == base64.StdEncoding.EncodedLen(SHA1.Size()) {
		if sum := base64Sum(SHA1, t.text); sum != nil {
			out = append(out, statement{alg: SHA1, sum: sum})
		}
	}
	return out
}
