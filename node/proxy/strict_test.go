package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// path is one of the ways by which raw octets reach a node: all of them are
// held to the same.
type path struct {
	name string
	// open returns a connection on which to send, and the target to ask for.
	open func(t *testing.T) (c *client, target, host string)
	// asked is how many requests the origin got.
	asked *atomic.Int64
}

// paths returns forward proxy, gateway, mirror and intercepted connections to
// an origin that echoes.
func paths(t *testing.T) []path {
	t.Helper()
	count := func(n *atomic.Int64) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			echo(w, r)
		}
	}
	var plain, secure atomic.Int64
	o := origin(t, count(&plain))
	p := New(Config{Fetcher: newTwin(t)})
	t.Cleanup(p.Close)
	u, err := url.Parse(o.URL)
	if err != nil {
		t.Fatal(err)
	}
	main, mirror := listen(t, p, p.Handler()), listen(t, p, p.Mirror(u))
	s := newStand(t)
	port := s.site(t, s.web.Issue(t, nil, "a.test"), count(&secure))
	return []path{
		{"forward", func(t *testing.T) (*client, string, string) { return dial(t, main), o.URL + "/x", "h" }, &plain},
		{"gateway", func(t *testing.T) (*client, string, string) { return dial(t, main), "/" + o.URL + "/x", main }, &plain},
		{"mirror", func(t *testing.T) (*client, string, string) { return dial(t, mirror), "/x", mirror }, &plain},
		{"intercepted", func(t *testing.T) (*client, string, string) {
			c := connect(t, s.addr, "a.test:"+port)
			conn := tls.Client(c.Conn, &tls.Config{ServerName: "a.test", RootCAs: s.own()})
			return &client{t, conn, bufio.NewReader(conn)}, "/x", "a.test:" + port
		}, &secure},
	}
}

