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
