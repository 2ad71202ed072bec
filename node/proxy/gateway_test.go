package proxy

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// get asks the node at addr itself, under the name host.
func get(t *testing.T, addr, host, path string, fields ...string) (*http.Response, string) {
	t.Helper()
	return ask(t, addr, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\n"+strings.Join(append(fields, ""), "\r\n")+"\r\n")
}

func TestGatewayFetchesWhatThePathSays(t *testing.T) {
	plain := origin(t, echo)
	secure := httptest.NewTLSServer(http.HandlerFunc(echo))
	defer secure.Close()
	tw := newTwin(t)
	tw.transport.TLSClientConfig = secure.Client().Transport.(*http.Transport).TLSClientConfig
	addr := start(t, Config{Fetcher: tw})
	for path, want := range map[string]string{
		"/" + plain.URL + "/a//b%2fc/?q=http://x/":                   plain.URL + "/a//b%2fc/?q=http://x/",
		"/" + secure.URL + "/x":                                      secure.URL + "/x",
		"/" + plain.URL:                                              plain.URL + "/",
		"/" + plain.URL + "?q":                                       plain.URL + "/?q",
		strings.Replace("/"+plain.URL+"/a//b", "://", ":/", 1):       plain.URL + "/a//b",
		strings.Replace("/"+plain.URL+"/x", "http://", "HTTP://", 1): plain.URL + "/x",
	} {
		resp, body := get(t, addr, addr, path)
		if resp.StatusCode != 200 || tw.last(t).URL.String() != want || tw.last(t).Face != fetch.Gateway {
			t.Errorf("%s: status %d, fetched %q by face %d, want %q; %s", path, resp.StatusCode, tw.last(t).URL, tw.last(t).Face, want, body)
		}
		if csp := resp.Header["Content-Security-Policy"]; len(csp) != 1 || csp[0] != "sandbox" {
			t.Errorf("%s: Content-Security-Policy %q", path, csp)
		}
	}
}

// WB1, WB4 and what else is no business of a gateway.
func TestGatewayRefuses(t *testing.T) {
	tw := newTwin(t)
	addr := start(t, Config{Fetcher: tw, Hosts: []string{"Cache.Home"}})
	_, port, _ := net.SplitHostPort(addr)
	x := "/http://h.example/x"
	for name, tc := range map[string]struct {
		raw    string
		status int
		cause  string
	}{
		"evil host":        {"GET " + x + " HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "http_request_denied"},
		"evil host, port":  {"GET " + x + " HTTP/1.1\r\nHost: evil.example:" + port + "\r\n\r\n", 421, "http_request_denied"},
		"evil host, page":  {"GET / HTTP/1.1\r\nHost: evil.example:" + port + "\r\n\r\n", 421, "http_request_denied"},
		"evil address":     {"GET " + x + " HTTP/1.1\r\nHost: 192.0.2.1:" + port + "\r\n\r\n", 421, "http_request_denied"},
		"looks like ours":  {"GET " + x + " HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", 421, "http_request_denied"},
		"no host":          {"GET " + x + " HTTP/1.0\r\n\r\n", 421, "http_request_denied"},
		"port is no port":  {"GET " + x + " HTTP/1.1\r\nHost: localhost:x1\r\n\r\n", 421, "http_request_denied"},
		"service worker":   {"GET " + x + " HTTP/1.1\r\nHost: localhost\r\nService-Worker: script\r\n\r\n", 400, "http_request_error"},
		"worker by dest":   {"GET " + x + " HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Dest: serviceworker\r\n\r\n", 400, "http_request_error"},
		"post":             {"POST " + x + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 405, "http_request_error"},
		"userinfo":         {"GET /http://u:p@h.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "http_request_error"},
		"no target":        {"GET /http:// HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "http_request_error"},
		"three slashes":    {"GET /https:///x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "http_request_error"},
		"ourselves":        {"GET /http://localhost:" + port + "/" + x + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 421, "http_request_denied"},
		"ftp":              {"GET /ftp://h.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "http_request_error"},
		"nothing":          {"GET /favicon.ico HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "http_request_error"},
		"page with query":  {"GET /?x HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "http_request_error"},
		"two slashes":      {"GET //http://h.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "http_request_error"},
		"post to the page": {"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 405, "http_request_error"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := ask(t, addr, tc.raw)
			wantStatus(t, resp, body, tc.status, tc.cause)
		})
	}
	if got := tw.requests(); len(got) != 0 {
		t.Errorf("fetched %q, want nothing", got)
	}
	for _, host := range []string{"localhost", "LOCALHOST.:" + port, addr, "127.8.8.8", "[::1]:99", "cache.home:1"} {
		if resp, _ := get(t, addr, host, "/"); resp.StatusCode != 200 {
			t.Errorf("Host %s: status %d, want 200", host, resp.StatusCode)
		}
	}
}

func TestGatewayKeepsRedirectsInside(t *testing.T) {
	var location string
	o := origin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", location)
		w.Header().Set("Content-Location", location)
		w.WriteHeader(302)
	})
	addr := start(t, Config{Fetcher: newTwin(t)})
	for _, tc := range []struct{ from, want string }{
		{"/new?x#f", "http://" + addr + "/" + o.URL + "/new?x#f"},
		{"next", "http://" + addr + "/" + o.URL + "/dir/next"},
		{"//other.example/a//b", "http://" + addr + "/http://other.example/a//b"},
		{"https://other.example/%2f", "http://" + addr + "/https://other.example/%2f"},
		{"mailto:x@example.org", "mailto:x@example.org"},
		{"http://[bad", ""},
	} {
		location = tc.from
		resp, _ := get(t, addr, addr, "/"+o.URL+"/dir/old")
		for _, name := range []string{"Location", "Content-Location"} {
			if got := resp.Header.Get(name); got != tc.want {
				t.Errorf("%s %q became %q, want %q", name, tc.from, got, tc.want)
			}
		}
	}
}

// What a browser has for the gateway's origin is not for the site, and what
// the site sets would be for the gateway's.
func TestGatewayKeepsOriginsApart(t *testing.T) {
	var got http.Header
	o := origin(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		for _, name := range []string{"Set-Cookie", "Clear-Site-Data", "Alt-Svc", "Service-Worker-Allowed", "Strict-Transport-Security", "NEL", "Report-To"} {
			w.Header().Set(name, "x")
		}
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
	})
	addr := start(t, Config{Fetcher: newTwin(t)})
	resp, _ := get(t, addr, addr, "/"+o.URL+"/", "Cookie: a=b", "Referer: http://"+addr+"/https://bank.example/secret",
		"Origin: http://"+addr, "Authorization: Basic eDp5", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: navigate", "Accept: x/y")
	if diff := cmp.Diff(http.Header{"Accept": {"x/y"}, "User-Agent": got["User-Agent"]}, got); diff != "" {
		t.Errorf("at the site (-want +got):\n%s", diff)
	}
	want := []string{"default-src 'self'", "sandbox"}
	if diff := cmp.Diff(want, resp.Header["Content-Security-Policy"]); diff != "" {
		t.Errorf("Content-Security-Policy (-want +got):\n%s", diff)
	}
	for _, name := range []string{"Set-Cookie", "Clear-Site-Data", "Alt-Svc", "Service-Worker-Allowed", "Strict-Transport-Security", "Nel", "Report-To"} {
		if v, ok := resp.Header[name]; ok {
			t.Errorf("%s: %q reached the browser", name, v)
		}
	}
	get(t, addr, addr, "/"+o.URL+"/", "Authorization: Bearer t")
	if got.Get("Authorization") != "Bearer t" {
		t.Error("the credentials of a program were dropped")
	}
}

func TestMirrorStandsForItsOrigin(t *testing.T) {
	var location string
	o := origin(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Host", r.Host)
		h.Set("X-Uri", r.RequestURI)
		h.Set("X-Origin", r.Header.Get("Origin"))
		h.Set("X-Referer", r.Header.Get("Referer"))
		h.Set("Set-Cookie", "a=b; Domain=debian.example")
		if location != "" {
			h.Set("Location", location)
			h.Set("Content-Location", location)
			w.WriteHeader(301)
		}
	})
	tw := newTwin(t)
	p := New(Config{Fetcher: tw})
	defer p.Close()
	u, err := url.Parse(o.URL + "/debian/")
	if err != nil {
		t.Fatal(err)
	}
	addr := listen(t, p, p.Mirror(u))
	here := "http://" + addr

	resp, _ := get(t, addr, addr, "/dists//x%2fy?q=1", "Origin: "+here, "Referer: "+here+"/index?z")
	for name, want := range map[string]string{
		"X-Host": o.Listener.Addr().String(), "X-Uri": "/debian/dists//x%2fy?q=1", "X-Origin": o.URL,
		"X-Referer": o.URL + "/debian/index?z", "Set-Cookie": "a=b; Domain=debian.example",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if req := tw.last(t); req.URL.String() != o.URL+"/debian/dists//x%2fy?q=1" || req.Face != fetch.Mirror {
		t.Errorf("fetched %q by face %d", req.URL, req.Face)
	}
	resp, _ = get(t, addr, addr, "/", "Origin: http://evil.example", "Referer: "+here+".evil.example/")
	if resp.Header.Get("X-Origin") != "http://evil.example" || resp.Header.Get("X-Referer") != here+".evil.example/" {
		t.Errorf("another site was introduced as the origin's own: %v", resp.Header)
	}
	for _, tc := range []struct{ from, want string }{
		{"/debian/pool/a//b?c#d", here + "/pool/a//b?c#d"},
		{"x", here + "/dists/x"},
		{o.URL + "/debian", here + "/"},
		{o.URL + "/debianized/x", o.URL + "/debianized/x"},
		{"/ubuntu/x", o.URL + "/ubuntu/x"},
		{"https://other.example/debian/x", "https://other.example/debian/x"},
		{"http://other.example:" + u.Port() + "/debian/x", "http://other.example:" + u.Port() + "/debian/x"},
		{strings.Replace(o.URL, "http:", "https:", 1) + "/debian/x", strings.Replace(o.URL, "http:", "https:", 1) + "/debian/x"},
	} {
		location = tc.from
		resp, _ := get(t, addr, addr, "/dists/old")
		for _, name := range []string{"Location", "Content-Location"} {
			if got := resp.Header.Get(name); got != tc.want {
				t.Errorf("%s %q became %q, want %q", name, tc.from, got, tc.want)
			}
		}
	}
}

func TestMirrorIsNoProxy(t *testing.T) {
	o := origin(t, echo)
	tw := newTwin(t)
	p := New(Config{Fetcher: tw, Name: "fc-x"})
	defer p.Close()
	u, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	addr := listen(t, p, p.Mirror(u))
	for name, tc := range map[string]struct {
		raw    string
		status int
		cause  string
	}{
		"another host":  {"GET http://h.example/ HTTP/1.1\r\nHost: " + addr + "\r\n\r\n", 421, "http_request_denied"},
		"rebound":       {"GET /x HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "http_request_denied"},
		"connect":       {"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "http_request_error"},
		"trace":         {"TRACE / HTTP/1.1\r\nHost: " + addr + "\r\n\r\n", 405, "http_request_error"},
		"loop":          {"GET / HTTP/1.1\r\nHost: " + addr + "\r\nVia: 1.1 fc-x\r\n\r\n", 502, "proxy_loop_detected"},
		"fragment":      {"GET /#x HTTP/1.1\r\nHost: " + addr + "\r\n\r\n", 400, "http_request_error"},
		"absolute form": {"GET http://" + addr + "/a//b?c HTTP/1.1\r\nHost: h\r\n\r\n", 200, ""},
		"post":          {"POST /x HTTP/1.1\r\nHost: " + addr + "\r\nContent-Length: 1\r\n\r\ny", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := ask(t, addr, tc.raw)
			wantStatus(t, resp, body, tc.status, tc.cause)
		})
	}
	if got := tw.requests(); len(got) != 2 {
		t.Errorf("fetched %q, want the last two", got)
	}
}

// A mirror of itself would ask itself for ever.
func TestMirrorOfItself(t *testing.T) {
	p := New(Config{Fetcher: newTwin(t)})
	defer p.Close()
	u := &url.URL{Scheme: "http"}
	s := httptest.NewUnstartedServer(nil)
	u.Host = s.Listener.Addr().String()
	s.Config, s.Listener = p.Server(p.Mirror(u)), p.Strict(s.Listener)
	s.Start()
	defer s.Close()
	resp, body := get(t, u.Host, u.Host, "/")
	wantStatus(t, resp, body, 502, "proxy_loop_detected")
}

func FuzzGatewayTarget(f *testing.F) {
	for _, s := range []string{"/http://h/", "/https:/h", "/HTTP://h//x?y", "/https:///", "/http:", "//", "/http://u@h/", "/http://[::1]:0/%zz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		inner, ok := gatewayTarget(raw)
		if !ok {
			return
		}
		if !strings.HasPrefix(inner, "http://") && !strings.HasPrefix(inner, "https://") {
			t.Fatalf("%q leads to %q", raw, inner)
		}
		u, err := parseTarget(inner)
		if err != nil {
			return
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
			t.Fatalf("%q gave %#v", raw, u)
		}
		again, err := parseTarget(u.String())
		if err != nil || again.String() != u.String() {
			t.Fatalf("%q gave %q, which gives %v, %v", raw, u, again, err)
		}
		if localPart(u.String())[0] != '/' {
			t.Fatalf("local part of %q", u)
		}
	})
}
