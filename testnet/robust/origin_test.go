package robust

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// reset ends a connection as a crash does.
func (c *conn) reset() {
	nc := c.Conn
	if secure, ok := nc.(*tls.Conn); ok {
		nc = secure.NetConn()
	}
	nc.(*net.TCPConn).SetLinger(0)
	nc.Close()
}

// cut makes a response that promises more than it has.
func dated(fields, text string) string {
	return "HTTP/1.1 200 OK\r\nDate: " + time.Now().UTC().Format(http.TimeFormat) + "\r\nCache-Control: public, max-age=600\r\nEtag: \"v1\"\r\n" + fields + "\r\n" + text
}

// TestOR01BodiesThatEndEarly: none ends as if it were whole, none is stored.
func TestOR01BodiesThatEndEarly(t *testing.T) {
	part := strings.Repeat("x", 100<<10)
	for name, end := range map[string]func(c *conn){
		"short of its length": func(c *conn) { c.say(dated("Content-Length: 999999\r\n", part)); c.Close() },
		"reset":               func(c *conn) { c.say(dated("Content-Length: 999999\r\n", part)); c.reset() },
		"no last chunk":       func(c *conn) { c.say(dated("Transfer-Encoding: chunked\r\n", "19000\r\n"+part+"\r\n")); c.Close() },
		"within a chunk":      func(c *conn) { c.say(dated("Transfer-Encoding: chunked\r\n", "fffff\r\n"+part)); c.reset() },
		"chunk size of none": func(c *conn) {
			c.say(dated("Transfer-Encoding: chunked\r\n", "19000\r\n"+part+"\r\nxyz\r\n"))
			c.Close()
		},
		"bare LF in a chunk": func(c *conn) { c.say(dated("Transfer-Encoding: chunked\r\n", "19000\n"+part+"\n0\n\n")); c.Close() },
		"nothing at all":     func(c *conn) { c.say(dated("Content-Length: 5\r\n", "")); c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, everyWay, func(r *run) {
				r.origin(func(c *conn, _ *http.Request) { end(c) })
				for range 2 {
					c := r.dial()
					c.get("")
					resp, text, err := c.response("GET")
					switch {
					case resp.StatusCode == 502:
						r.named(resp, "")
					case err == nil:
						r.Errorf("status %d ended well with %d octets", resp.StatusCode, len(text))
					}
					c.Close()
				}
				if n := r.play.asked.Load(); n < 2 {
					r.Errorf("the origin was asked %d times: something was stored", n)
				}
			})
		})
	}
}

// TestOR01LongerThanItsLength: what is too much belongs to nobody.
func TestOR01LongerThanItsLength(t *testing.T) {
	each(t, everyWay, func(r *run) {
		r.answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: no-store\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL")
		for range 3 {
			resp, text := r.ask(plainGet + "\r\n")
			if r.status(resp, text, 200); text != "ok" {
				r.Errorf("%q", text)
			}
		}
	})
}

func TestOR03LargeHeads(t *testing.T) {
	each(t, everyWay, func(r *run) {
		for name, fields := range map[string]string{
			"1 MiB": "X: " + strings.Repeat("x", 1<<20) + "\r\n", "1 MiB of fields": strings.Repeat("X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 25_000),
			"300 fields": strings.Repeat("X: y\r\n", 300),
		} {
			sub := r.again()
			sub.origin(func(c *conn, _ *http.Request) {
				c.say("HTTP/1.1 200 OK\r\n" + fields + "Content-Length: 2\r\n\r\nok")
				c.Close()
			})
			resp, text := sub.ask(plainGet + "\r\n")
			if resp.StatusCode != 502 {
				r.Errorf("%s: status %d %.50q", name, resp.StatusCode, text)
			}
			sub.named(resp, "http_response_header_section_size")
		}
	})
}

// TestOR04Splitting: heads that another reader would end elsewhere. What does
// get through has none of it.
func TestOR04Splitting(t *testing.T) {
	const ok = "Content-Length: 2\r\n\r\nok"
	for name, head := range map[string]string{
		"NUL in a value": "HTTP/1.1 200 OK\r\nX: a\x00b\r\n" + ok, "CR in a value": "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: x\r\n" + ok,
		"space in a name": "HTTP/1.1 200 OK\r\nX Y: z\r\n" + ok, "space before colon": "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n" + ok,
		"two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + ok, "no status": "HTTP/1.1\r\n" + ok, "no HTTP": "SSH-2.0-OpenSSH\r\n\r\n",
		"status of words": "HTTP/1.1 OK\r\n" + ok, "negative length": "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok",
		"status 099": "HTTP/1.1 099 No\r\n" + ok, "two status lines": "HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\n" + ok,
		"101 unasked": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\nConnection: upgrade\r\n\r\n",
		"1000 hints":  strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 1000) + "HTTP/1.1 200 OK\r\n" + ok,
	} {
		t.Run(name, func(t *testing.T) {
			each(t, everyWay, func(r *run) {
				r.origin(func(c *conn, _ *http.Request) {
					c.say(head)
					if _, err := c.r.ReadByte(); err == nil {
						t.Error("the connection was used again")
					}
					c.Close()
				})
				c := r.dial()
				c.get("")
				resp := c.head("GET")
				for resp.StatusCode < 200 && resp.StatusCode != 101 {
					resp = c.head("GET")
				}
				if resp.StatusCode != 502 {
					text, _ := io.ReadAll(io.LimitReader(resp.Body, 100))
					t.Errorf("status %d %v %q", resp.StatusCode, resp.Header, text)
				}
				r.named(resp, "")
				c.Close()
			})
		})
	}
}

