package verify

import (
	"bytes"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// One target for each parser of a field. What all have in common: nothing of a
// wrong size comes out, and what comes out stands in what went in.

func sound(t *testing.T, all []statement) {
	t.Helper()
	for _, s := range all {
		if s.alg != 0 && s.sum != nil && len(s.sum) != s.alg.Size() || s.level >= E3 && s.sum != nil && !s.provable() {
			t.Fatalf("%s %s of %d octets", s.level, s.alg, len(s.sum))
		}
	}
}

// FuzzStructured is Repr-Digest, Content-Digest and Unencoded-Digest.
func FuzzStructured(f *testing.F) {
	for _, s := range []string{"sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:", "md5=:AAAAAAAAAAAAAAAAAAAAAA==:;a, sha=1", "sha-256=(:AA==:)", "sha-256=:AA:\nsha-256", ",", `a="sha-256=:`, ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lines := strings.Split(s, "\n")
		for _, known := range []map[string]stated{active, deprecated} {
			all := structured(lines, known)
			sound(t, all)
			for _, x := range all {
				if x.sum != nil && !strings.Contains(s, base64.RawStdEncoding.EncodeToString(x.sum)[:len(x.sum)]) {
					t.Fatalf("%x was never stated", x.sum)
				}
			}
		}
	})
}

// FuzzLegacy is Digest.
func FuzzLegacy(f *testing.F) {
	for _, s := range []string{"SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "md5=AAAAAAAAAAAAAAAAAAAAAA==,SHA=", "unixsum=1", " = , =", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { sound(t, legacy(strings.Split(s, "\n"), anyOfThem)) })
}

// FuzzEntityTag is ETag, in each of its meanings.
func FuzzEntityTag(f *testing.F) {
	for _, s := range []string{`"0123456789abcdef0123456789abcdef"`, `W/"x"`, `"0123456789abcdef0123456789abcdef-2"`, `"{SHA1{0123}}"`, "0123456789abcdef0123456789abcdef", `"`, `""`, `"-"`, `"2jmj7l5rSw0yVb/vlWAYkK/YBwk="`} {
		f.Add(s, int64(300), int64(200))
	}
	f.Fuzz(func(t *testing.T, s string, length, part int64) {
		x := newExchange(Exchange{URL: &url.URL{Scheme: "https", Host: "site.test", Path: "/f"}, Method: http.MethodGet, Status: 200, Length: length, PartSize: part, Header: http.Header{
			"Etag": {s}, "X-Amz-Id-2": {"1"}, "X-Amz-Request-Id": {"1"}, "X-Goog-Generation": {"1"}, "X-Trans-Id": {"1"}, "X-Repo-Commit": {"1"},
		}})
		for _, row := range table {
			if row.Where == InFields {
				sound(t, row.fields(x))
			}
		}
		if sum, n, ok := partsTag(x); ok && (len(sum) != 16 || n < 1 || strings.HasPrefix(s, "W/")) {
			t.Fatalf("%q is a tag of %d parts", s, n)
		}
		sound(t, guesses(x))
	})
}

// FuzzBase36 is x-object-meta-sha1base36.
func FuzzBase36(f *testing.F) {
	for _, s := range []string{"jywkymwk5kel4plcu17bdqhwzuuz3nx", "0000000000000000000000000000000", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "", "+", "-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sum := base36Sum(s)
		if sum == nil {
			return
		}
		back := new(big.Int).SetBytes(sum).Text(36)
		if len(sum) != 20 || strings.Repeat("0", 31-len(back))+back != s {
			t.Fatalf("%q is %x", s, sum)
		}
	})
}

