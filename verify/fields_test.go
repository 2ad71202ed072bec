package verify_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"testing"

	"github.com/flashcrowd/flashcrowd/verify"
)

// hello is the body of every answer here, other is another of its length.
var (
	hello, other = []byte("hello flash crowd"), []byte("HELLO flash crowd")
	a256, b256   = b64(stdSum(verify.SHA256, hello)), b64(stdSum(verify.SHA256, other))
	a512, b512   = b64(stdSum(verify.SHA512, hello)), b64(stdSum(verify.SHA512, other))
	empty256     = b64(stdSum(verify.SHA256, nil))
)

// field returns one header section from name, value, name, value, …
func field(kv ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(kv); i += 2 {
		h.Add(kv[i], kv[i+1])
	}
	return h
}

// sf returns members of a Dictionary of Byte Sequences.
func sf(kv ...string) string {
	s := ""
	for i := 0; i < len(kv); i += 2 {
		s += fmt.Sprintf(", %s=:%s:", kv[i], kv[i+1])
	}
	return s[2:]
}

func answer(method string, status int, h http.Header) verify.Exchange {
	return verify.Exchange{Method: method, Status: status, Header: h, Length: int64(len(hello)), At: noon}
}

func get(h http.Header) verify.Exchange  { return answer("GET", 200, h) }
func head(h http.Header) verify.Exchange { return answer("HEAD", 200, h) }
func part(h http.Header) verify.Exchange { return answer("GET", 206, h) }

