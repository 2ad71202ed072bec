package verify_test

import (
	"errors"
	"net/url"
	"testing"

	"github.com/flashcrowd/flashcrowd/verify"
)

// admits reports whether what one URL's origin said proves bytes of another.
func admits(t *testing.T, said1, target *url.URL) bool {
	t.Helper()
	d := stdDigest(t, verify.SHA256, hello)
	found := verify.Read(said(said1, d, noon))
	if e, err := verify.Remember(said1, d, noon); err == nil {
		found = append(found, e)
	}
	p, err := verify.Admit(verify.Open, target, found)
	if (err == nil) != p.Valid() || err != nil && !errors.Is(err, verify.ErrNoEvidence) {
		t.Fatalf("proof = %v, error = %v", p, err)
	}
	return p.Valid()
}

// TestOneSubject: spellings for which a client sends the same request to the
// same server are one URL.
func TestOneSubject(t *testing.T) {
	for _, c := range [][2]string{
		{"https://bank.test/x", "https://bank.test/x"},
		{"https://bank.test/x", "https://bank.test:443/x"},
		{"https://bank.test/x", "https://bank.test:/x"},
		{"http://bank.test/x", "http://bank.test:80/x"},
		{"https://bank.test:8443/x", "https://bank.test:8443/x"},
		{"https://bank.test/x", "HTTPS://BANK.Test/x"},
		{"https://bank.test/x", "https://bank.test/x#top"},
		{"https://bank.test", "https://bank.test/"},
		{"https://bank.test?q", "https://bank.test/?q"},
		{"https://b\u00fccher.test/x", "https://xn--bcher-kva.test/x"},
		{"https://B\u00dcCHER.test/x", "https://XN--BCHER-KVA.test/x"},
		{"https://ban\u212a.test/x", "https://bank.test/x"}, // the Kelvin sign is k to IDNA too
		{"https://[::1]/x", "https://[0:0::1]:443/x"},
		{"https://[2001:DB8::A]/x", "https://[2001:db8::a]/x"},
	} {
		u, v := mustURL(t, c[0]), mustURL(t, c[1])
		if !admits(t, u, v) || !admits(t, v, u) {
			t.Errorf("%s and %s do not speak for each other", u, v)
		}
	}
}

// TestOtherSubject: evidence of one URL proves nothing of another, in either
// direction, however alike they look.
func TestOtherSubject(t *testing.T) {
	base := mustURL(t, "https://bank.test/a/b%2Fc?q=1")
	if !admits(t, base, base) {
		t.Fatal("a URL does not speak for itself")
	}
	for name, s := range map[string]string{
		"host":                "https://evil.test/a/b%2Fc?q=1",
		"subdomain":           "https://www.bank.test/a/b%2Fc?q=1",
		"parent":              "https://test/a/b%2Fc?q=1",
		"suffix":              "https://bank.test.evil.test/a/b%2Fc?q=1",
		"prefix":              "https://evilbank.test/a/b%2Fc?q=1",
		"trailing dot":        "https://bank.test./a/b%2Fc?q=1",
		"address":             "https://127.0.0.1/a/b%2Fc?q=1",
		"scheme":              "http://bank.test/a/b%2Fc?q=1",
		"scheme, its port":    "http://bank.test:443/a/b%2Fc?q=1",
		"port":                "https://bank.test:8443/a/b%2Fc?q=1",
		"port of http":        "https://bank.test:80/a/b%2Fc?q=1",
		"port with a zero":    "https://bank.test:0443/a/b%2Fc?q=1",
		"path":                "https://bank.test/a/b?q=1",
		"path case":           "https://bank.test/A/b%2Fc?q=1",
		"decoded slash":       "https://bank.test/a/b/c?q=1",
		"escape in lower":     "https://bank.test/a/b%2fc?q=1",
		"escape twice":        "https://bank.test/a/b%252Fc?q=1",
		"dot segments":        "https://bank.test/a/z/../b%2Fc?q=1",
		"dot segment":         "https://bank.test/./a/b%2Fc?q=1",
		"empty segment":       "https://bank.test//a/b%2Fc?q=1",
		"trailing slash":      "https://bank.test/a/b%2Fc/?q=1",
		"escaped letter":      "https://bank.test/%61/b%2Fc?q=1",
		"query":               "https://bank.test/a/b%2Fc?q=2",
		"no query":            "https://bank.test/a/b%2Fc",
		"empty query":         "https://bank.test/a/b%2Fc?",
		"longer query":        "https://bank.test/a/b%2Fc?q=1&",
		"query in the path":   "https://bank.test/a/b%2Fc%3Fq=1",
		"query in a fragment": "https://bank.test/a/b%2Fc#?q=1",
		"url in the path":     "https://evil.test/https://bank.test/a/b%2Fc?q=1",
		"userinfo":            "https://user@bank.test/a/b%2Fc?q=1",
		"empty userinfo":      "https://@bank.test/a/b%2Fc?q=1",
		"userinfo as host":    "https://bank.test@evil.test/a/b%2Fc?q=1",
		"host as userinfo":    "https://evil.test@bank.test/a/b%2Fc?q=1",
		"redirect target":     "https://cdn.bank.test/a/b%2Fc?q=1&signature=1",
	} {
		t.Run(name, func(t *testing.T) {
			u := mustURL(t, s)
			if admits(t, u, base) {
				t.Errorf("%s speaks for %s", u, base)
			}
			if admits(t, base, u) {
				t.Errorf("%s speaks for %s", base, u)
			}
		})
	}
}

