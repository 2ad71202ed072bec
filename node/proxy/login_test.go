package proxy

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/flashcrowd/flashcrowd/fetch"
)

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// guarded is a proxy that knows ann alone, and its mirror of the origin.
func guarded(t *testing.T, tw *twin, site string) (proxy, mirror string) {
	t.Helper()
	p := New(Config{
		Fetcher: tw, Token: "commands-of-this-machine",
		Login: func(_ context.Context, user, password string) bool { return user == "ann" && password == "se:cret" },
		Dial:  plainDial,
	})
	t.Cleanup(p.Close)
	u, err := url.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	return listen(t, p, p.Handler()), listen(t, p, p.Mirror(u))
}

// TestProxyAuthAsksEverybody: on loopback too, on every face, and neither name
// nor password goes to the origin.
func TestProxyAuthAsksEverybody(t *testing.T) {
	o := origin(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "auth="+r.Header.Get("Authorization")+r.Header.Get("Proxy-Authorization"))
	})
	tw := newTwin(t)
	proxy, mirror := guarded(t, tw, o.URL)
	host := strings.TrimPrefix(o.URL, "http://")
	right, wrong := basic("ann", "se:cret"), basic("ann", "secret")
	for _, face := range []struct {
		name, addr, line string
		server           bool
	}{
		{"forward", proxy, "GET " + o.URL + "/ HTTP/1.1\r\nHost: " + host, false},
		{"connect", proxy, "CONNECT " + host + " HTTP/1.1\r\nHost: " + host, false},
		{"gateway", proxy, "GET /" + o.URL + "/ HTTP/1.1\r\nHost: " + proxy, true},
		{"mirror", mirror, "GET / HTTP/1.1\r\nHost: " + mirror, true},
		{"page", proxy, "GET / HTTP/1.1\r\nHost: " + proxy, true},
		{"pac", proxy, "GET /proxy.pac HTTP/1.1\r\nHost: " + proxy, true},
	} {
		status, field := 407, "Proxy-Authenticate"
		if face.server {
			status, field = 401, "Www-Authenticate"
		}
		refusals := []string{
			"", "Proxy-Authorization: " + wrong, "Proxy-Authorization: Basic !!", "Proxy-Authorization: Basic", "Proxy-Authorization: Digest " + right[6:],
			"Proxy-Authorization: Bearer", "Proxy-Authorization: Bearer other", "Proxy-Authorization: " + right + "\r\nProxy-Authorization: " + right,
			"Authorization: " + wrong,
		}
		if !face.server {
			refusals = append(refusals, "Authorization: "+right) // that is for the origin
		}
		for _, fields := range refusals {
			resp, body := ask(t, face.addr, face.line+"\r\n"+lines(fields)+"\r\n")
			wantStatus(t, resp, body, status, "http_request_denied")
			if got := resp.Header.Get(field); got != challenge {
				t.Errorf("%s: %s %q", face.name, field, got)
			}
		}
		if seen := tw.requests(); len(seen) > 0 {
			t.Fatalf("%s: without a password %q reached the origin", face.name, seen)
		}
	}
	for _, face := range []struct{ addr, line, fields, body string }{
		{proxy, "GET " + o.URL + "/ HTTP/1.1\r\nHost: " + host, "Proxy-Authorization: " + right, "auth="},
		{proxy, "GET " + o.URL + "/ HTTP/1.1\r\nHost: " + host, "Proxy-Authorization: Bearer commands-of-this-machine", "auth="},
		{proxy, "GET " + o.URL + "/ HTTP/1.1\r\nHost: " + host, "proxy-authorization: bASIC  " + right[6:] + "\r\nAuthorization: Basic eDp5", "auth=Basic eDp5"},
		{proxy, "GET /" + o.URL + "/ HTTP/1.1\r\nHost: " + proxy, "Proxy-Authorization: " + right, "auth="},
		{proxy, "GET /" + o.URL + "/ HTTP/1.1\r\nHost: " + proxy, "Authorization: " + right, "auth="},
		{mirror, "GET / HTTP/1.1\r\nHost: " + mirror, "Authorization: " + right, "auth="},
		{mirror, "GET / HTTP/1.1\r\nHost: " + mirror, "Authorization: Basic eDp5\r\nProxy-Authorization: " + right, "auth=Basic eDp5"},
	} {
		resp, body := ask(t, face.addr, face.line+"\r\n"+lines(face.fields)+"\r\n")
		wantStatus(t, resp, body, 200, "")
		if body != face.body {
			t.Errorf("%s %s: the origin saw %q, want %q", face.line, face.fields, body, face.body)
		}
	}
}

func lines(fields string) string {
	if fields == "" {
		return ""
	}
	return fields + "\r\n"
}

// TestProxyAuthAsksOncePerTunnel: what goes through a tunnel is not looked at.
func TestProxyAuthAsksOncePerTunnel(t *testing.T) {
	o := origin(t, echo)
	proxy, _ := guarded(t, newTwin(t), o.URL)
	host := strings.TrimPrefix(o.URL, "http://")
	c := dial(t, proxy)
	c.send("CONNECT " + host + " HTTP/1.1\r\nHost: " + host + "\r\nProxy-Authorization: " + basic("ann", "se:cret") + "\r\n\r\n")
	if resp, err := http.ReadResponse(c.r, &http.Request{Method: "CONNECT"}); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	c.send("GET /within HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
	if resp, _, _ := c.response("GET"); resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// TestProxyAuthInPlaceOfAllow: with a list of users alone clients may come from
// anywhere, with both they need both.
func TestProxyAuthInPlaceOfAllow(t *testing.T) {
	login := func(context.Context, string, string) bool { return true }
	office := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	for _, c := range []struct {
		cfg    Config
		remote string
		want   bool
	}{
		{Config{}, "192.0.2.1:5", false},
		{Config{Login: login}, "192.0.2.1:5", true},
		{Config{Login: login, Allow: office}, "192.0.2.1:5", true},
		{Config{Login: login, Allow: office}, "198.51.100.1:5", false},
		{Config{Login: login, Allow: office}, "127.0.0.1:5", true},
	} {
		c.cfg.Fetcher = fetchFunc(func(context.Context, *fetch.Request) (*fetch.Response, error) { return nil, nil })
		p := New(c.cfg)
		if got := p.admits(c.remote); got != c.want {
			t.Errorf("%+v %s: %t", c.cfg.Allow, c.remote, got)
		}
		p.Close()
	}
}
