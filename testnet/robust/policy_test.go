package robust

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// via is what a node that runs as name puts in Via.
func (r *run) via() string {
	r.Helper()
	resp, _ := r.ask(plainGet + "\r\n")
	_, name, ok := strings.Cut(resp.Header.Get("Via"), "1.1 ")
	if !ok {
		r.Fatalf("Via %q", resp.Header.Get("Via"))
	}
	return name
}

// TestPX01WhereConnectMayGo: ports that are not for the web, and addresses at
// which clouds keep credentials.
func TestPX01WhereConnectMayGo(t *testing.T) {
	w := start(t)
	r := w.run(t, forward)
	for target, cause := range map[string]string{
		"mail.test:25": "http_request_denied", "127.0.0.1:22": "http_request_denied", "[::1]:25": "http_request_denied", "db.test:0": "http_request_error",
		"169.254.169.254:80": "destination_ip_prohibited", "[::ffff:169.254.169.254]:80": "destination_ip_prohibited", "0.0.0.0:80": "destination_ip_prohibited",
		"[::]:443": "destination_ip_prohibited", "[fe80::1]:443": "destination_ip_prohibited", "[64:ff9b::a9fe:a9fe]:80": "destination_ip_prohibited",
		"100.100.100.200:80": "destination_ip_prohibited", "[fd00:ec2::254]:80": "destination_ip_prohibited", "224.0.0.1:80": "destination_ip_prohibited",
		"mail.test": "http_request_error", "user@mail.test:443": "http_request_error", "mail.test:443/x": "http_request_error",
	} {
		c := r.dial()
		fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n", target)
		resp, err := http.ReadResponse(c.r, &http.Request{Method: "GET"})
		if err != nil {
			t.Fatal(target, err)
		}
		if want := 403; cause == "http_request_error" {
			r.status(resp, target, 400)
		} else {
			r.status(resp, target, want)
		}
		r.named(resp, cause)
		c.Close()
	}
}

// TestPX02RebindingAtTheGateway and TestPX03: a name that leads to a private
// address is refused when it is dialled, whatever it led to before; so are the
// spellings of addresses that resolvers understand. fetch/origin has the
// table of all classes, and a name that changes between two look-ups.
func TestPX03AddressesOfTheGateway(t *testing.T) {
	w := start(t)
	r := w.run(t, gateway)
	for _, host := range []string{"169.254.169.254", "[::ffff:169.254.169.254]", "[fe80::1]", "[64:ff9b::a9fe:a9fe]", "0.0.0.0", "[::]", "100.100.100.200"} {
		c := r.dial()
		fmt.Fprintf(c, "GET /http://%s/latest/meta-data HTTP/1.1\r\nHost: %s\r\n\r\n", host, r.addr())
		resp, text, _ := c.response("GET")
		r.status(resp, text, 403)
		r.named(resp, "destination_ip_prohibited")
		c.Close()
	}
	for _, host := range []string{"localhost", "2130706433", "0x7f000001", "127.1", "017700000001", "localhost."} {
		c := r.dial()
		fmt.Fprintf(c, "GET /http://%s:%s/ HTTP/1.1\r\nHost: %s\r\n\r\n", host, r.port(), r.addr())
		resp, text, _ := c.response("GET")
		if resp.StatusCode < 400 {
			t.Errorf("%s: status %d %q", host, resp.StatusCode, text)
		}
		r.named(resp, "")
		c.Close()
	}
}

// TestPX04Loops: a request that was at this node before goes no further.
func TestPX04Loops(t *testing.T) {
	each(t, everyWay, func(r *run) {
		first := r.again()
		first.answers(small)
		name := first.via()
		r.answers(small)
		for _, via := range []string{"1.1 " + name, "1.1 other, HTTP/1.1 " + name + " (comment)", "1.0 " + strings.ToUpper(name)} {
			resp, text := r.ask(plainGet + "Via: " + via + "\r\n\r\n")
			r.status(resp, text, 502)
			r.named(resp, "proxy_loop_detected")
		}
		r.untouched()
		resp, text := r.ask(plainGet + "Via: 1.1 other\r\n\r\n")
		r.status(resp, text, 200)
	})
	t.Run("itself", func(t *testing.T) {
		r := start(t).run(t, forward)
		resp, text := r.ask("GET http://" + r.addr() + "/http://" + r.addr() + "/ HTTP/1.1\r\nHost: x\r\n\r\n")
		r.status(resp, text, 421)
		resp, text = r.ask("CONNECT " + r.addr() + " HTTP/1.1\r\nHost: x\r\n\r\n")
		r.status(resp, text, 421)
	})
}

