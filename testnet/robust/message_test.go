package robust

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/testnet"
)

// body is what stored objects are made of.
var body = testnet.Random(1<<20, 5)

// storable is a response that is fresh for as long as a test runs.
func storable(text []byte) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nDate: %s\r\nCache-Control: public, max-age=600\r\nEtag: \"v1\"\r\nContent-Length: %d\r\n\r\n%s",
		time.Now().UTC().Format(http.TimeFormat), len(text), text)
}

// fill fetches the resource of r until it comes from the cache.
func (r *run) stored() {
	r.Helper()
	for end := time.Now().Add(patience); ; {
		resp, _ := r.ask(plainGet + "\r\n")
		r.status(resp, "", 200)
		if strings.Contains(resp.Header.Get("Cache-Status"), "hit") {
			return
		}
		if time.Now().After(end) {
			r.Fatalf("not stored: %s", resp.Header.Get("Cache-Status"))
		}
	}
}

// TestHC15ClientsThatHangUp: at any octet of a hit, of a miss that is stored
// and of one that is not, a client goes away, and nothing of it is left.
func TestHC15ClientsThatHangUp(t *testing.T) {
	count := 60
	if *full {
		count = 10_000
	}
	each(t, everyWay, func(r *run) {
		for name, answer := range map[string]string{
			"hit": storable(body), "miss": storable(body), "unstored": strings.Replace(storable(body), "public, max-age=600", "no-store", 1),
		} {
			r.Run(name, func(t *testing.T) {
				sub := r.w.run(t, r.way)
				sub.answers(answer)
				if name == "hit" {
					sub.stored()
				}
				sub.hangUps(1, name)
				goroutines, files := settled(), descriptors()
				sub.hangUps(count, name)
				sub.quiet(goroutines + 12) // of idle connections to the origin
				if now := descriptors(); now > files+16 {
					t.Errorf("%d descriptors, %d before", now, files)
				}
			})
		}
	})
}

// settled waits until the number of goroutines stays the same for a moment.
func settled() int {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last, same := -1, 0
	for end := time.Now().Add(patience); same < 5 && time.Now().Before(end); <-tick.C {
		if n := goroutines(); n == last {
			same++
		} else {
			last, same = n, 0
		}
	}
	return last
}

func (r *run) hangUps(count int, kind string) {
	r.Helper()
	for i := range count {
		at := rand.IntN(len(body))
		c := r.dial()
		fields := ""
		if kind == "miss" {
			fields = "?" + strconv.Itoa(i)
		}
		c.send("GET TARGET" + fields + " HTTP/1.1\r\nHost: HOST\r\n\r\n")
		if at%50 != 0 { // the others are gone before the head comes
			if _, err := io.CopyN(io.Discard, c.r, int64(at)); err != nil {
				r.Fatalf("at octet %d: %v", at, err)
			}
		}
		c.Close()
	}
}

// TestHC16ExpectContinue: whatever the origin makes of it, the next request on
// the connection is whole.
func TestHC16ExpectContinue(t *testing.T) {
	for name, origin := range map[string]func(c *conn, q *http.Request){
		"continue": func(c *conn, q *http.Request) {
			c.say("HTTP/1.1 100 Continue\r\n\r\n")
			io.Copy(io.Discard, q.Body)
			c.say(small)
		},
		"nothing": func(c *conn, q *http.Request) { // it waits for the body
			io.Copy(io.Discard, q.Body)
			c.say(small)
		},
		"at once": func(c *conn, q *http.Request) {
			c.say(small)
			if q.ContentLength > 0 {
				c.Close()
			}
		},
		"417": func(c *conn, q *http.Request) {
			if q.ContentLength > 0 {
				c.say("HTTP/1.1 417 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
				c.Close()
				return
			}
			c.say(small)
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, sending, func(r *run) {
				r.origin(origin)
				c := r.dial()
				c.send(post + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
				resp := c.head("POST")
				if resp.StatusCode == 100 {
					c.send("abc")
					resp = c.head("POST")
				}
				io.Copy(io.Discard, resp.Body)
				if want := map[bool]int{true: 417, false: 200}[name == "417"]; resp.StatusCode != want {
					r.Errorf("status %d, want %d", resp.StatusCode, want)
				}
				if resp.Close {
					c.closed()
					c = r.dial()
				}
				c.get("")
				resp, text, err := c.response("GET")
				if r.status(resp, text, 200); text != "ok" || err != nil {
					r.Errorf("next: %q %v", text, err)
				}
			})
		})
	}
}

