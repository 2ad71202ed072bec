package robust

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

const post = "METHOD TARGET HTTP/1.1\r\nHost: HOST\r\n"

const plainGet = "GET TARGET HTTP/1.1\r\nHost: HOST\r\n"

const small = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// malformed are messages that two recipients may read in two ways. Each is
// refused, ends the connection, and reaches no origin.
func malformed(t *testing.T, statuses []int, messages map[string]string) {
	each(t, everyWay, func(r *run) {
		for name, text := range messages {
			r.Run(name, func(t *testing.T) {
				sub := r.w.run(t, r.way)
				sub.answers(small)
				sub.refused(text, statuses...)
			})
		}
	})
}

func TestHC01LengthAndChunked(t *testing.T) {
	malformed(t, []int{400}, map[string]string{
		"length first":   post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
		"chunked first":  post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		"identity":       post + "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nabcde",
		"length of zero": post + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
	})
}

func TestHC02TwoLengths(t *testing.T) {
	malformed(t, []int{400}, map[string]string{
		"different": post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"equal":     post + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
		"a list":    post + "Content-Length: 1, 1\r\n\r\na",
	})
}

func TestHC03LengthThatIsNone(t *testing.T) {
	messages := map[string]string{}
	for _, value := range []string{"+1_0", "+1", "-1", "0x5", "", "1_0", "5 5", "9223372036854775808", "99999999999999999999", "½", "5;"} {
		messages[value] = post + "Content-Length: " + value + "\r\n\r\nabcde"
	}
	malformed(t, []int{400}, messages)
}

func TestHC04CodingThatIsNone(t *testing.T) {
	messages := map[string]string{"twice": post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}
	for _, value := range []string{",chunked", "\xa0chunked", "chunked, chunked", "chunked,", "gzip, chunked", "chunked;q=1", "\x0bchunked", "xchunked", ""} {
		messages[fmt.Sprintf("%q", value)] = post + "Transfer-Encoding: " + value + "\r\n\r\n0\r\n\r\n"
	}
	malformed(t, []int{400, 501}, messages)
}

// TestHC05ChunkSizeThatIsNone and TestHC06: the head is passed on before the
// body is read, so the origin may have been asked; it never gets a whole body.
func TestHC05ChunkSizeThatIsNone(t *testing.T) {
	spoilt(t, map[string]string{
		"0x2": "0x2\r\nab\r\n0\r\n\r\n", "0_2e": "0_2e\r\nab\r\n0\r\n\r\n", "empty": "\r\nab\r\n0\r\n\r\n", "negative": "-2\r\nab\r\n0\r\n\r\n",
		"17 digits": "00000000000000002\r\nab\r\n0\r\n\r\n", "too large": "8000000000000000\r\nab\r\n0\r\n\r\n",
		"bare LF": "2\nab\r\n0\r\n\r\n", "bare LF behind": "2\r\nab\n0\r\n\r\n", "space": "2 \r\nab\r\n0\r\n\r\n", "too long": "2\r\nabc\r\n0\r\n\r\n",
		"bad trailer": "2\r\nab\r\n0\r\nX Y: z\r\n\r\n",
	})
}

func TestHC06ChunkExtensions(t *testing.T) {
	spoilt(t, map[string]string{
		"1 MiB":      "2;" + strings.Repeat("e", 1<<20) + "\r\nab\r\n0\r\n\r\n",
		"many":       strings.Repeat("1;"+strings.Repeat("e", 2000)+"\r\na\r\n", 100) + "0\r\n\r\n",
		"trailer of": "2\r\nab\r\n0\r\n" + strings.Repeat("X: y\r\n", 300) + "\r\n",
	})
}

func spoilt(t *testing.T, bodies map[string]string) {
	each(t, everyWay, func(r *run) {
		for name, body := range bodies {
			r.Run(name, func(t *testing.T) {
				sub := r.w.run(t, r.way)
				sub.origin(func(c *conn, q *http.Request) {
					if _, err := io.Copy(io.Discard, q.Body); err == nil {
						t.Error("the origin took it for whole")
					}
					c.Close()
				})
				c := sub.dial()
				defer c.Close()
				go io.WriteString(c, sub.fill(post+"Transfer-Encoding: chunked\r\n\r\n"+body))
				resp, text, err := c.response("GET")
				if err != nil || resp.StatusCode != 400 && resp.StatusCode != 431 {
					t.Errorf("status %d, %v: %q", resp.StatusCode, err, text)
				}
				sub.named(resp, "http_request_error")
				c.closed()
			})
		}
	})
}

func TestHC07FieldNames(t *testing.T) {
	malformed(t, []int{400}, map[string]string{
		"space": plainGet + "X Y: z\r\n\r\n", "space before colon": plainGet + "X : z\r\n\r\n", "NUL": plainGet + "X\x00: z\r\n\r\n",
		"\\x85": plainGet + "X\x85: z\r\n\r\n", "no colon": plainGet + "X\r\n\r\n", "empty": plainGet + ": z\r\n\r\n",
		"folded": plainGet + "X: y\r\n z\r\n\r\n", "folded length": post + "X: y\r\n\tContent-Length: 5\r\n\r\nabcde",
		"length with space": post + "Content-Length : 5\r\n\r\nabcde",
	})
}

