package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/flashcrowd/flashcrowd/fetch"
)

func TestClassify(t *testing.T) {
	for class, addrs := range map[Class]string{
		Public: `1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0
			192.0.1.0 223.255.255.255 ::ffff:1.1.1.1 64:ff9b::101:101 2002:101:101::1 2606:4700::1111 2a00::1`,
		Private: `10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 172.16.0.1 172.31.255.255 192.0.0.8
			192.0.2.1 192.88.99.1 192.168.255.255 198.18.0.1 198.51.100.1 203.0.113.1 240.0.0.1 255.255.255.254
			::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 ::1.1.1.1 64:ff9b::a00:1 64:ff9b::7f00:1 64:ff9b:1::1
			100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::5 3fff::1 4000::1 5f00::1 fc00::1 fd12::1 fec0::1`,
		Forbidden: `0.0.0.0 0.1.2.3 169.254.169.254 169.254.0.1 224.0.0.1 239.1.1.1 255.255.255.255 100.100.100.200
			168.63.129.16 192.0.0.192 :: ::ffff:0.0.0.0 ::ffff:169.254.169.254 ::169.254.169.254 64:ff9b::a9fe:a9fe
			2002:a9fe:a9fe:: fe80::1 fe80::1%eth0 febf::1 ff02::1 fd00:ec2::254 fd20:ce::254`,
	} {
		for _, s := range strings.Fields(addrs) {
			if got := Classify(netip.MustParseAddr(s)); got != class {
				t.Errorf("%s is %s, want %s", s, got, class)
			}
		}
	}
	if got := Classify(netip.Addr{}); got != Forbidden {
		t.Errorf("no address is %s", got)
	}
	if got := Classify(netip.MustParseAddr("2606:4700::1%eth0")); got != Private {
		t.Errorf("an address in a zone is %s", got)
	}
}

func TestGuard(t *testing.T) {
	pinned := func(host string) bool { return host == "pinned.example.com" }
	guards := map[string]Guard{"local": {}, "gateway": {Gateway: true, Pinned: pinned}, "no pins": {Gateway: true}}
	for _, tt := range []struct{ host, addr, may string }{
		{"a.example.com", "1.1.1.1", "local gateway no pins"},
		{"a.example.com", "127.0.0.1", "local"},
		{"a.example.com", "::ffff:10.0.0.1", "local"},
		{"a.example.com", "64:ff9b::a00:1", "local"},
		{"localhost", "127.0.0.1", "local"},
		{"127.0.0.1", "127.0.0.1", "local gateway no pins"},
		{"::1", "::1", "local gateway no pins"},
		{"fd00::1%eth0", "fd00::1%eth0", "local"},
		{"2130706433", "127.0.0.1", "local"},
		{"127.1", "127.0.0.1", "local"},
		{"0x7f000001", "127.0.0.1", "local"},
		{"pinned.example.com", "10.0.0.1", "local gateway"},
		{"a.example.com", "169.254.169.254", ""},
		{"169.254.169.254", "169.254.169.254", ""},
		{"pinned.example.com", "169.254.169.254", ""},
		{"fe80::1%eth0", "fe80::1%eth0", ""},
		{"0.0.0.0", "0.0.0.0", ""},
	} {
		for name, g := range guards {
			err := g.Check(tt.host, netip.MustParseAddr(tt.addr))
			var denied *AddressError
			if may := strings.Contains(tt.may, name); may != (err == nil) || err != nil && !errors.As(err, &denied) {
				t.Errorf("%s: %s at %s: %v", name, tt.host, tt.addr, err)
			}
		}
	}
}

func TestPublicName(t *testing.T) {
	for public, hosts := range map[bool]string{
		true: "example.com EXAMPLE.com. deb.debian.org a.b.c.d.net xn--bcher-kva.ch bücher.ch 1.1.1.1 2606:4700::1111 test.net arpa.com 9.to",
		false: `localhost foo a.local a.internal router.home.arpa home.arpa x.onion a.test a.localhost a.invalid a.example x.lan x.corp
			x.home x.intranet x.private x.localdomain 127.0.0.1 10.0.0.1 169.254.169.254 ::1 fe80::1%eth0 fd00::1 2130706433 127.1
			0x7f.1 a..com .com . 192.168.0.1. 2606:4700::1%eth0`,
	} {
		for _, h := range append(strings.Fields(hosts), "") {
			if got := PublicName(h); got != public && h != "" {
				t.Errorf("PublicName(%q) = %v", h, got)
			}
		}
	}
	if PublicName("") {
		t.Error("no name is a public one")
	}
}

// nameserver answers all questions for A records with to, over UDP, and counts
// them.
func nameserver(t *testing.T, to string) (*net.Resolver, *atomic.Int32) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			asked.Add(1)
			q := m.Questions[0]
			m.Response, m.Additionals = true, nil
			if q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0},
					Body:   &dnsmessage.AResource{A: netip.MustParseAddr(to).As4()},
				}}
			}
			if out, err := m.Pack(); err == nil {
				pc.WriteTo(out, from)
			}
		}
	}()
	t.Cleanup(func() {
		pc.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", pc.LocalAddr().String())
	}}, &asked
}

