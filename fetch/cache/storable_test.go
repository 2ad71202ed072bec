package cache

import (
	"testing"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
)

// RFC 9111 sections 3 and 3.5.
func TestStorable(t *testing.T) {
	authorized := func(m *fetch.Meta) *fetch.Meta { m.Authorized = true; return m }
	method := func(name string, m *fetch.Meta) *fetch.Meta { m.Method = name; return m }
	cc := func(v string) *fetch.Meta { return response("Cache-Control", v) }
	for _, tt := range []struct {
		name string
		m    *fetch.Meta
		want bool
	}{
		{"200 without anything", response(), true},
		{"no-store", cc("no-store"), false},
		{"no-store and max-age", cc("max-age=60, no-store"), false},
		{"no-store, must-understand, understood", cc("no-store, must-understand"), true},
		{"must-understand, not understood", status(299, cc("max-age=60, must-understand")), false},
		{"private", cc("private, max-age=60"), false},
		{"qualified private", cc(`private="x", max-age=60`), false},
		{"no-cache", cc("no-cache"), true},
		{"Set-Cookie", response("Set-Cookie", "a=b", "Cache-Control", "max-age=60"), true},
		{"Vary: *", response("Vary", "*"), false},
		{"Vary: * in a list", response("Vary", "Accept", "Vary", "Cookie, *"), false},
		{"authorized", authorized(cc("max-age=60")), false},
		{"authorized, public", authorized(cc("max-age=60, public")), true},
		{"authorized, s-maxage", authorized(cc("s-maxage=60")), true},
		{"authorized, must-revalidate", authorized(cc("max-age=60, must-revalidate")), true},
		{"100", status(100, cc("max-age=60")), false},
		{"206", status(206, cc("max-age=60")), false},
		{"304", status(304, cc("max-age=60")), false},
		{"302", status(302, response()), false},
		{"302 with Expires", status(302, response("Expires", "0")), true},
		{"302 with max-age", status(302, cc("max-age=60")), true},
		{"500", status(500, response()), false},
		{"500 with s-maxage", status(500, cc("s-maxage=60")), true},
		{"500, public", status(500, cc("public")), true},
		{"299 with max-age", status(299, cc("max-age=60")), true},
		{"404", status(404, response()), true},
		{"HEAD", method("HEAD", cc("max-age=60")), false},
		{"POST", method("POST", cc("max-age=60")), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			why := unstorable(fetchtest.Request("http://example.com/"), tt.m)
			if (why == "") != tt.want {
				t.Errorf("unstorable: %q, want storable %v", why, tt.want)
			}
		})
	}
	for _, tt := range []struct {
		field, value, response string
		want                   bool
	}{
		{"Cache-Control", "no-store", "max-age=60", false},
		{"Cache-Control", "no-cache", "max-age=60", true},
		{"Range", "bytes=0-", "max-age=60", false},
		{"Authorization", "x", "max-age=60", false},
		{"Authorization", "x", "public", true},
		{"Cookie", "a=b", "max-age=60", true},
	} {
		why := unstorable(fetchtest.Request("http://example.com/", tt.field, tt.value), cc(tt.response))
		if (why == "") != tt.want {
			t.Errorf("%s: %s: unstorable: %q, want storable %v", tt.field, tt.value, why, tt.want)
		}
	}
	post := fetchtest.Request("http://example.com/")
	post.Method = "POST"
	if unstorable(post, cc("max-age=60")) == "" {
		t.Error("an answer to POST is storable")
	}
}