// TestHC17Ranges: of what is stored each range gets what http.ServeContent
// gives, or the whole, or 416; never anything else.
func TestHC17Ranges(t *testing.T) {
	specs := []string{
		"bytes=0-0", "bytes=-1", "bytes=5-", "bytes=9223372036854775807-", "bytes=0-18446744073709551615", "bytes=9-5", "bytes=-0", "bytes=-9223372036854775807",
		"bytes=1048575-", "bytes=1048576-", "bytes=0-5,10-20", "bytes=0-10,5-20", "bytes=0-0,1-1,2-2", "bytes=", "bytes=a-b", "bytes=--1", "octets=0-1", "bytes=0-1048575", "bytes=1-0x5",
		"bytes=" + strings.Repeat("0-1,", 999) + "0-1",
	}
	random := rand.New(rand.NewPCG(9, 9))
	for range 60 {
		specs = append(specs, fmt.Sprintf("bytes=%d-%d", random.IntN(len(body)+100), random.IntN(len(body)+100)))
	}
	each(t, everyWay, func(r *run) {
		r.answers(storable(body))
		r.stored()
		c := r.dial()
		for _, spec := range specs {
			c.get("Range: " + spec + "\r\n")
			resp, text, err := c.response("GET")
			if err != nil {
				r.Fatalf("%s: %v", spec, err)
			}
			r.holdRange(spec, resp, []byte(text))
		}
	})
}

func (r *run) holdRange(spec string, resp *http.Response, got []byte) {
	r.Helper()
	switch resp.StatusCode {
	case 200:
		if !bytes.Equal(got, body) {
			r.Errorf("%.40s: 200 with %d octets", spec, len(got))
		}
	case 206:
		r.holdParts(spec, resp, got)
	case 416:
		if cr := resp.Header.Get("Content-Range"); cr != "" && cr != fmt.Sprintf("bytes */%d", len(body)) {
			r.Errorf("%.40s: 416 with %q", spec, cr)
		}
	default:
		r.Errorf("%.40s: status %d", spec, resp.StatusCode)
	}
	if strings.Count(spec, "-") > 1 || strings.ContainsAny(spec, "x") || len(spec) > 25 {
		return // there the standard library is no measure
	}
	w := httptest.NewRecorder()
	q := httptest.NewRequest("GET", "/", nil)
	q.Header.Set("Range", spec)
	http.ServeContent(w, q, "", time.Time{}, bytes.NewReader(body))
	if want := w.Result(); strings.HasPrefix(spec, "bytes=") && strings.Contains(spec, "0") && spec != "bytes=-0" && resp.StatusCode != want.StatusCode && resp.StatusCode != 200 ||
		resp.StatusCode == 206 && resp.Header.Get("Content-Range") != want.Header.Get("Content-Range") {
		r.Errorf("%s: %d %q, http.ServeContent %d %q", spec, resp.StatusCode, resp.Header.Get("Content-Range"), want.StatusCode, want.Header.Get("Content-Range"))
	}
}

// holdParts holds the parts of a 206 against the body.
func (r *run) holdParts(spec string, resp *http.Response, got []byte) {
	r.Helper()
	hold := func(field string, part []byte) {
		r.Helper()
		var from, to, total int
		if _, err := fmt.Sscanf(field, "bytes %d-%d/%d", &from, &to, &total); err != nil || from < 0 || to < from || to >= len(body) || total != len(body) ||
			!bytes.Equal(part, body[from:to+1]) {
			r.Errorf("%s: %q with %d octets, %v", spec, field, len(part), err)
		}
	}
	kind, params, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind != "multipart/byteranges" {
		hold(resp.Header.Get("Content-Range"), got)
		return
	}
	for parts := multipart.NewReader(bytes.NewReader(got), params["boundary"]); ; {
		p, err := parts.NextPart()
		if err == io.EOF {
			return
		}
		if err != nil {
			r.Fatalf("%s: %v", spec, err)
		}
		part, _ := io.ReadAll(p)
		hold(p.Header.Get("Content-Range"), part)
	}
}