// TestReadProves are the statements of evidence.md sections 1.1 and 2 that
// prove bytes; "kind/alg" is what they are read as.
func TestReadProves(t *testing.T) {
	for _, c := range []struct {
		name string
		x    verify.Exchange
		want []string
	}{
		{"repr-digest", get(field("Repr-Digest", sf("sha-256", a256))), []string{"repr-digest/sha-256"}},
		{"repr-digest on head", head(field("Repr-Digest", sf("sha-256", a256))), []string{"repr-digest/sha-256"}},
		{"repr-digest on 206", part(field("Repr-Digest", sf("sha-256", a256))), []string{"repr-digest/sha-256"}},
		{"repr-digest sha-512", get(field("Repr-Digest", sf("sha-512", a512))), []string{"repr-digest/sha-512"}},
		{"repr-digest is of the coded form", get(field("Repr-Digest", sf("sha-256", a256), "Content-Encoding", "gzip")), []string{"repr-digest/sha-256"}},
		{"sha-256 before sha-512", get(field("Repr-Digest", sf("sha-512", a512, "sha-256", a256))), []string{"repr-digest/sha-256", "repr-digest/sha-512"}},
		{"two lines", get(field("Repr-Digest", sf("sha-512", a512), "Repr-Digest", sf("sha-256", a256))), []string{"repr-digest/sha-256", "repr-digest/sha-512"}},
		{"the same twice", get(field("Repr-Digest", sf("sha-256", a256), "Repr-Digest", sf("sha-256", a256))), []string{"repr-digest/sha-256"}},
		{"beside md5 and what is unknown", get(field("Repr-Digest", sf("md5", b64(md5Of(hello)), "sha-256", a256)+`, id-sha-256=:`+b256+`:, x="a, b"`)), []string{"repr-digest/sha-256", "repr-digest/md5"}},
		{"parameters", get(field("Repr-Digest", "sha-256=:"+a256+":;q=1")), []string{"repr-digest/sha-256"}},
		{"field name in another case", get(field("rEPR-dIGEST", sf("sha-256", a256))), []string{"repr-digest/sha-256"}},
		{"content-digest on a whole 200", get(field("Content-Digest", sf("sha-256", a256))), []string{"content-digest/sha-256"}},
		{"content-digest is of the coded form", get(field("Content-Digest", sf("sha-512", a512), "Content-Encoding", "br")), []string{"content-digest/sha-512"}},
		{"both fields agree", get(field("Content-Digest", sf("sha-256", a256), "Repr-Digest", sf("sha-256", a256))), []string{"repr-digest/sha-256"}},
		{"fields complete each other", get(field("Content-Digest", sf("sha-512", a512), "Repr-Digest", sf("sha-256", a256))), []string{"repr-digest/sha-256", "content-digest/sha-512"}},
		{"digest", get(field("Digest", "SHA-256="+a256)), []string{"digest/sha-256"}},
		{"digest on head", head(field("Digest", "SHA-256="+a256)), []string{"digest/sha-256"}},
		{"digest in lower case, in a list", get(field("Digest", "MD5=1B2M2Y8AsgTpgAmY7PhCfg==, sha-512="+a512+" ,sha-256="+a256)), []string{"digest/sha-256", "digest/sha-512"}},
		{"digest on lines of its own", get(field("Digest", "SHA=2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "Digest", "SHA-256="+a256)), []string{"digest/sha-256"}},
		{"digest with an empty coding", get(field("Digest", "SHA-256="+a256, "Content-Encoding", "")), []string{"digest/sha-256"}},
		{"repr-digest and digest agree", get(field("Repr-Digest", sf("sha-256", a256), "Digest", "sha-256="+a256)), []string{"repr-digest/sha-256"}},
		{"digest beside a repr-digest that does not parse", get(field("Repr-Digest", "sha-256="+a256, "Digest", "sha-256="+a256)), []string{"digest/sha-256"}},
		{"a value of wrong size is absent", get(field("Repr-Digest", sf("sha-256", a512), "Digest", "sha-256="+a256)), []string{"digest/sha-256"}},
		{"a digest of wrong size is absent", get(field("Repr-Digest", sf("sha-256", a256), "Digest", "sha-256="+a512)), []string{"repr-digest/sha-256"}},
		{"content-digest on head is not compared", head(field("Repr-Digest", sf("sha-256", a256), "Content-Digest", sf("sha-256", empty256))), []string{"repr-digest/sha-256"}},
		{"content-digest on 206 is not compared", part(field("Repr-Digest", sf("sha-256", a256), "Content-Digest", sf("sha-256", b256))), []string{"repr-digest/sha-256"}},
		{"digest on 206 is not compared", part(field("Repr-Digest", sf("sha-256", a256), "Digest", "sha-256="+b256)), []string{"repr-digest/sha-256"}},
		{"digest of a coded body is not compared", get(field("Repr-Digest", sf("sha-256", a256), "Digest", "sha-256="+b256, "Content-Encoding", "gzip")), []string{"repr-digest/sha-256"}},
		{"only sha-256 contradicts itself", get(field("Repr-Digest", sf("sha-256", a256, "sha-512", a512), "Digest", "sha-256="+b256)), []string{"repr-digest/sha-512"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.x.URL = mustURL(t, "https://bank.test/x")
			found := verify.Read(c.x)
			if len(found) != len(c.want) {
				t.Fatalf("found = %v, want %v", found, c.want)
			}
			for i, e := range found {
				if e.Digest().Algorithm() == verify.MD5 && e.Level() == verify.E4 && c.want[i] == "repr-digest/md5" {
					continue
				}
				want := stdDigest(t, e.Digest().Algorithm(), hello)
				if got := string(e.Kind()) + "/" + e.Digest().Algorithm().String(); got != c.want[i] || e.Digest() != want {
					t.Errorf("found %s %s, want %s %s", got, e.Digest(), c.want[i], want)
				}
				if e.Level() != verify.E7 || !e.At().Equal(noon) || e.Authority().String() != "https://bank.test:443" {
					t.Errorf("found = %s at %s by %s", e.Level(), e.At(), e.Authority())
				}
			}
		})
	}
}

// TestReadProvesNothing are the traps of evidence.md sections 0, 1.1 and 2.
func TestReadProvesNothing(t *testing.T) {
	good := field("Repr-Digest", sf("sha-256", a256))
	unknown := get(good)
	unknown.Length = -1
	all := field("Repr-Digest", sf("sha-256", a256), "Content-Digest", sf("sha-256", a256), "Digest", "sha-256="+a256)
	repr := func(value string) verify.Exchange { return get(field("Repr-Digest", value)) }
	legacy := func(value string) verify.Exchange { return get(field("Digest", value)) }
	cases := map[string]verify.Exchange{
		"no fields":                       get(nil),
		"unknown length":                  unknown,
		"content-digest on head":          head(field("Content-Digest", sf("sha-256", empty256))),
		"content-digest on 206":           part(field("Content-Digest", sf("sha-256", a256))),
		"digest on 206":                   part(field("Digest", "SHA-256="+a256)),
		"digest of a coded body":          get(field("Digest", "SHA-256="+a256, "Content-Encoding", "gzip")),
		"digest of a coded body, 2 lines": get(http.Header{"Digest": {"SHA-256=" + a256}, "Content-Encoding": {"", "gzip"}}),
		"digest with identity as coding":  get(field("Digest", "SHA-256="+a256, "Content-Encoding", "identity")),
		"coded digest on head":            head(field("Digest", "SHA-256="+a256, "Content-Encoding", "br")),

		"crc32c only":           repr(sf("crc32c", "4waSgw==")),
		"sha-384":               repr(sf("sha-384", b64(make([]byte, 48)))),
		"sha256 without hyphen": repr(sf("sha256", a256)),
		"digest md5 only":       legacy("MD5=1B2M2Y8AsgTpgAmY7PhCfg=="),
		"digest sha only":       legacy("SHA=2jmj7l5rSw0yVb/vlWAYkK/YBwk=,UNIXsum=30637"),
		"digest id-sha-256":     legacy("id-sha-256=" + a256),
		"want-repr-digest":      get(field("Want-Repr-Digest", verify.WantReprDigest)),

		"name in upper case":  repr(sf("SHA-256", a256)),
		"no colons":           repr("sha-256=" + a256),
		"no closing colon":    repr("sha-256=:" + a256),
		"digest syntax":       repr("SHA-256=" + a256),
		"string":              repr(`sha-256="` + a256 + `"`),
		"inner list":          repr("sha-256=(:" + a256 + ":)"),
		"hexadecimal":         repr(sf("sha-256", hex.EncodeToString(stdSum(verify.SHA256, hello)))),
		"no base64":           repr("sha-256=:" + a256[:20] + "*" + a256[21:] + ":"),
		"trailing comma":      repr(sf("sha-256", a256) + ","),
		"spoilt by a member":  repr(sf("sha-256", a256) + ", sha-512=:*:"),
		"spoilt by a line":    get(field("Repr-Digest", sf("sha-256", a256), "Repr-Digest", "=")),
		"true":                repr("sha-256"),
		"only inside a list":  repr("x=(a b), y=\"q, sha-256=:" + a256 + ":\""),
		"empty value":         repr(""),
		"no value":            repr("sha-256=::"),
		"digest in colons":    legacy("SHA-256=:" + a256 + ":"),
		"digest in hex":       legacy("SHA-256=" + hex.EncodeToString(stdSum(verify.SHA256, hello))),
		"digest with weight":  legacy("SHA-256=" + a256 + ";q=1"),
		"digest without =":    legacy("SHA-256 " + a256),
		"digest of one octet": legacy("SHA-256=" + b64([]byte{1})),

		"31 octets":              repr(sf("sha-256", b64(make([]byte, 31)))),
		"33 octets":              repr(sf("sha-256", b64(make([]byte, 33)))),
		"sha-512 as sha-256":     repr(sf("sha-256", a512)),
		"sha-256 as sha-512":     repr(sf("sha-512", a256)),
		"digest of wrong size":   legacy("SHA-256=" + a512),
		"two in one field":       repr(sf("sha-256", b256, "sha-256", a256)),
		"two on two lines":       get(field("Repr-Digest", sf("sha-256", a256), "Repr-Digest", sf("sha-256", b256))),
		"two, with parameters":   repr("sha-256=:" + a256 + ":, sha-256=:" + a256 + ":;a=1"),
		"one that was true":      repr("sha-256, " + sf("sha-256", a256)),
		"one that was true;a":    repr("sha-256;a, " + sf("sha-256", a256)),
		"one that became true":   repr(sf("sha-256", a256) + ", sha-256"),
		"one among the unknown":  repr(sf("sha-256", a256, "md5", "AA==", "sha-256", b256)),
		"repr and content":       get(field("Repr-Digest", sf("sha-256", a256), "Content-Digest", sf("sha-256", b256))),
		"repr and digest":        get(field("Repr-Digest", sf("sha-512", a512), "Digest", "sha-512="+b512)),
		"two in digest":          legacy("SHA-256=" + a256 + ", sha-256=" + b256),
		"two in repr, one again": get(field("Repr-Digest", sf("sha-256", a256, "sha-256", b256), "Content-Digest", sf("sha-256", b256))),

		"post":       answer("POST", 200, all),
		"put":        answer("PUT", 200, all),
		"options":    answer("OPTIONS", 200, all),
		"lower case": answer("get", 200, all),
		"no method":  answer("", 200, all),
		"206 to head": answer("HEAD", 206,
			all),
	}
	for _, status := range []int{0, 100, 199, 201, 203, 204, 226, 300, 301, 302, 303, 304, 307, 308, 400, 404, 410, 416, 429, 500, 503} {
		cases[fmt.Sprintf("get %d", status)] = answer("GET", status, all)
		cases[fmt.Sprintf("head %d", status)] = answer("HEAD", status, all)
	}
	for name, x := range cases {
		t.Run(name, func(t *testing.T) {
			x.URL = mustURL(t, "https://bank.test/x")
			if found := verify.Read(x); len(found) != 0 {
				t.Errorf("found = %s of %s", found[0].Field(), found[0].Digest())
			}
		})
	}
}

func md5Of(b []byte) []byte {
	sum := md5.Sum(b)
	return sum[:]
}

func TestEvidenceField(t *testing.T) {
	u := mustURL(t, "https://bank.test/x")
	if got, want := verify.Read(said(u, stdDigest(t, verify.SHA512, hello), noon))[0].Field(), "repr-digest; level=E7; alg=sha-512"; got != want {
		t.Errorf("field = %q, want %q", got, want)
	}
	e, err := verify.Remember(u, stdDigest(t, verify.SHA256, hello), noon)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := e.Field(), "remembered; level=E6; alg=sha-256"; got != want {
		t.Errorf("field = %q, want %q", got, want)
	}
}