// FuzzGoogHash is x-goog-hash.
func FuzzGoogHash(f *testing.F) {
	f.Add("crc32c=AAAAAA==\nmd5=1B2M2Y8AsgTpgAmY7PhCfg==")
	f.Add("md5=a,md5=b")
	f.Add(",md5==")
	f.Fuzz(func(t *testing.T, s string) {
		x := newExchange(Exchange{Method: http.MethodGet, Status: 200, Length: 300, Header: http.Header{"X-Goog-Hash": strings.Split(s, "\n")}})
		sound(t, googHash(x))
		if v, ok := googValue(x, "md5"); ok && !strings.Contains(s, "md5="+v) {
			t.Fatalf("%q has %q", s, v)
		}
	})
}

// FuzzEncodings are hexadecimal and base64 of every algorithm.
func FuzzEncodings(f *testing.F) {
	f.Add("0123456789abcdef0123456789abcdef")
	f.Add("1B2M2Y8AsgTpgAmY7PhCfg==")
	f.Add("==")
	f.Fuzz(func(t *testing.T, s string) {
		for _, alg := range preferred {
			h, b := hexSum(alg, s), base64Sum(alg, s)
			if h != nil && len(h) != alg.Size() || b != nil && (len(b) != alg.Size() || !bytes.Equal(b, base64Sum(alg, base64.StdEncoding.EncodeToString(b)))) {
				t.Fatalf("%s: %q is %x, %x", alg, s, h, b)
			}
		}
	})
}

// FuzzDocumentValues are SRI, Metalink and the other values of documents.
func FuzzDocumentValues(f *testing.F) {
	for _, s := range []string{"sha384-AAAA?x sha512-", `<hash type="sha-256">00</hash>`, "#sha256=", "h1:", "oid sha256:00", "<md5></md5>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, row := range table {
			if row.Where == InDocument {
				sound(t, row.value(s))
			}
		}
	})
}

// FuzzURLRows are the URLs that name their content.
func FuzzURLRows(f *testing.F) {
	for _, s := range []string{"https://files.pythonhosted.org/packages/00/00/00/a", "https://r.test/v2/a/blobs/sha256:00", "https://d.test/by-hash/SHA256/00", "https://i.test/ipfs/bafkrei", "http://[::1]/%2f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		if err != nil {
			return
		}
		for _, row := range table {
			if row.Where == InURL {
				sound(t, row.url(u))
			}
		}
	})
}

// FuzzMediaType is Content-Type, by which MD5 is believed or not.
func FuzzMediaType(f *testing.F) {
	for _, s := range []string{"image/png", "IMAGE/SVG+XML; charset=utf-8", "video/mp4, text/html", "image", "image/", " font/woff2 ;", "text/html;image/png"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		kind, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(s)), "/")
		if passive(s) && (kind != "image" && kind != "audio" && kind != "video" && kind != "font" || strings.Contains(strings.ToLower(s), "image/svg+xml")) {
			t.Fatalf("%q is passive", s)
		}
	})
}

// FuzzContentAddress is Docker-Content-Digest, and where URLs say the same.
func FuzzContentAddress(f *testing.F) {
	f.Add("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	f.Add("sha512:00")
	f.Add("sha256:")
	f.Fuzz(func(t *testing.T, s string) {
		all := ociDigest(s, E8)
		sound(t, all)
		for _, x := range all {
			if _, hash, _ := strings.Cut(s, ":"); hash != strings.ToLower(hash) || len(hash) != 2*len(x.sum) {
				t.Fatalf("%q is %x", s, x.sum)
			}
		}
	})
}

// FuzzSignedQuery: whatever else stands in a query, a signature in it is seen.
func FuzzSignedQuery(f *testing.F) {
	f.Add("a=1", "b=%zz")
	f.Add("%", "&")
	f.Fuzz(func(t *testing.T, before, after string) {
		for _, sign := range []string{"X-Amz-Signature=ab", "AWSAccessKeyId=ab"} {
			if u := (&url.URL{Scheme: "https", Host: "b.s3.amazonaws.com", Path: "/f", RawQuery: before + "&" + sign + "&" + after}); !presigned(u) {
				t.Fatalf("%q is not signed", u.RawQuery)
			}
		}
	})
}
