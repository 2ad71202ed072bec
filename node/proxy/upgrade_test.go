package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/flashcrowd/flashcrowd/fetch"
	web "github.com/flashcrowd/flashcrowd/fetch/origin"
)

// chat speaks a protocol of its own once it was asked to: it says each line in
// capitals. It agrees to no other.
func chat(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "chat" {
		http.Error(w, "chat only", http.StatusUpgradeRequired)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\nX-Key: %s\r\n\r\n", r.Header.Get("X-Key"))
	rw.Flush()
	for {
		line, err := rw.ReadString('\n')
		if err != nil {
			return
		}
		rw.WriteString(strings.ToUpper(line))
		rw.Flush()
	}
}

// TestUpgradesPass: WebSocket and its like work by every way that is for
// browsing.
func TestUpgradesPass(t *testing.T) {
	o := origin(t, chat)
	u, _ := url.Parse(o.URL)
	client := web.New(web.Config{})
	t.Cleanup(client.Close)
	p := New(Config{Fetcher: newTwin(t), Upgrade: client.Upgrade})
	t.Cleanup(p.Close)
	main, mirror := listen(t, p, p.Handler()), listen(t, p, p.Mirror(u))
	s := newStand(t)
	port := s.site(t, s.web.Issue(t, nil, "a.test"), chat)
	for name, open := range map[string]func() (c net.Conn, target, host string){
		"forward": func() (net.Conn, string, string) { return dial(t, main), o.URL + "/", "h" },
		"mirror":  func() (net.Conn, string, string) { return dial(t, mirror), "/", mirror },
		"intercepted": func() (net.Conn, string, string) {
			c := connect(t, s.addr, "a.test:"+port)
			return tls.Client(c.Conn, &tls.Config{ServerName: "a.test", RootCAs: s.own()}), "/", "a.test:" + port
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, target, host := open()
			defer c.Close()
			r := bufio.NewReader(c)
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive, Upgrade\r\nUpgrade: other\r\n\r\n", target, host)
			resp, err := http.ReadResponse(r, nil)
			if err != nil || resp.StatusCode != http.StatusUpgradeRequired {
				t.Fatalf("not agreed: %v %v", resp, err)
			}
			io.Copy(io.Discard, resp.Body)
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: chat\r\nX-Key: k\r\n\r\n", target, host)
			resp, err = http.ReadResponse(r, nil)
			if err != nil || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "chat" || resp.Header.Get("X-Key") != "k" {
				t.Fatalf("agreed: %+v %v", resp, err)
			}
			for _, line := range []string{"hello\n", "GET / HTTP/1.1\n"} {
				io.WriteString(c, line)
				if got, err := r.ReadString('\n'); err != nil || got != strings.ToUpper(line) {
					t.Fatalf("said %q, got %q %v", line, got, err)
				}
			}
		})
	}
	// A gateway is for downloads: the wish goes no further.
	resp, body := ask(t, main, "GET /"+o.URL+"/ HTTP/1.1\r\nHost: "+main+"\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
	if resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("gateway: %s %q", resp.Status, body)
	}
}

// TestSwitches: what the user decided about requests and hosts.
func TestSwitches(t *testing.T) {
	o := origin(t, echo)
	tw := newTwin(t)
	paused := false
	addr := start(t, Config{
		Fetcher: tw, PAC: []string{"*.a.test"}, Dial: plainDial, Paused: func() bool { return paused },
		Bypass: func(host string) bool { return host == "localhost" },
		Deny:   func(host string) bool { return host == "bad.test" },
	})
	get := func(target, field string) *fetch.Request {
		resp, body := ask(t, addr, "GET "+target+" HTTP/1.1\r\nHost: h\r\n"+field+"\r\n")
		if resp.StatusCode != 200 {
			t.Fatalf("%s: %s %q", target, resp.Status, body)
		}
		return tw.last(t)
	}
	if r := get(o.URL+"/", ""); r.Bypass || r.NoSwarm {
		t.Errorf("%+v", r)
	}
	if r := get(o.URL+"/", "flashcrowd-swarm: Off\r\n"); r.Bypass || !r.NoSwarm || len(r.Header["Flashcrowd-Swarm"]) > 0 {
		t.Errorf("off: %+v", r)
	}
	if r := get(strings.Replace(o.URL, "127.0.0.1", "localhost", 1)+"/", ""); !r.Bypass {
		t.Errorf("bypassed host: %+v", r)
	}
	paused = true
	if r := get(o.URL+"/", ""); !r.Bypass {
		t.Errorf("paused: %+v", r)
	}
	for _, raw := range []string{"GET http://bad.test/ HTTP/1.1\r\nHost: h\r\n\r\n", "CONNECT bad.test:443 HTTP/1.1\r\nHost: h\r\n\r\n"} {
		resp, body := ask(t, addr, raw)
		wantStatus(t, resp, body, 403, "http_request_denied")
	}
	resp, body := ask(t, addr, "GET /proxy.pac HTTP/1.1\r\nHost: "+addr+"\r\n\r\n")
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/x-ns-proxy-autoconfig" ||
		!strings.Contains(body, `var chosen = ["*.a.test"];`) || !strings.Contains(body, "PROXY "+addr+"; DIRECT") {
		t.Errorf("%s %q", resp.Status, body)
	}
	if resp, _ := ask(t, addr, "GET /proxy.pac HTTP/1.1\r\nHost: evil.example\r\n\r\n"); resp.StatusCode != 421 {
		t.Errorf("by another name: %s", resp.Status)
	}
}