// malformed are requests of which nothing may reach an origin. TARGET and HOST
// stand for those of the path.
var malformedRequests = map[string]struct {
	raw    string
	status int
}{
	"HC1 length and chunked":        {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
	"HC1 chunked and length":        {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
	"HC2 two lengths":               {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
	"HC2 two equal lengths":         {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400},
	"HC3 +1_0":                      {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length: +1_0\r\n\r\n", 400},
	"HC3 +1":                        {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length: +1\r\n\r\na", 400},
	"HC3 negative":                  {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\n", 400},
	"HC3 hexadecimal":               {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0x5\r\n\r\nabcde", 400},
	"HC3 empty":                     {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length: \r\n\r\n", 400},
	"HC3 list":                      {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1, 1\r\n\r\na", 400},
	"HC3 too large":                 {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length: 9223372036854775808\r\n\r\na", 400},
	"HC4 ,chunked":                  {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", 400},
	"HC4 \\xa0chunked":              {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: \xa0chunked\r\n\r\n0\r\n\r\n", 400},
	"HC4 twice":                     {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
	"HC4 chunked, chunked":          {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400},
	"HC4 another coding":            {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
	"HC4 in HTTP/1.0":               {"POST TARGET HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
	"HC7 space in a name":           {"GET TARGET HTTP/1.1\r\nHost: HOST\r\nX Y: z\r\n\r\n", 400},
	"HC7 space before the colon":    {"GET TARGET HTTP/1.1\r\nHost: HOST\r\nX : z\r\n\r\n", 400},
	"HC7 length with space":         {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nContent-Length : 5\r\n\r\nabcde", 400},
	"HC7 NUL in a name":             {"GET TARGET HTTP/1.1\r\nHost: HOST\r\nX\x00: z\r\n\r\n", 400},
	"HC7 \\x85 in a name":           {"GET TARGET HTTP/1.1\r\nHost: HOST\r\nX\x85: z\r\n\r\n", 400},
	"HC7 no colon":                  {"GET TARGET HTTP/1.1\r\nHost: HOST\r\nX\r\n\r\n", 400},
	"HC7 empty name":                {"GET TARGET HTTP/1.1\r\nHost: HOST\r\n: z\r\n\r\n", 400},
	"HC7 folded":                    {"GET TARGET HTTP/1.1\r\nHost: HOST\r\nX: y\r\n z\r\n\r\n", 400},
	"HC7 folded by tab":             {"GET TARGET HTTP/1.1\r\nHost: HOST\r\nX: y\r\n\tTransfer-Encoding: chunked\r\n\r\n", 400},
	"HC7 folded first":              {"GET TARGET HTTP/1.1\r\n Host: HOST\r\nHost: HOST\r\n\r\n", 400},
	"HC8 CR in a value":             {"GET TARGET HTTP/1.1\r\nHost: HOST\r\nX: a\rb\r\n\r\n", 400},
	"HC8 LF in a value":             {"GET TARGET HTTP/1.1\r\nHost: HOST\r\nX: a\nY: b\r\n\r\n", 400},
	"HC8 NUL in a value":            {"GET TARGET HTTP/1.1\r\nHost: HOST\r\nX: a\x00b\r\n\r\n", 400},
	"HC8 DEL in a value":            {"GET TARGET HTTP/1.1\r\nHost: HOST\r\nX: a\x7fb\r\n\r\n", 400},
	"HC9 65 KiB":                    {"GET TARGET HTTP/1.1\r\nHost: HOST\r\nX: " + strings.Repeat("x", 65<<10) + "\r\n\r\n", 431},
	"HC9 257 fields":                {"GET TARGET HTTP/1.1\r\nHost: HOST\r\n" + strings.Repeat("X: y\r\n", 256) + "\r\n", 431},
	"HC9 a hundred thousand":        {"GET TARGET HTTP/1.1\r\nHost: HOST\r\n" + strings.Repeat("Cookie: a\r\n", 100_000) + "\r\n", 431},
	"HC20 PRI":                      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
	"HC20 method of 8 KiB":          {strings.Repeat("M", 8<<10) + " TARGET HTTP/1.1\r\nHost: HOST\r\n\r\n", 400},
	"HC20 TRACE":                    {"TRACE TARGET HTTP/1.1\r\nHost: HOST\r\n\r\n", 405},
	"no version":                    {"GET TARGET\r\n\r\n", 400},
	"HTTP/0.9":                      {"GET TARGET HTTP/0.9\r\n\r\n", 400},
	"HTTP/11":                       {"GET TARGET HTTP/11\r\nHost: HOST\r\n\r\n", 400},
	"two spaces":                    {"GET  TARGET HTTP/1.1\r\nHost: HOST\r\n\r\n", 400},
	"tab":                           {"GET\tTARGET HTTP/1.1\r\nHost: HOST\r\n\r\n", 400},
	"octet above ASCII in a target": {"GET TARGET\xff HTTP/1.1\r\nHost: HOST\r\n\r\n", 400},
	"bad escape in a target":        {"GET TARGET%zz HTTP/1.1\r\nHost: HOST\r\n\r\n", 400},
	"bare LF":                       {"GET TARGET HTTP/1.1\nHost: HOST\n\n", 400},
	"no Host":                       {"GET TARGET HTTP/1.1\r\n\r\n", 400},
	"two Hosts":                     {"GET TARGET HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n", 400},
	"Host with a space":             {"GET TARGET HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
	"a TLS hello":                   {"\x16\x03\x01\x00\xa5\x01\x00\x00", 400},
	"empty lines":                   {"\r\n\r\n\r\nGET TARGET HTTP/1.1\r\nHost: HOST\r\n\r\n", 400},
	"an expectation":                {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nExpect: wonders\r\nContent-Length: 1\r\n\r\na", 417},
}

// TestMalformedRequestsReachNobody is HC1 to HC4, HC7 to HC9 and HC20: each is
// answered with a name and the connection closed, and nothing is asked of the
// origin.
func TestMalformedRequestsReachNobody(t *testing.T) {
	for _, p := range paths(t) {
		for name, tc := range malformedRequests {
			t.Run(p.name+"/"+name, func(t *testing.T) {
				c, target, host := p.open(t)
				defer c.Close()
				raw := strings.ReplaceAll(strings.ReplaceAll(tc.raw, "TARGET", target), "HOST", host)
				sent := make(chan struct{})
				go func() { // it may be answered before all is sent
					defer close(sent)
					io.WriteString(c, raw)
				}()
				resp, body, _ := c.response("GET")
				<-sent
				wantStatus(t, resp, body, tc.status, "http_request_error")
				if tc.status != 405 {
					if !resp.Close {
						t.Error("the connection is said to go on")
					}
					if b, err := c.r.ReadByte(); err == nil {
						t.Errorf("read %q behind the answer", b)
					}
				}
			})
		}
		if n := p.asked.Load(); n != 0 {
			t.Errorf("%s: the origin got %d requests", p.name, n)
		}
	}
}

// TestMalformedChunksAreTheClientsFault is HC5 and HC6.
func TestMalformedChunksAreTheClientsFault(t *testing.T) {
	for _, p := range paths(t) {
		if p.name == "gateway" {
			continue // which takes no body
		}
		for name, body := range map[string]string{
			"HC5 0x2":             "0x2\r\nab\r\n0\r\n\r\n",
			"HC5 0_2e":            "0_2e\r\nab\r\n0\r\n\r\n",
			"HC5 empty size":      "\r\nab\r\n0\r\n\r\n",
			"HC5 17 digits":       "00000000000000002\r\nab\r\n0\r\n\r\n",
			"HC5 too large":       "8000000000000000\r\nab\r\n0\r\n\r\n",
			"HC5 negative":        "-2\r\nab\r\n0\r\n\r\n",
			"HC5 space before":    " 2\r\nab\r\n0\r\n\r\n",
			"HC5 space behind":    "2 \r\nab\r\n0\r\n\r\n",
			"HC5 bare LF":         "2\nab\r\n0\r\n\r\n",
			"HC5 bare CR":         "2\rab\r\n0\r\n\r\n",
			"HC5 too long":        "2\r\nabc\r\n0\r\n\r\n",
			"HC5 LF behind":       "2\r\nab\n0\r\n\r\n",
			"HC5 second":          "2\r\nab\r\nx\r\n\r\n",
			"HC6 extension":       "2;" + strings.Repeat("e", 1<<20) + "\r\nab\r\n0\r\n\r\n",
			"HC6 many extensions": strings.Repeat("1;"+strings.Repeat("e", 2000)+"\r\na\r\n", 100) + "0\r\n\r\n",
			"trailer folded":      "2\r\nab\r\n0\r\nX: y\r\n z\r\n\r\n",
			"trailer no name":     "2\r\nab\r\n0\r\n: y\r\n\r\n",
			"trailer too large":   "2\r\nab\r\n0\r\nX: " + strings.Repeat("x", 70<<10) + "\r\n\r\n",
		} {
			t.Run(p.name+"/"+name, func(t *testing.T) {
				c, target, host := p.open(t)
				defer c.Close()
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n%s", target, host, body)
				}()
				resp, text, err := c.response("POST")
				if err != nil {
					t.Fatalf("body of the answer: %v", err)
				}
				if resp.StatusCode != 400 && resp.StatusCode != 431 || !resp.Close || resp.Header.Get("Proxy-Status") == "" {
					t.Errorf("status %d, close %v, %q", resp.StatusCode, resp.Close, text)
				}
				c.Close()
				<-sent
			})
		}
	}
}

// TestWellFormedRequestsPass: what the strict reader lets through means what
// it meant, in all the pieces that the network may cut it into.
func TestWellFormedRequestsPass(t *testing.T) {
	for _, p := range paths(t) {
		for name, tc := range map[string]struct{ raw, want string }{
			"plain":            {"GET TARGET HTTP/1.1\r\nHost: HOST\r\n\r\n", "GET "},
			"empty line first": {"\r\nGET TARGET HTTP/1.1\r\nHost: HOST\r\n\r\n", "GET "},
			"spaces":           {"GET TARGET HTTP/1.1\r\nHost:\t HOST \t\r\nX:\r\nY:  \r\n\r\n", "GET "},
			"HTTP/1.0":         {"GET TARGET HTTP/1.0\r\nHost: HOST\r\n\r\n", "GET "},
			"HTTP/1.7":         {"GET TARGET HTTP/1.7\r\nHost: HOST\r\n\r\n", "GET "},
			"length":           {"POST TARGET HTTP/1.1\r\nHost: HOST\r\ncontent-length: 005\r\n\r\nabcde", "POST abcde"},
			"chunked":          {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0002;e=\"f\"\r\nde\r\n0\r\n\r\n", "POST abcde"},
			"chunked, trailer": {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\nA ;e\r\n0123456789\r\n0\r\nX: y\r\n\r\n", "POST 0123456789"},
			"chunked, empty":   {"POST TARGET HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST "},
		} {
			if p.name == "gateway" && strings.HasPrefix(tc.raw, "POST") {
				continue
			}
			for _, cut := range []int{0, 1, 7} {
				t.Run(fmt.Sprint(p.name, "/", name, "/", cut), func(t *testing.T) {
					c, target, host := p.open(t)
					defer c.Close()
					raw := strings.ReplaceAll(strings.ReplaceAll(tc.raw, "TARGET", target), "HOST", host)
					for len(raw) > 0 {
						n := len(raw)
						if cut > 0 {
							n = min(cut, n)
						}
						c.send(raw[:n])
						raw = raw[n:]
					}
					resp, body, err := c.response("GET")
					if err != nil || resp.StatusCode != 200 || body != tc.want {
						t.Errorf("%d %q %v, want %q", resp.StatusCode, body, err, tc.want)
					}
				})
			}
		}
	}
}

// TestPipelinedRequestsAreAnsweredInTurn is HC13.
func TestPipelinedRequestsAreAnsweredInTurn(t *testing.T) {
	for _, p := range paths(t) {
		c, target, host := p.open(t)
		good := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, host)
		c.send(good + good + "GET " + target + " HTTP/1.1\r\nHost : x\r\n\r\n" + good)
		for i, want := range []int{200, 200, 400} {
			resp, body, err := c.response("GET")
			if err != nil || resp.StatusCode != want {
				t.Fatalf("%s: answer %d: %d %q %v, want %d", p.name, i, resp.StatusCode, body, err, want)
			}
		}
		if b, err := c.r.ReadByte(); err == nil {
			t.Errorf("%s: read %q behind the refusal", p.name, b)
		}
		c.Close()
		if n := p.asked.Swap(0); n != 2 {
			t.Errorf("%s: the origin got %d requests, want 2", p.name, n)
		}
	}
}

// TestSlowHeadIsCut is HC14: also for a request that follows another, though a
// connection may be idle for long.
func TestSlowHeadIsCut(t *testing.T) {
	o := origin(t, echo)
	p := New(Config{Fetcher: newTwin(t)})
	t.Cleanup(p.Close)
	p.wait.header = 50 * time.Millisecond
	addr := listen(t, p, p.Handler())
	c := dial(t, addr)
	c.send("GET " + o.URL + "/ HTTP/1.1\r\nHost: h\r\n\r\n")
	if resp, _, _ := c.response("GET"); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	begin := time.Now()
	c.send("GET " + o.URL + "/ HTTP")
	if b, err := c.r.ReadByte(); err == nil {
		t.Errorf("read %q", b)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("closed after %v", took)
	}
}

// TestSlowHeadBehindARequestDisturbsNothing: what comes early may take its
// time while the first answer is on its way.
func TestSlowHeadBehindARequestDisturbsNothing(t *testing.T) {
	hold := make(chan struct{})
	o := origin(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-hold:
			io.WriteString(w, "late")
		case <-r.Context().Done():
		}
	})
	p := New(Config{Fetcher: newTwin(t)})
	t.Cleanup(p.Close)
	p.wait.header = 20 * time.Millisecond
	c := dial(t, listen(t, p, p.Handler()))
	c.send("GET " + o.URL + "/ HTTP/1.1\r\nHost: h\r\n\r\nGET ")
	<-time.After(100 * time.Millisecond)
	close(hold)
	if resp, body, err := c.response("GET"); err != nil || body != "late" {
		t.Errorf("%s %q %v", resp.Status, body, err)
	}
}

// TestHeadsCostBoundedMemory is HC9: a connection that sends a head without an
// end, and one that is idle after a large one, hold little.
func TestHeadsCostBoundedMemory(t *testing.T) {
	o := origin(t, echo)
	addr := start(t, Config{Fetcher: newTwin(t)})
	const conns = 64
	before := heap()
	var all []*client
	for range conns {
		c := dial(t, addr)
		c.send("GET " + o.URL + "/ HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 60<<10) + "\r\n\r\n")
		if resp, _, _ := c.response("GET"); resp.StatusCode != 200 {
			t.Fatal(resp.Status)
		}
		c.send("GET " + o.URL + "/ HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 60<<10))
		all = append(all, c)
	}
	if grown := int64(heap()) - int64(before); grown > conns<<20 {
		t.Errorf("%d octets a connection", grown/conns)
	}
	for _, c := range all {
		c.Close()
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// FuzzStrictReader: whatever is sent, net/http reads what the strict reader
// wrote without an error, and it never writes more framing than one request's.
func FuzzStrictReader(f *testing.F) {
	for _, tc := range malformedRequests {
		if len(tc.raw) < 4<<10 {
			f.Add([]byte(tc.raw))
		}
	}
	f.Add([]byte("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		near, far := net.Pipe()
		go func() {
			if len(raw) > 0 {
				far.Write(raw)
			}
			far.Close()
		}()
		defer near.Close()
		r := bufio.NewReader(newStrict(near, time.Minute))
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				if err != io.EOF && err != io.ErrUnexpectedEOF {
					t.Fatalf("net/http would refuse by itself: %v", err)
				}
				return
			}
			if req.Method == refused || req.Method == http.MethodConnect {
				return
			}
			if len(req.TransferEncoding) > 0 && req.Header.Get("Content-Length") != "" {
				t.Fatal("two framings")
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
		}
	})
}

// TestRewrittenHead: fields go on as they came, and nothing else does.
func TestRewrittenHead(t *testing.T) {
	near, far := net.Pipe()
	go io.WriteString(far, "POST http://h/%2f?q HTTP/1.1\r\nhost:h\r\nX-Odd:  a \xff b\t\r\nContent-Length: 3\r\n\r\nabcGET")
	c := newStrict(near, time.Minute)
	defer far.Close()
	defer near.Close()
	const want = "POST http://h/%2f?q HTTP/1.1\r\nhost: h\r\nX-Odd: a \xff b\r\nContent-Length: 3\r\n\r\nabc"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, []byte(want)) {
		t.Errorf("%q %v", got, err)
	}
}