func TestHC08ControlsInValues(t *testing.T) {
	malformed(t, []int{400}, map[string]string{
		"CR": plainGet + "X: a\rb\r\n\r\n", "LF": plainGet + "X: a\nY: b\r\n\r\n", "NUL": plainGet + "X: a\x00b\r\n\r\n",
		"DEL": plainGet + "X: a\x7fb\r\n\r\n", "bare LF ends": "GET TARGET HTTP/1.1\nHost: HOST\n\n", "CR in target": "GET TARGET\rX HTTP/1.1\r\nHost: HOST\r\n\r\n",
		"two hosts": plainGet + "Host: other.test\r\n\r\n", "no host": "GET TARGET HTTP/1.1\r\n\r\n",
	})
}

func TestHC09LargeHeads(t *testing.T) {
	malformed(t, []int{431}, map[string]string{
		"65 KiB": plainGet + "X: " + strings.Repeat("x", 65<<10) + "\r\n\r\n", "257 fields": plainGet + strings.Repeat("X: y\r\n", 256) + "\r\n",
		"a hundred thousand": plainGet + strings.Repeat("Cookie: a\r\n", 100_000) + "\r\n",
	})
}

// TestHC10HostOfTheURI: it wins over the field.
func TestHC10HostOfTheURI(t *testing.T) {
	each(t, everyWay, func(r *run) {
		host := make(chan string, 1)
		r.origin(func(c *conn, q *http.Request) {
			host <- q.Host
			c.say(small)
		})
		absolute, status := "GET SITE"+r.path+" HTTP/1.1\r\nHost: evil.test\r\n\r\n", 200
		switch r.way {
		case mirror: // of others it is no proxy
			status = 421
		}
		resp, body := r.ask(absolute)
		r.status(resp, body, status)
		if status != 200 {
			r.named(resp, "http_request_denied")
			r.untouched()
		} else if got, want := <-host, r.site()[strings.Index(r.site(), "//")+2:]; got != want {
			r.Errorf("the origin was called %q, want %q", got, want)
		}
	})
}

func TestHC11UserinfoInTheURI(t *testing.T) {
	each(t, everyWay, func(r *run) {
		site := strings.Replace(r.site(), "//", "//user:secret@", 1)
		target := site + r.path
		if r.way == gateway {
			target = "/" + target
		}
		resp, body := r.ask("GET " + target + " HTTP/1.1\r\nHost: HOST\r\n\r\n")
		r.status(resp, body, 400)
		r.named(resp, "http_request_error")
		if strings.Contains(body+fmt.Sprint(resp.Header), "secret") {
			r.Error("the answer tells the password")
		}
		r.untouched()
	})
}

func TestHC12OtherSchemes(t *testing.T) {
	each(t, everyWay, func(r *run) {
		for _, u := range []string{"file:///etc/passwd", "ftp://ftp.test/x", "urn:isbn:1", "gopher://g.test/", "javascript://x.test/%0aalert(1)", "ws://a.test/"} {
			target, want := u, []int{400}
			switch r.way {
			case gateway: // it may be no path of it at all
				target, want = "/"+u, []int{404, 400}
			case mirror: // it may be no name of it
				want = []int{421, 400}
			}
			resp, body := r.ask("GET " + target + " HTTP/1.1\r\nHost: HOST\r\n\r\n")
			if resp.StatusCode != want[0] && resp.StatusCode != want[len(want)-1] {
				r.Errorf("%s: status %d, want %v: %.100q", u, resp.StatusCode, want, body)
			}
			r.named(resp, "http_request_")
		}
	})
}

func TestHC13Pipelined(t *testing.T) {
	each(t, everyWay, func(r *run) {
		r.answers(small)
		c := r.dial()
		c.send(plainGet + "\r\n" + plainGet + "X Y: z\r\n\r\n" + plainGet + "\r\n")
		resp, body, err := c.response("GET")
		if r.status(resp, body, 200); body != "ok" || err != nil {
			r.Errorf("%q %v", body, err)
		}
		resp, body, _ = c.response("GET")
		r.status(resp, body, 400)
		c.closed()
		if n := r.play.asked.Load(); n != 1 {
			r.Errorf("the origin was asked %d times", n)
		}
	})
}

// TestHC14SlowHead: ten seconds are what a head may take, however it comes.
func TestHC14SlowHead(t *testing.T) {
	together(t, everyWay, func(r *run) {
		c := r.dial()
		c.SetDeadline(time.Now().Add(3 * patience))
		began := time.Now()
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			text := r.fill(plainGet + "X: " + strings.Repeat("x", 100))
			for i := range text {
				if _, err := io.WriteString(c, text[i:i+1]); err != nil {
					return
				}
				select {
				case <-tick.C:
				case <-stop:
					return
				}
			}
		}()
		io.Copy(io.Discard, c.r)
		close(stop)
		<-done
		if took := time.Since(began); took > 15*time.Second {
			r.Errorf("it took %s to be cut", took)
		}
		r.untouched()
	})
}