// PX2: what counts is the address at the moment of dialling, not the name.
func TestRebinding(t *testing.T) {
	var requests atomic.Int32
	srv, _ := webserver(t, false, func(w http.ResponseWriter, _ *http.Request) { requests.Add(1) })
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	resolver, asked := nameserver(t, "127.0.0.1")
	c := client(t, Config{Resolver: resolver})

	req := get(t, "http://rebind.example.com:"+port+"/")
	req.Face = fetch.Gateway
	_, err := c.Send(t.Context(), req, nil)
	if fetch.CauseOf(err) != fetch.DeniedAddress {
		t.Errorf("gateway: got %v, want a denied address", err)
	}
	if asked.Load() == 0 || requests.Load() != 0 {
		t.Fatalf("gateway: %d questions, %d requests", asked.Load(), requests.Load())
	}
	for _, face := range []fetch.Face{fetch.Forward, fetch.Mirror} {
		req.Face = face
		send(t, c, req)
	}
	if requests.Load() != 2 {
		t.Errorf("the local user's requests: %d of 2 came", requests.Load())
	}
	// The connection that the local user opened is free now, and stays closed
	// to the gateway.
	req.Face = fetch.Gateway
	if _, err := c.Send(t.Context(), req, nil); fetch.CauseOf(err) != fetch.DeniedAddress {
		t.Errorf("gateway after forward: got %v, want a denied address", err)
	}
}

func TestForbiddenOnEveryFace(t *testing.T) {
	resolver, _ := nameserver(t, "169.254.169.254")
	c := client(t, Config{
		Resolver: resolver,
		Resolve:  map[string][]netip.Addr{"pin.example.com": {netip.MustParseAddr("169.254.169.254")}},
	})
	for _, host := range []string{
		"169.254.169.254", "[::ffff:169.254.169.254]", "[fe80::1%25lo]", "0.0.0.0:1", "[::]:1", "meta.example.com", "pin.example.com",
		"[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]",
	} {
		for _, face := range []fetch.Face{fetch.Forward, fetch.Mirror, fetch.Gateway} {
			req := get(t, "http://"+host+"/latest/meta-data/")
			req.Face = face
			if _, err := c.Send(t.Context(), req, nil); fetch.CauseOf(err) != fetch.DeniedAddress {
				t.Errorf("%s on face %d: %v", host, face, err)
			}
		}
	}
	if _, err := c.DialTunnel(t.Context(), "169.254.169.254:80"); fetch.CauseOf(err) != fetch.DeniedAddress {
		t.Errorf("tunnel: %v", err)
	}
}

func TestPins(t *testing.T) {
	srv, _ := webserver(t, false, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) })
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	resolver, asked := nameserver(t, "169.254.169.254")
	dead := netip.MustParseAddr("127.0.0.9") // nobody listens there
	c := client(t, Config{Resolver: resolver, Resolve: map[string][]netip.Addr{
		"Pin.Example.Com": {dead, netip.MustParseAddr("127.0.0.1")},
	}})
	for _, face := range []fetch.Face{fetch.Forward, fetch.Gateway} {
		req := get(t, "http://pin.EXAMPLE.com:"+port+"/")
		req.Face = face
		a := send(t, c, req)
		if got := readAll(t, a); !strings.EqualFold(got, "pin.example.com:"+port) {
			t.Errorf("face %d: host %q", face, got)
		}
	}
	if asked.Load() != 0 {
		t.Error("DNS was asked for a pinned name")
	}
}

func TestTunnel(t *testing.T) {
	srv, _ := webserver(t, false, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	c := client(t, Config{})
	conn, err := c.DialTunnel(t.Context(), srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, ok := conn.(interface{ CloseWrite() error }); !ok {
		t.Error("a tunnel cannot be half closed")
	}
	io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	if got, _ := io.ReadAll(conn); !strings.HasSuffix(string(got), "hello") {
		t.Errorf("got %q", got)
	}
	if _, err := c.DialTunnel(t.Context(), "no port"); fetch.CauseOf(err) != fetch.BadRequest {
		t.Errorf("no port: %v", err)
	}
}

// PublicOrigin: law 3 rests on it.
func TestPublicOrigin(t *testing.T) {
	srv, _ := webserver(t, false, func(http.ResponseWriter, *http.Request) {})
	at := srv.Listener.Addr().String()
	for _, tt := range []struct {
		host, addr string
		pin        bool
		want       bool
	}{
		{"example.com", "1.1.1.1:80", false, true},
		{"example.com", "[2606:4700::1]:80", false, true},
		{"1.1.1.1", "1.1.1.1:80", false, true},
		{"example.com", "10.0.0.1:80", false, false},
		{"example.com", "100.64.0.1:80", false, false},
		{"host.internal", "1.1.1.1:80", false, false},
		{"intranet", "1.1.1.1:80", false, false},
		{"example.com", "1.1.1.1:80", true, false},
	} {
		cfg := Config{Dial: pretend(t, at, tt.addr)}
		if tt.pin {
			cfg.Resolve = map[string][]netip.Addr{tt.host: {netip.MustParseAddr("1.1.1.1")}}
		}
		c := client(t, cfg)
		for range 2 { // the second time over a connection that stood
			if got := send(t, c, get(t, "http://"+tt.host+"/")).Meta.PublicOrigin; got != tt.want {
				t.Errorf("%s at %s, pinned %v: public %v", tt.host, tt.addr, tt.pin, got)
			}
		}
	}
}

func TestGuardJudgesReplacedDial(t *testing.T) {
	srv, _ := webserver(t, false, func(http.ResponseWriter, *http.Request) {})
	c := client(t, Config{Dial: pretend(t, srv.Listener.Addr().String(), "10.0.0.1:80")})
	req := get(t, "http://example.com/")
	req.Face = fetch.Gateway
	if _, err := c.Send(t.Context(), req, nil); fetch.CauseOf(err) != fetch.DeniedAddress {
		t.Errorf("got %v, want a denied address", err)
	}
}