func TestEmptyQueryIsAQuery(t *testing.T) {
	u, v := mustURL(t, "https://bank.test/x"), mustURL(t, "https://bank.test/x?")
	if admits(t, u, v) || admits(t, v, u) {
		t.Errorf("%s and %s speak for each other", u, v)
	}
}

// TestHostsThatUnicodeConfuses: names that case folding would take for one and
// that are dialled as two.
func TestHostsThatUnicodeConfuses(t *testing.T) {
	for _, c := range [][2]string{
		{"https://b\u0130ng.test/x", "https://bing.test/x"}, // I with dot above
		{"https://b%C4%B0ng.test/x", "https://bing.test/x"},
		{"https://b\u0131ng.test/x", "https://bing.test/x"}, // i without dot
		{"https://b\u0456ng.test/x", "https://bing.test/x"}, // Cyrillic
		{"https://b%FFng.test/x", "https://b%FEng.test/x"},  // not UTF-8: both U+FFFD
		{"https://b%FFng.test/x", "https://b\ufffdng.test/x"},
	} {
		u, v := mustURL(t, c[0]), mustURL(t, c[1])
		if admits(t, u, v) || admits(t, v, u) {
			t.Errorf("%s and %s speak for each other", c[0], c[1])
		}
	}
}

// TestNoSubject: URLs that were put together by hand, or that mean nothing to
// another node, have no evidence at all, and nothing panics.
func TestNoSubject(t *testing.T) {
	bank := mustURL(t, "https://bank.test/x")
	for name, u := range map[string]*url.URL{
		"nil":            nil,
		"zero":           {},
		"relative":       {Path: "/x"},
		"no host":        {Scheme: "https", Path: "/x"},
		"port only":      {Scheme: "https", Host: ":443", Path: "/x"},
		"ftp":            {Scheme: "ftp", Host: "bank.test", Path: "/x"},
		"two ports":      {Scheme: "https", Host: "bank.test:443:443", Path: "/x"},
		"port in words":  {Scheme: "https", Host: "bank.test:https", Path: "/x"},
		"open bracket":   {Scheme: "https", Host: "[::1", Path: "/x"},
		"zone":           {Scheme: "https", Host: "[fe80::1%eth0]", Path: "/x"},
		"opaque":         {Scheme: "https", Host: "bank.test", Opaque: "//evil.test/x"},
		"mailto":         {Scheme: "mailto", Opaque: "x@bank.test"},
		"path of a host": {Scheme: "https", Host: "bank", Path: ".test/x"},
		"asterisk":       {Scheme: "https", Host: "bank.test", Path: "*"},
		"query no text":  {Scheme: "https", Host: "bank.test", Path: "/x", RawQuery: "\xff"},
		"userinfo":       {Scheme: "https", Host: "bank.test", Path: "/x", User: url.User("")},
		"IDNA forbids":   {Scheme: "https", Host: "a\u2100b.test", Path: "/x"},
	} {
		t.Run(name, func(t *testing.T) {
			d := stdDigest(t, verify.SHA256, hello)
			if found := verify.Read(said(u, d, noon)); len(found) != 0 {
				t.Errorf("read = %v", found)
			}
			if _, err := verify.Remember(u, d, noon); !errors.Is(err, verify.ErrMalformed) {
				t.Errorf("remember = %v, want ErrMalformed", err)
			}
			for _, found := range [][]verify.Evidence{nil, {{}}, verify.Read(said(bank, d, noon))} {
				if p, err := verify.Admit(verify.Open, u, found); p.Valid() || !errors.Is(err, verify.ErrNoEvidence) {
					t.Errorf("admit = %v", err)
				}
			}
		})
	}
}

func TestAuthorityString(t *testing.T) {
	for in, want := range map[string]string{
		"https://Bank.Test/x":      "https://bank.test:443",
		"http://bank.test":         "http://bank.test:80",
		"http://bank.test:8080/":   "http://bank.test:8080",
		"https://[2001:DB8::1]/x":  "https://[2001:db8::1]:443",
		"https://b\u00fccher.test": "https://xn--bcher-kva.test:443",
		"https://under_score.test": "https://under_score.test:443",
		"https://user@bank.test/":  "https://bank.test:443",
		"https://bank.test./":      "https://bank.test.:443",
	} {
		a, err := verify.AuthorityOf(mustURL(t, in))
		if err != nil || a.String() != want || a.Secure() != (want[:5] == "https") {
			t.Errorf("authority of %s = %s, %v, want %s", in, a, err, want)
		}
		again, err := verify.AuthorityOf(mustURL(t, a.String()))
		if err != nil || again != a {
			t.Errorf("authority of %s = %s, %v", a, again, err)
		}
	}
	if (verify.Authority{}).Secure() {
		t.Error("nobody is secure")
	}
}
