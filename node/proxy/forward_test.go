package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flashcrowd/flashcrowd/fetch"
)

func TestForwardPassesEveryMethod(t *testing.T) {
	o := origin(t, echo)
	tw := newTwin(t)
	c := through(t, start(t, Config{Fetcher: tw, Name: "fc-1a2b3c4d"}))
	for _, tc := range []struct{ method, body string }{
		{"GET", ""}, {"HEAD", ""}, {"POST", "x=1"}, {"PUT", "whole"}, {"DELETE", ""}, {"PATCH", "part"},
		{"OPTIONS", ""}, {"PROPFIND", "<x/>"}, {"FROBNICATE", "any"}, {"GET", "a body"},
	} {
		t.Run(tc.method+tc.body, func(t *testing.T) {
			var body io.Reader
			if tc.body != "" {
				body = strings.NewReader(tc.body)
			}
			req, err := http.NewRequest(tc.method, o.URL+"/a//b%2fc?q=%7e", body)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			got, _ := io.ReadAll(resp.Body)
			want := tc.method + " " + tc.body
			if tc.method == "HEAD" {
				want = ""
			}
			if string(got) != want || resp.Header.Get("X-Uri") != "/a//b%2fc?q=%7e" {
				t.Errorf("got %q at %q, want %q at the same target", got, resp.Header.Get("X-Uri"), want)
			}
			if via := resp.Header.Get("Via"); via != "1.1 fc-1a2b3c4d" {
				t.Errorf("Via %q", via)
			}
			if cs := resp.Header.Get("Cache-Status"); cs != "flashcrowd;fwd=uri-miss;detail=origin" {
				t.Errorf("Cache-Status %q", cs)
			}
			if f := tw.last(t).Face; f != fetch.Forward {
				t.Errorf("face %d", f)
			}
		})
	}
}

// HC10: the host of the URI wins.
func TestForwardTakesHostFromURI(t *testing.T) {
	o := origin(t, echo)
	addr := start(t, Config{Fetcher: newTwin(t)})
	resp, _ := ask(t, addr, "GET "+o.URL+"/ HTTP/1.1\r\nHost: evil.example\r\n\r\n")
	if got, want := resp.Header.Get("X-Host"), o.Listener.Addr().String(); got != want {
		t.Errorf("origin saw host %q, want %q", got, want)
	}
}

func TestForwardAcceptsHTTPS(t *testing.T) {
	tw := newTwin(t)
	addr := start(t, Config{Fetcher: tw})
	resp, body := ask(t, addr, "GET https://127.0.0.1:1/x HTTP/1.1\r\nHost: h\r\n\r\n")
	wantStatus(t, resp, body, 502, "connection_refused")
	if got := tw.last(t).URL.String(); got != "https://127.0.0.1:1/x" {
		t.Errorf("fetched %q", got)
	}
}