func TestHC18IfRange(t *testing.T) {
	each(t, everyWay, func(r *run) {
		r.answers(storable(body))
		r.stored()
		for condition, want := range map[string]int{
			`"v1"`: 206, `W/"v1"`: 200, `"v0"`: 200, `"v1", "v1"`: 200, "Thu, 01 Jan 1970 00:00:00 GMT": 200, "v1": 200, "": 200,
		} {
			resp, text := r.ask(plainGet + "Range: bytes=1-2\r\nIf-Range: " + condition + "\r\n\r\n")
			if r.status(resp, "", want); resp.StatusCode == 200 && text != string(body) || resp.StatusCode == 206 && text != string(body[1:3]) {
				r.Errorf("%s: %d octets", condition, len(text))
			}
		}
	})
}

// TestHC19ConditionsOnAPart: what is still coming answers conditions as what
// is there.
func TestHC19ConditionsOnAPart(t *testing.T) {
	each(t, everyWay, func(r *run) {
		rest := make(chan struct{})
		text := storable(body)
		half := len(text) - len(body)/2
		r.origin(func(c *conn, q *http.Request) {
			if q.Header.Get("If-None-Match") == `"v1"` {
				c.say("HTTP/1.1 304 Not Modified\r\nEtag: \"v1\"\r\nCache-Control: public, max-age=600\r\n\r\n")
				return
			}
			c.say(text[:half])
			<-rest
			c.say(text[half:])
		})
		first := r.dial()
		first.get("")
		if _, err := io.ReadFull(first.head("GET").Body, make([]byte, 1000)); err != nil {
			r.Fatal(err)
		}
		resp, got := r.ask(plainGet + "If-None-Match: \"v1\"\r\n\r\n")
		if r.status(resp, got, 304); got != "" {
			r.Errorf("304 with %d octets", len(got))
		}
		other := r.dial()
		other.get("If-None-Match: \"v0\"\r\n")
		close(rest)
		resp, got, err := other.response("GET")
		if r.status(resp, "", 200); err != nil || got != string(body) {
			r.Errorf("%d octets, %v", len(got), err)
		}
	})
}

func TestHC20Methods(t *testing.T) {
	each(t, everyWay, func(r *run) {
		r.answers(small)
		for method, want := range map[string]int{
			"TRACE": 405, "PRI": 400, strings.Repeat("M", 8<<10): 400, "G\x00T": 400, "GÉT": 400, "": 400,
		} {
			c := r.dial()
			c.send(method + " TARGET HTTP/1.1\r\nHost: HOST\r\n\r\n")
			resp, text, _ := c.response("GET")
			r.status(resp, text, want)
			c.Close()
		}
		r.untouched()
		resp, text := r.ask("FROB TARGET HTTP/1.1\r\nHost: HOST\r\n\r\n")
		r.status(resp, text, map[bool]int{true: 405, false: 200}[r.way == gateway])
	})
}

// TestHC21NominatedFields: Connection takes nothing away that framing, caching
// or safety rest on.
func TestHC21NominatedFields(t *testing.T) {
	each(t, everyWay, func(r *run) {
		seen := make(chan *http.Request, 1)
		r.origin(func(c *conn, q *http.Request) {
			io.Copy(io.Discard, q.Body)
			seen <- q
			c.say("HTTP/1.1 200 OK\r\nConnection: cache-control, content-length, x-own\r\nCache-Control: no-store\r\nX-Own: 1\r\nContent-Length: 2\r\n\r\nok")
		})
		resp, text := r.ask(post + "Connection: content-length, host, transfer-encoding, range, x-mine\r\nContent-Length: 3\r\nRange: bytes=0-1\r\nX-Mine: 1\r\n\r\nabc")
		if r.status(resp, text, 200); text != "ok" || resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("X-Own") != "" {
			r.Errorf("%q %v", text, resp.Header)
		}
		q := <-seen
		if q.Host != strings.TrimPrefix(r.site(), "http://") && q.Host != strings.TrimPrefix(r.site(), "https://") || q.ContentLength != 3 || q.Header.Get("X-Mine") != "" {
			r.Errorf("the origin saw %q %d %v", q.Host, q.ContentLength, q.Header)
		}
		if r.way != gateway && q.Header.Get("Range") == "" { // a GET's may be taken off for the whole
			r.Error("Range was taken away")
		}
	})
}