// TestOR05VersionsNeverMix: what was kept of one version is not continued with
// another, whatever the origin says of it.
func TestOR05VersionsNeverMix(t *testing.T) {
	a, b := strings.Repeat("a", 1<<20), strings.Repeat("b", 1<<20)
	for name, other := range map[string]string{
		"honest 200":  "HTTP/1.1 200 OK\r\nEtag: \"v2\"\r\nCache-Control: no-store\r\nContent-Length: 1048576\r\n\r\n" + b,
		"lying 206":   "HTTP/1.1 206 Partial Content\r\nEtag: \"v2\"\r\nContent-Range: bytes FIRST-1048575/1048576\r\nContent-Length: LEFT\r\n\r\n" + b,
		"other total": "HTTP/1.1 206 Partial Content\r\nEtag: \"v1\"\r\nContent-Range: bytes FIRST-1048575/2097152\r\nContent-Length: LEFT\r\n\r\n" + b,
	} {
		t.Run(name, func(t *testing.T) {
			each(t, everyWay, func(r *run) {
				r.origin(func(c *conn, q *http.Request) {
					var first int
					if _, err := fmt.Sscanf(q.Header.Get("Range"), "bytes=%d-", &first); err == nil {
						left := 1<<20 - first
						c.say(strings.NewReplacer("FIRST", fmt.Sprint(first), "LEFT", fmt.Sprint(left)).Replace(other[:len(other)-len(b)]) + b[:left])
						c.Close()
						return
					}
					if r.play.asked.Load() > 1 {
						c.say("HTTP/1.1 200 OK\r\nEtag: \"v2\"\r\nCache-Control: no-store\r\nContent-Length: 1048576\r\n\r\n" + b)
						return
					}
					c.say(dated("Content-Length: 1048576\r\n", a[:600_000]))
					c.Close()
				})
				for i := range 3 {
					c := r.dial()
					c.get("")
					resp, text, err := c.response("GET")
					if i == 0 && err == nil && resp.StatusCode == 200 {
						t.Error("the cut body ended well")
					}
					if strings.Contains(text, "a") && strings.Contains(text, "b") || err == nil && resp.StatusCode == 200 && text != a && text != b {
						t.Errorf("%d octets of two versions", len(text))
					}
					c.Close()
				}
			})
		})
	}
}

// TestOR06ContentRangeThatLies: an answer to another range than was asked for
// is stored as nothing.
func TestOR06ContentRangeThatLies(t *testing.T) {
	whole := strings.Repeat("0123456789", 10)
	for name, field := range map[string]string{
		"other offset": "bytes 50-59/100", "other total": "bytes 10-19/20", "no total": "bytes 10-19/*", "beyond the end": "bytes 95-104/100",
		"reversed": "bytes 19-10/100", "none": "", "words": "bytes ten-twenty/100", "another length": "bytes 10-29/100",
	} {
		t.Run(name, func(t *testing.T) {
			each(t, everyWay, func(r *run) {
				r.origin(func(c *conn, q *http.Request) {
					if q.Header.Get("Range") != "" {
						c.say("HTTP/1.1 206 Partial Content\r\nEtag: \"v1\"\r\nCache-Control: public, max-age=600\r\nContent-Range: " + field + "\r\nContent-Length: 10\r\n\r\n0123456789")
						return
					}
					c.say(dated("Content-Length: 100\r\n", whole))
				})
				c := r.dial()
				c.get("Range: bytes=10-19\r\n")
				c.response("GET") // what the origin said, or that it was wrong
				c.Close()
				for range 2 {
					resp, text := r.ask(plainGet + "\r\n")
					if r.status(resp, "", 200); text != whole {
						t.Errorf("%d octets: %.40q", len(text), text)
					}
				}
			})
		})
	}
}