// TestPX05Strangers: who comes by another address than loopback is refused,
// on each listener. There is one only where this machine has a network.
func TestPX05Strangers(t *testing.T) {
	r := start(t).run(t, forward)
	for _, host := range outside() {
		for _, addr := range []string{r.addr(), start(t).run(t, mirror).addr()} {
			_, port, _ := net.SplitHostPort(addr)
			if c, err := net.DialTimeout("tcp", net.JoinHostPort(host, port), time.Second); err == nil {
				c.Close()
				t.Errorf("%s listens for all", addr)
			}
		}
	}
}

// outside are this machine's addresses beyond loopback.
func outside() (out []string) {
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			out = append(out, n.IP.String())
		}
	}
	return out
}

// TestStreamsAreNotBuffered: events and the answers of long polls come as they
// are sent, whatever their length is said to be.
func TestStreamsAreNotBuffered(t *testing.T) {
	for name, fields := range map[string]string{
		"events": "Content-Type: text/event-stream\r\n", "events that are stored": "Content-Type: text/event-stream\r\nCache-Control: public, max-age=600\r\n",
		"long poll": "Content-Type: application/json\r\nCache-Control: no-store\r\n", "storable": "Content-Type: text/plain\r\nCache-Control: public, max-age=600\r\n",
		"multipart": "Content-Type: multipart/x-mixed-replace; boundary=b\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			each(t, everyWay, func(r *run) {
				next := make(chan string)
				r.origin(func(c *conn, _ *http.Request) {
					c.say("HTTP/1.1 200 OK\r\n" + fields + "Transfer-Encoding: chunked\r\n\r\n")
					for text := range next {
						c.say(fmt.Sprintf("%x\r\n%s\r\n", len(text), text))
					}
					c.say("0\r\n\r\n")
				})
				c := r.dial()
				c.get("")
				resp := c.head("GET") // before the first event
				in := bufio.NewReader(resp.Body)
				for i := range 20 {
					next <- fmt.Sprintf("data: %d\n", i)
					if line, err := in.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
						t.Fatalf("event %d: %q %v", i, line, err)
					}
				}
				close(next)
				if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
					t.Errorf("end: %q %v", rest, err)
				}
			})
		})
	}
}

// TestUploadsStream: the origin has the first octets of a body long before the
// client has sent the last, and answers go the other way meanwhile.
func TestUploadsStream(t *testing.T) {
	const pieces, piece = 200, 64 << 10
	for name, chunked := range map[string]bool{"length": false, "chunked": true} {
		t.Run(name, func(t *testing.T) {
			each(t, sending, func(r *run) {
				got := make(chan int, pieces)
				r.origin(func(c *conn, q *http.Request) {
					buf := make([]byte, piece)
					for range pieces {
						n, err := io.ReadFull(q.Body, buf)
						if err != nil {
							t.Error(err)
							break
						}
						got <- n
					}
					io.Copy(io.Discard, q.Body)
					c.say(small)
				})
				c := r.dial()
				if chunked {
					c.send(post + "Transfer-Encoding: chunked\r\n\r\n")
				} else {
					c.send(post + fmt.Sprintf("Content-Length: %d\r\n\r\n", pieces*piece))
				}
				data := strings.Repeat("u", piece)
				for range pieces {
					if chunked {
						fmt.Fprintf(c, "%x\r\n%s\r\n", piece, data)
					} else {
						io.WriteString(c, data)
					}
					select {
					case <-got: // each piece is there before the next is sent
					case <-time.After(patience):
						t.Fatal("a piece is held back")
					}
				}
				if chunked {
					io.WriteString(c, "0\r\n\r\n")
				}
				resp, text, err := c.response("POST")
				if r.status(resp, text, 200); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
