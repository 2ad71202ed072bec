package dht_test

import (
	"errors"
	"net/url"
	"testing"

	"github.com/flashcrowd/flashcrowd/dht"
)

var canonicalForms = []struct{ raw, want string }{
	// RFC 3986 section 6.2.2.1: case
	{"HTTP://Example.COM/Path", "http://example.com/Path"},
	{"http://example.com/%3a%2f", "http://example.com/%3A%2F"},
	{"http://example.com/?q=%c3%a9", "http://example.com/?q=%C3%A9"},
	// section 6.2.2.2: percent-encoding
	{"http://example.com/%7euser", "http://example.com/~user"},
	{"http://example.com/%41%2d%2E%5f", "http://example.com/A-._"},
	{"http://example.com/a%2fb", "http://example.com/a%2Fb"},
	{"http://example.com/a%20b", "http://example.com/a%20b"},
	{"http://example.com/a%00b", "http://example.com/a%00b"},
	{"http://example.com/a b", "http://example.com/a%20b"},
	{"http://example.com/é", "http://example.com/%C3%A9"},
	{"http://example.com/%25", "http://example.com/%25"},
	{"http://example.com/%2541", "http://example.com/%2541"},
	{"http://example.com/?a=%7E&b=%2f", "http://example.com/?a=~&b=%2F"},
	{"http://example.com/?100%", "http://example.com/?100%25"},
	{"http://example.com/?a=%4", "http://example.com/?a=%254"},
	{"http://example.com/?a=%zz", "http://example.com/?a=%25zz"},
	// section 6.2.2.3: dot segments
	{"http://example.com/a/./b/../c", "http://example.com/a/c"},
	{"http://example.com/a/b/..", "http://example.com/a/"},
	{"http://example.com/a/.", "http://example.com/a/"},
	{"http://example.com/../../a", "http://example.com/a"},
	{"http://example.com/%2e%2E/a", "http://example.com/a"},
	{"http://example.com/a/...", "http://example.com/a/..."},
	{"http://example.com/a/.b/..c", "http://example.com/a/.b/..c"},
	{"http://example.com/a/../../", "http://example.com/"},
	{"http://example.com/?x=/a/../b", "http://example.com/?x=/a/../b"},
	// empty segments mean something
	{"http://example.com/a//b", "http://example.com/a//b"},
	{"http://example.com//", "http://example.com//"},
	{"http://example.com//a/..", "http://example.com//"},
	{"http://example.com/a/b/", "http://example.com/a/b/"},
	// section 6.2.3: scheme
	{"http://example.com", "http://example.com/"},
	{"http://example.com:/", "http://example.com/"},
	{"http://example.com:80/", "http://example.com/"},
	{"http://example.com:080/", "http://example.com/"},
	{"https://example.com:443/", "https://example.com/"},
	{"https://example.com:80/", "https://example.com:80/"},
	{"http://example.com:443/", "http://example.com:443/"},
	{"http://example.com:8080", "http://example.com:8080/"},
	// query and fragment
	{"http://example.com?b=2&a=1", "http://example.com/?b=2&a=1"},
	{"http://example.com/?a=1&a=1", "http://example.com/?a=1&a=1"},
	{"http://example.com/?", "http://example.com/?"},
	{"http://example.com/#part", "http://example.com/"},
	{"http://example.com/?q#part", "http://example.com/?q"},
	{"http://example.com/?q=a+b", "http://example.com/?q=a+b"},
	// hosts
	{"http://Bücher.example/", "http://xn--bcher-kva.example/"},
	{"http://XN--BCHER-KVA.example/", "http://xn--bcher-kva.example/"},
	{"http://a_B.example/", "http://a_b.example/"},
	{"http://example.com./", "http://example.com./"},
	{"http://127.0.0.1:80/", "http://127.0.0.1/"},
	{"http://[::1]/", "http://[::1]/"},
	{"http://[::1]:80/", "http://[::1]/"},
	{"http://[::1]:8080/", "http://[::1]:8080/"},
	{"http://[2001:DB8:0:0::1]/", "http://[2001:db8::1]/"},
	{"http://[fe80::1%25en0]/", "http://[fe80::1%25en0]/"},
}

func TestCanonical(t *testing.T) {
	for _, c := range canonicalForms {
		u, err := url.Parse(c.raw)
		if err != nil {
			t.Errorf("parse %q: %v", c.raw, err)
			continue
		}
		if got, err := dht.Canonical(u); got != c.want || err != nil {
			t.Errorf("Canonical(%q) = %q, %v, want %q", c.raw, got, err, c.want)
		}
	}
}

func TestCanonicalRefuses(t *testing.T) {
	for _, raw := range []string{
		"", "/path", "//example.com/path", "example.com/path", "ftp://example.com/", "file:///etc/passwd",
		"http:example.com", "http:///path", "http://:80/", "http://user@example.com/", "http://user:pass@example.com/",
		"http://@example.com/", "http://example.com:65536/", "mailto:a@example.com", "data:,x",
		"http://ex%E2%80%AEample.com/", "http://%FF/", "http://[v1.x]/", "http://[1:2]/",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			continue // Go refuses it before we have to
		}
		if got, err := dht.Canonical(u); !errors.Is(err, dht.ErrURL) {
			t.Errorf("Canonical(%q) = %q, %v, want ErrURL", raw, got, err)
		}
	}
}

// A canonical form is its own canonical form, and parses.
func FuzzCanonical(f *testing.F) {
	for _, c := range canonicalForms {
		f.Add(c.raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.Parse(raw)
		if err != nil {
			t.Skip()
		}
		once, err := dht.Canonical(u)
		if err != nil {
			if !errors.Is(err, dht.ErrURL) {
				t.Fatalf("Canonical(%q): %v", raw, err)
			}
			t.Skip()
		}
		again, err := url.Parse(once)
		if err != nil {
			t.Fatalf("Canonical(%q) = %q: %v", raw, once, err)
		}
		if twice, err := dht.Canonical(again); twice != once || err != nil {
			t.Errorf("Canonical(%q) = %q, and of that %q, %v", raw, once, twice, err)
		}
	})
}