func TestOR07OddAnswers(t *testing.T) {
	each(t, everyWay, func(r *run) {
		sub := r.again() // a part for the whole is not the whole
		sub.answers("HTTP/1.1 206 Partial Content\r\nCache-Control: max-age=600\r\nContent-Range: bytes 0-1/10\r\nContent-Length: 2\r\n\r\nok")
		for range 2 {
			if resp, text := sub.ask(plainGet + "\r\n"); resp.StatusCode == 200 {
				r.Errorf("206 to a plain GET came as 200 %q", text)
			}
		}
		sub = r.again() // the whole for a part
		sub.answers(dated("Content-Length: 10\r\n", "0123456789"))
		resp, text := sub.ask(plainGet + "Range: bytes=2-3\r\n\r\n")
		if resp.StatusCode == 206 && text != "23" || resp.StatusCode == 200 && text != "0123456789" || resp.StatusCode > 206 {
			r.Errorf("200 to a range came as %d %q", resp.StatusCode, text)
		}
		sub = r.again()
		sub.answers("HTTP/1.1 416 No\r\nContent-Range: bytes */10\r\nContent-Length: 0\r\n\r\n")
		resp, text = sub.ask(plainGet + "Range: bytes=20-\r\n\r\n")
		r.status(resp, text, 416)
		sub = r.again() // 204 has no body, whatever comes behind it
		sub.answers("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nEVIL")
		for range 2 {
			resp, text = sub.ask(plainGet + "\r\n")
			if r.status(resp, text, 204); text != "" {
				r.Errorf("204 with %q", text)
			}
		}
	})
}

func TestOR08Vary(t *testing.T) {
	each(t, everyWay, func(r *run) {
		sub := r.again()
		sub.answers(dated("Vary: *\r\nContent-Length: 2\r\n", "ok"))
		for range 2 {
			sub.ask(plainGet + "\r\n")
		}
		if n := sub.play.asked.Load(); n != 2 {
			r.Errorf("Vary: * was asked for %d times", n)
		}
		sub = r.again()
		sub.origin(func(c *conn, q *http.Request) {
			text := "for " + q.Header.Get("Other")
			c.say(dated(fmt.Sprintf("Vary: Other\r\nContent-Length: %d\r\n", len(text)), text))
		})
		for range 2 {
			for i := range 50 {
				resp, text := sub.ask(plainGet + fmt.Sprintf("Other: %d\r\n\r\n", i))
				if r.status(resp, text, 200); text != fmt.Sprintf("for %d", i) {
					r.Fatalf("variant %d got %q", i, text)
				}
			}
		}
	})
}

// TestOR09WrongDigest and TestOR10: the origin's own body is never withheld;
// one that contradicts what it said is not kept.
func TestOR09WrongDigest(t *testing.T) {
	wrongDigest(t, "Repr-Digest: sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=:\r\n", 2)
}

// TestOR10WeakDigest is a hint: it neither proves nor disproves.
func TestOR10WeakDigest(t *testing.T) {
	wrongDigest(t, "Content-MD5: XrY7u+Ae7tCTyyK7j1rNww==\r\n", 1)
}

func wrongDigest(t *testing.T, field string, least int32) {
	each(t, everyWay, func(r *run) {
		r.answers(dated(field+"Content-Length: 5\r\n", "other"))
		// One that comes while the first ends may share its answer.
		for i := 0; i < 2 || i < 20 && r.play.asked.Load() < least; i++ {
			resp, text := r.ask(plainGet + "\r\n")
			if r.status(resp, text, 200); text != "other" || resp.Header.Get("Flashcrowd-Evidence") != "" {
				r.Errorf("%q with evidence %q", text, resp.Header.Get("Flashcrowd-Evidence"))
			}
		}
		if n := r.play.asked.Load(); n < least {
			r.Errorf("asked %d times: it was kept", n)
		}
	})
}

// TestOR13Redirects are for the client to follow; from gateway and mirror they
// lead back there.
func TestOR13Redirects(t *testing.T) {
	each(t, everyWay, func(r *run) {
		for _, to := range []string{r.url(), strings.Replace(r.url(), "https:", "http:", 1), "http://127.0.0.1:1/", "http://[::1]/", "//evil.test/x", "next"} {
			sub := r.again()
			sub.answers("HTTP/1.1 302 Found\r\nLocation: " + to + "\r\nContent-Length: 0\r\n\r\n")
			resp, text := sub.ask(plainGet + "\r\n")
			r.status(resp, text, 302)
			if n := sub.play.asked.Load(); n != 1 {
				r.Errorf("%s: asked %d times", to, n)
			}
			at := resp.Header.Get("Location")
			if here := "http://" + r.addr() + "/"; r.way == gateway && !strings.HasPrefix(at, here+"http") {
				r.Errorf("%s leads to %s, out of the gateway", to, at)
			} else if (r.way == forward || r.way == intercept) && at != to {
				r.Errorf("%s became %s", to, at)
			}
		}
	})
}

// TestOR16BackOff: an origin that says when to come again is not asked for
// anything that no client wants.
func TestOR16BackOff(t *testing.T) {
	for _, status := range []string{"429 Too Many Requests", "503 Service Unavailable"} {
		t.Run(status[:3], func(t *testing.T) {
			each(t, everyWay, func(r *run) {
				r.answers("HTTP/1.1 " + status + "\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n")
				for range 5 {
					resp, _ := r.ask(plainGet + "\r\n")
					if got := resp.Status[:3]; got != status[:3] {
						r.Errorf("status %s", resp.Status)
					}
				}
				if n := r.play.asked.Load(); n > 5 {
					r.Errorf("asked %d times for 5 requests", n)
				}
			})
		})
	}
}
