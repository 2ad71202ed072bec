package fetch

import (
	"net/http"
	"net/url"
	"testing"
)

func TestDocumentOf(t *testing.T) {
	for _, c := range []struct{ referer, site, mode, want string }{
		{"https://shop.test/a?b", "cross-site", "no-cors", "https://shop.test:443"},
		{"https://www.bank.test/", "same-site", "cors", "https://www.bank.test:443"},
		{"https://bank.test/", "same-origin", "no-cors", "https://bank.test:443"},
		{"https://evil.test/", "same-origin", "no-cors", ""},
		{"https://bank.test/", "cross-site", "no-cors", ""},
		{"https://shop.test/", "cross-site", "navigate", ""}, // another document
		{"https://shop.test/", "none", "no-cors", ""},
		{"https://shop.test/", "", "", ""},
		{"", "cross-site", "no-cors", ""},
		{"about:client", "cross-site", "no-cors", ""},
		{"://", "cross-site", "no-cors", ""},
	} {
		u, err := url.Parse("https://bank.test/app.js")
		if err != nil {
			t.Fatal(err)
		}
		req := &Request{Method: http.MethodGet, URL: u, Header: http.Header{}}
		for name, v := range map[string]string{"Referer": c.referer, "Sec-Fetch-Site": c.site, "Sec-Fetch-Mode": c.mode} {
			if v != "" {
				req.Header.Set(name, v)
			}
		}
		got := ""
		if a := documentOf(req); a.String() != "://:" {
			got = a.String()
		}
		if got != c.want {
			t.Errorf("%+v: tied to %q", c, got)
		}
	}
}

// FuzzReferer: whatever a Referer says, a request is tied to nobody or to a
// document with an origin, and never to the URL's own by a page of another.
func FuzzReferer(f *testing.F) {
	for _, s := range []string{"https://shop.test/a", "http://[::1]:0/", "https://bank.test:443/", "//x", "https://BANK.test", "\x00"} {
		f.Add(s, "cross-site", "no-cors")
		f.Add(s, "same-origin", "cors")
	}
	f.Fuzz(func(t *testing.T, referer, site, mode string) {
		req := &Request{Method: http.MethodGet, URL: &url.URL{Scheme: "https", Host: "bank.test", Path: "/"}, Header: http.Header{
			"Referer": {referer}, "Sec-Fetch-Site": {site}, "Sec-Fetch-Mode": {mode},
		}}
		if a := documentOf(req); (a.String() == "https://bank.test:443") && site != "same-origin" {
			t.Fatalf("%q, %q: tied to %s", referer, site, a)
		}
	})
}

// FuzzLocation: a redirect leads to what can be asked, or nowhere.
func FuzzLocation(f *testing.F) {
	for _, s := range []string{"/x", "//mirror.test/x", "https://a:b@mirror.test/", "file:///etc/passwd", "javascript:1", "https://mirror.test/#f", "?q", "\x7f", "https:///x", "http:x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m := &Meta{URL: "https://example.com/a/b?c", Status: http.StatusFound, Header: http.Header{"Location": {s}}}
		u := leadsTo(m)
		if u == nil {
			return
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
			t.Fatalf("%q leads to %q", s, u)
		}
	})
}