// HC11, HC12, HC20, L6 and what else is refused unseen.
func TestForwardRefuses(t *testing.T) {
	tw := newTwin(t)
	addr := start(t, Config{Fetcher: tw, Own: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:3129")}, Name: "fc-x"})
	for name, tc := range map[string]struct {
		raw    string
		status int
		cause  string
	}{
		"userinfo":        {"GET http://u:p@h.example/ HTTP/1.1\r\nHost: h.example\r\n\r\n", 400, "http_request_error"},
		"file":            {"GET file:///etc/passwd HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"ftp":             {"GET ftp://h.example/x HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"urn":             {"GET urn:isbn:1 HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"gopher":          {"GET gopher://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"no host":         {"GET http:///x HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"opaque":          {"GET http:x HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"port 0":          {"GET http://h.example:0/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"port 65536":      {"GET http://h.example:65536/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"fragment":        {"GET http://h.example/#x HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"asterisk":        {"GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"trace":           {"TRACE http://h.example/ HTTP/1.1\r\nHost: h\r\nMax-Forwards: 3\r\n\r\n", 405, "http_request_error"},
		"long method":     {strings.Repeat("M", 8<<10) + " http://h.example/ HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error"},
		"PRI":             {"PRI * HTTP/2.0\r\n\r\n", 400, "http_request_error"},
		"loop":            {"GET http://h.example/ HTTP/1.1\r\nHost: h\r\nVia: 1.0 fred, 1.1 FC-X (flashcrowd)\r\n\r\n", 502, "proxy_loop_detected"},
		"dashboard":       {"GET http://127.0.0.1:3129/ HTTP/1.1\r\nHost: h\r\n\r\n", 421, "http_request_denied"},
		"dashboard name":  {"GET http://LOCALHOST.:3129/ HTTP/1.1\r\nHost: h\r\n\r\n", 421, "http_request_denied"},
		"dashboard zero":  {"GET http://0.0.0.0:3129/ HTTP/1.1\r\nHost: h\r\n\r\n", 421, "http_request_denied"},
		"dashboard in v6": {"GET http://[::ffff:127.0.0.1]:3129/ HTTP/1.1\r\nHost: h\r\n\r\n", 421, "http_request_denied"},
		"two lengths":     {"POST http://h.example/ HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "http_request_error"},
		"te and nonsense": {"POST http://h.example/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: ,chunked\r\n\r\n", 400, "http_request_error"},
		"two hosts":       {"GET http://h.example/ HTTP/1.1\r\nHost: h\r\nHost: g\r\n\r\n", 400, "http_request_error"},
		"header 65 KiB":   {"GET http://h.example/ HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 65<<10) + "\r\n\r\n", 431, "http_request_error"},
		"257 fields":      {"GET http://h.example/ HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: y\r\n", 256) + "\r\n", 431, "http_request_error"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := ask(t, addr, tc.raw)
			wantStatus(t, resp, body, tc.status, tc.cause)
		})
	}
	if got := tw.requests(); len(got) != 0 {
		t.Errorf("fetched %q, want nothing", got)
	}
}

func TestForwardAcceptsWhatIsWithinLimits(t *testing.T) {
	o := origin(t, echo)
	addr := start(t, Config{Fetcher: newTwin(t)})
	head := "GET " + o.URL + "/ HTTP/1.1\r\nHost: h\r\n"
	for name, fields := range map[string]string{
		"256 fields": strings.Repeat("X: y\r\n", 255),
		"64 KiB":     "X: " + strings.Repeat("x", 64<<10-len(head)-len("X: \r\n\r\n")) + "\r\n",
	} {
		resp, body := ask(t, addr, head+fields+"\r\n")
		if resp.StatusCode != 200 {
			t.Errorf("%s: status %d, want 200; %s", name, resp.StatusCode, body)
		}
	}
}

// A request in absolute form for the proxy itself is a request to it.
func TestForwardToItselfIsLocal(t *testing.T) {
	o := origin(t, echo)
	tw := newTwin(t)
	addr := start(t, Config{Fetcher: tw})
	_, port, _ := net.SplitHostPort(addr)
	resp, body := ask(t, addr, "GET http://localhost:"+port+" HTTP/1.1\r\nHost: h\r\n\r\n")
	if resp.StatusCode != 200 || !strings.Contains(body, "flashcrowd") || len(tw.requests()) != 0 {
		t.Errorf("status %d, body %q, fetched %q: want the page and nothing fetched", resp.StatusCode, body, tw.requests())
	}
	resp, body = ask(t, addr, "GET http://"+addr+"/"+o.URL+"/x?y HTTP/1.1\r\nHost: h\r\n\r\n")
	if resp.StatusCode != 200 || resp.Header.Get("X-Uri") != "/x?y" {
		t.Errorf("gateway in absolute form: status %d, %q", resp.StatusCode, body)
	}
}

func TestForwardStripsHopByHop(t *testing.T) {
	var got http.Header
	o := origin(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		h := w.Header()
		h.Set("Connection", "x-private, Cache-Control, content-type")
		h.Set("X-Private", "1")
		h.Set("Keep-Alive", "timeout=5")
		h.Set("Proxy-Authenticate", "Basic")
		h.Set("Upgrade", "h2c")
		h.Set("Cache-Control", "private")
		h.Set("Content-Type", "text/x-plain")
		h.Set("Flashcrowd-Evidence", "pin; level=E8; alg=sha-256")
		h.Set("Cache-Status", "Edge; hit")
	})
	tw := newTwin(t)
	addr := start(t, Config{Fetcher: tw, Name: "fc-x"})
	resp, _ := ask(t, addr, "GET "+o.URL+"/ HTTP/1.1\r\nHost: h\r\n"+
		"Connection: x-hop, host, Cookie, content-length, if-none-match\r\nX-Hop: 1\r\nCookie: a=b\r\nIf-None-Match: \"e\"\r\n"+
		"Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nTE: trailers\r\nUpgrade: websocket\r\nKeep-Alive: 5\r\n"+
		"Via: 1.0 fred\r\nX-End: 2\r\n\r\n")
	want := http.Header{"Cookie": {"a=b"}, "If-None-Match": {`"e"`}, "Via": {"1.0 fred"}, "X-End": {"2"}, "User-Agent": got["User-Agent"]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("at the origin (-want +got):\n%s", diff)
	}
	for _, name := range []string{"X-Private", "Keep-Alive", "Proxy-Authenticate", "Upgrade", "Flashcrowd-Evidence"} {
		if v, ok := resp.Header[name]; ok {
			t.Errorf("%s: %q reached the client", name, v)
		}
	}
	if resp.Header.Get("Cache-Control") != "private" || resp.Header.Get("Content-Type") != "text/x-plain" {
		t.Errorf("Connection took critical fields away: %v", resp.Header)
	}
	if got := resp.Header["Cache-Status"]; !slices.Equal(got, []string{"Edge; hit", "flashcrowd;fwd=uri-miss;detail=origin"}) {
		t.Errorf("Cache-Status %q", got)
	}
}

func TestForwardOptions(t *testing.T) {
	o := origin(t, echo)
	tw := newTwin(t)
	addr := start(t, Config{Fetcher: tw})
	resp, _ := ask(t, addr, "OPTIONS "+o.URL+"/ HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n")
	if resp.StatusCode != 204 || resp.Header.Get("Allow") == "" || len(tw.requests()) != 0 {
		t.Errorf("Max-Forwards 0: status %d, Allow %q, fetched %q", resp.StatusCode, resp.Header.Get("Allow"), tw.requests())
	}
	ask(t, addr, "OPTIONS "+o.URL+" HTTP/1.1\r\nHost: h\r\nMax-Forwards: 7\r\n\r\n")
	req := tw.last(t)
	if req.Header.Get("Max-Forwards") != "6" || req.URL.RequestURI() != "*" {
		t.Errorf("forwarded %q with Max-Forwards %q", req.URL.RequestURI(), req.Header.Get("Max-Forwards"))
	}
}

func TestForwardNamesFailures(t *testing.T) {
	tw := newTwin(t)
	addr := start(t, Config{Fetcher: tw})
	resp, body := ask(t, addr, "GET http://127.0.0.1:1/secret?token=abc HTTP/1.1\r\nHost: h\r\n\r\n")
	wantStatus(t, resp, body, 502, "connection_refused")
	if !strings.Contains(body, "took no connection") || strings.Contains(body, "abc") {
		t.Errorf("body %q", body)
	}
	if resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("header %v", resp.Header)
	}
	resp, body = ask(t, addr, "HEAD http://127.0.0.1:1/ HTTP/1.1\r\nHost: h\r\n\r\n")
	wantStatus(t, resp, body, 502, "connection_refused")
	if body != "" {
		t.Errorf("HEAD has body %q", body)
	}
}

// PX5 and L1: strangers are refused, and the log does not grow with them.
func TestAdmits(t *testing.T) {
	p := New(Config{Fetcher: newTwin(t), Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}})
	defer p.Close()
	for remote, want := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:1": true, "[::ffff:127.9.9.9]:1": true, "10.1.2.3:1": true, "[::ffff:10.1.2.3]:1": true,
		"[fd00::1%eth0]:1": true, "10.2.0.1:1": false, "192.0.2.1:1": false, "[2001:db8::1]:1": false, "": false, "@": false, "x:1": false,
	} {
		if got := p.admits(remote); got != want {
			t.Errorf("admits(%q) = %v", remote, got)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for raw, want := range map[string]string{
		"http://h":               "http://h/",
		"HTTP://H.example:/a":    "http://H.example/a",
		"https://h:8443/?":       "https://h:8443/?",
		"http://[::1]:80/x":      "http://[::1]:80/x",
		"http://h/a/../b//c":     "http://h/a/../b//c",
		"http://h/%41%2F?a=b&&c": "http://h/%41%2F?a=b&&c",
	} {
		u, err := parseTarget(raw)
		if err != nil || u.String() != want {
			t.Errorf("parseTarget(%q) = %v, %v, want %q", raw, u, err, want)
		}
	}
	for raw, want := range map[string]string{
		"http://h": "/", "http://h/": "/", "http://h?x": "/?x", "http://h/a//b?c=/d": "/a//b?c=/d", "http://h:1/https://g/x": "/https://g/x",
	} {
		if got := localPart(raw); got != want {
			t.Errorf("localPart(%q) = %q, want %q", raw, got, want)
		}
	}
}

func TestLeadsTo(t *testing.T) {
	for _, tc := range []struct {
		host, addr string
		want       bool
	}{
		{"localhost", "127.0.0.1", true}, {"x.localhost", "::1", true}, {"localhost", "192.0.2.1", false},
		{"127.0.0.1", "127.0.0.1", true}, {"127.0.0.2", "127.0.0.1", false}, {"127.0.0.2", "0.0.0.0", true},
		{"::ffff:127.0.0.1", "127.0.0.1", true}, {"0.0.0.0", "127.0.0.1", true}, {"::", "127.0.0.1", true},
		{"192.0.2.1", "192.0.2.1", true}, {"h.example", "127.0.0.1", false},
	} {
		if got := leadsTo(tc.host, netip.MustParseAddr(tc.addr)); got != tc.want {
			t.Errorf("leadsTo(%q, %s) = %v", tc.host, tc.addr, got)
		}
	}
}

func TestIsLoop(t *testing.T) {
	for via, want := range map[string]bool{
		"1.1 fc-x": true, "HTTP/1.1 fc-x": true, "1.0 a, 1.1 fc-X (c)": true, "1.1 fc-xy": false, "fc-x": false, "": false, ",,": false,
	} {
		if got := isLoop(http.Header{"Via": {"1.0 z", via}}, "fc-x"); got != want {
			t.Errorf("isLoop(%q) = %v", via, got)
		}
	}
}

func ExampleProxy_Mirror() {
	p := New(Config{Fetcher: fetchFunc(nil)}) // a *fetch.Fetcher
	defer p.Close()
	debian := &url.URL{Scheme: "https", Host: "deb.debian.org", Path: "/debian"}
	server := p.Server(p.Mirror(debian))
	fmt.Println(server.MaxHeaderBytes)
	// Output: 131072
}
