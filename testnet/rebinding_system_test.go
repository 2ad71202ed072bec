//go:build system

package testnet

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/flashcrowd/flashcrowd/testnet/netns/trial"
)

// nameServer answers every name with the addresses that the attacker chose, in
// their order.
func nameServer(t *testing.T, addrs ...[4]byte) (host string) {
	t.Helper()
	var pc net.PacketConn
	for pc == nil { // port 53 of some address of this machine
		host = fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 3+rand.IntN(250))
		var err error
		if pc, err = net.ListenPacket("udp", host+":53"); err != nil && !strings.Contains(err.Error(), "in use") {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	t.Cleanup(func() { pc.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 1<<10)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m = dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
			for _, a := range addrs {
				if q.Type == dnsmessage.TypeA {
					m.Answers = append(m.Answers, dnsmessage.Resource{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: a},
					})
				}
			}
			if out, err := m.Pack(); err == nil {
				pc.WriteTo(out, from)
			}
		}
	}()
	return host
}

// resolving is a mount namespace in which names are asked of server alone. The
// result goes before a command that is to run there.
func resolving(t *testing.T, server string) (within []string) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(conf, []byte("nameserver "+server+"\noptions timeout:2 attempts:2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{"nsenter", "--mount", "--target", mounted(t, "mount --bind "+conf+" /etc/resolv.conf"), "--"}
}

// attacker is the web server of evil.test at 127.0.0.1 and the port of the
// victim, which is at 127.0.0.2. Its page asks it to go away; the browser then
// finds the victim at the other address of the same name, and what the page
// reads there is of its own origin.
func attacker(t *testing.T, port string, targets []string) (url string) {
	t.Helper()
	list, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		w.Header().Set("X-Attacker", "1")
		w.Header().Set("Cache-Control", "no-store")
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<!doctype html><pre id="r"></pre><script>
const sleep = ms => new Promise(ok => setTimeout(ok, ms));
(async () => {
  try { await fetch("/bye", {cache: "no-store"}) } catch (e) {}
  for (const target of %s) {
    let said = "";
    for (let i = 0; i < 30; i++) {
      try {
        const a = await fetch(target, {cache: "no-store", method: target.startsWith("/api/v1/pause") ? "POST" : "GET"});
        if (a.headers.get("x-attacker")) { await sleep(100); continue }
        said = a.status + " " + await a.text();
        break;
      } catch (e) { said = "blocked " + e; await sleep(100) }
    }
    r.textContent += "[" + target + "] " + said + "\n";
  }
  r.textContent += "END";
})();
</script>`, list)
		case "/bye":
			l.Close()
			io.WriteString(w, "bye")
		default:
			http.NotFound(w, r)
		}
	})}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
	return "http://evil.test:" + port + "/"
}

// TestRebindingPagesCannotRead (WB1, O13): a page whose name comes to lead here
// gets nothing of gateway, proxy and dashboard; of a server that does not look
// at Host it reads everything by the same way.
func TestRebindingPagesCannotRead(t *testing.T) {
	within := resolving(t, nameServer(t, [4]byte{127, 0, 0, 1}, [4]byte{127, 0, 0, 2}))
	secret := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "SECRET") }))
	t.Cleanup(secret.Close)
	credulous := httptest.NewUnstartedServer(secret.Config.Handler)
	credulous.Listener.Close()
	var err error
	if credulous.Listener, err = net.Listen("tcp", "127.0.0.2:0"); err != nil {
		t.Fatal(err)
	}
	credulous.Start()
	t.Cleanup(credulous.Close)
	path, err := trial.Binary()
	if err != nil {
		t.Fatal(err)
	}
	n := &process{t: t, name: "node", path: within[0], data: t.TempDir()}
	n.args = append(within[1:len(within):len(within)], path,
		"up", "--network", "lab", "--bootstrap", "none", "--swarm", "off", "--data", n.data, "--proxy", "127.0.0.2:0",
		"--admin", "127.0.0.2:0", "--log-level", "error")
	n.start()
	t.Cleanup(n.kill)

	for _, victim := range []struct {
		name, addr string
		targets    []string
		reads      bool
	}{
		{"credulous", credulous.Listener.Addr().String(), []string{"/anything"}, true},
		{"proxy", strings.TrimPrefix(n.Proxy, "http://"), []string{"/", "/proxy.pac", "/" + secret.URL + "/", "/http://evil.test:1/"}, false},
		{"admin", strings.TrimPrefix(adminURL(t, n), "http://"), []string{"/", "/api/v1/status", "/metrics", "/ca.pem", "/api/v1/pause"}, false},
	} {
		t.Run(victim.name, func(t *testing.T) {
			_, port, _ := net.SplitHostPort(victim.addr)
			b := newBrowser(t, "")
			b.within = within
			dom, _ := b.dump(attacker(t, port, victim.targets), "--no-proxy-server", "--virtual-time-budget=30000")
			if victim.reads {
				if !strings.Contains(dom, "] 200 SECRET") {
					t.Errorf("the attack does not work, so it shows nothing: %s", dom)
				}
				return
			}
			for _, target := range victim.targets {
				if _, said, _ := strings.Cut(dom, "["+target+"] "); !strings.HasPrefix(said, "421 ") && !strings.HasPrefix(said, "403 ") {
					t.Errorf("%s: %.200q", target, said)
				}
			}
			for _, word := range []string{"SECRET", "peer_id", "FindProxyForURL", "flashcrowd_", "web cache"} {
				if strings.Contains(dom, word) {
					t.Errorf("the page has read %q: %s", word, dom)
				}
			}
		})
	}

	// PX2: by name the gateway does not reach this machine either.
	_, port, _ := net.SplitHostPort(secret.Listener.Addr().String())
	resp, err := http.Get(n.Proxy + "/http://inside.test:" + port + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 403 || !strings.Contains(resp.Header.Get("Proxy-Status"), "destination_ip_prohibited") {
		t.Errorf("gateway to a private name: %d %s", resp.StatusCode, resp.Header.Get("Proxy-Status"))
	}
}
