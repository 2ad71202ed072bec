package robust

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/node"
	"github.com/flashcrowd/flashcrowd/testnet"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

var full = flag.Bool("full", false, "run the long counts")

// TestMain looks that neither goroutines nor descriptors are left when the
// node and the origin have ended.
func TestMain(m *testing.M) {
	flag.Parse()
	before := descriptors()
	code := m.Run()
	if shared.node != nil {
		if err := shared.close(); err != nil {
			fmt.Fprintln(os.Stderr, "close:", err)
			code = 1
		}
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if after := descriptors(); code == 0 && after > before+8 { // what the runtime opens for itself
		fmt.Fprintf(os.Stderr, "%d descriptors are open, there were %d\n", after, before)
		code = 1
	}
	os.Exit(code)
}

// descriptors returns how many this process has open, 0 where that is not to
// be seen.
func descriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// A way is how a client reaches a node.
type way string

const (
	forward   way = "forward"
	gateway   way = "gateway"
	mirror    way = "mirror"
	intercept way = "intercept"
)

var (
	everyWay = []way{forward, gateway, mirror, intercept}
	// sending are the ways that take more than GET and HEAD.
	sending = []way{forward, mirror, intercept}
)

// world is a node, and an origin that plays what a test says. All tests share
// one.
type world struct {
	dir         string
	node        *testnet.Net
	plain, safe net.Listener
	roots       *x509.CertPool
	wg          sync.WaitGroup

	mu    sync.Mutex // guards following
	plays map[string]*play
	open  map[net.Conn]struct{}
	next  int
}

// play is what the origin does for one path.
type play struct {
	act   func(c *conn, r *http.Request)
	asked atomic.Int32
}

const secureName = "origin.test"

var (
	shared world
	once   sync.Once
)

func start(t *testing.T) *world {
	t.Helper()
	once.Do(func() { shared.start(t) })
	if shared.node == nil {
		t.Fatal("no node")
	}
	return &shared
}

func (w *world) start(t *testing.T) {
	var err error
	must := func(e error) {
		t.Helper()
		if e != nil {
			t.Fatal(e)
		}
	}
	w.plays, w.open = make(map[string]*play), make(map[net.Conn]struct{})
	w.dir, err = os.MkdirTemp("", "flashcrowd-robust-")
	must(err)
	pki := fetchtest.NewPKI(t, nil)
	roots := filepath.Join(w.dir, "roots.pem")
	must(os.WriteFile(roots, pki.PEM(), 0o600))
	must(os.Setenv("SSL_CERT_FILE", roots)) // read once, by the first who needs it
	w.plain, err = net.Listen("tcp", "127.0.0.1:0")
	must(err)
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	w.safe = tls.NewListener(raw, &tls.Config{Certificates: []tls.Certificate{pki.Below(t, nil).Issue(t, nil, secureName)}, NextProtos: []string{"http/1.1"}})
	for _, l := range []net.Listener{w.plain, w.safe} {
		w.wg.Go(func() { w.serve(l) })
	}
	origin, err := url.Parse("http://" + w.plain.Addr().String())
	must(err)
	n, err := testnet.Start(t.Context(), testnet.Config{Dir: filepath.Join(w.dir, "nodes"), Configure: func(_ int, c *node.Config) {
		c.Swarm, c.Logger = node.Off, logger()
		c.Intercept = node.Hosts{secureName}
		c.Resolve = map[string][]netip.Addr{secureName: {netip.MustParseAddr("127.0.0.1")}}
		c.Mirrors = []node.Mirror{{Listen: "127.0.0.1:0", Origin: origin}}
	}})
	must(err)
	w.node = n
	pem, err := os.ReadFile(filepath.Join(w.dir, "nodes", "1", "ca", "ca.pem"))
	must(err)
	w.roots = x509.NewCertPool()
	if !w.roots.AppendCertsFromPEM(pem) {
		t.Fatal("no authority")
	}
}

// logger shows what a node has to say of itself when that is wanted, and
// panics of its servers always.
func logger() *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	}
	return nil
}

func (w *world) close() error {
	err := w.node.Close()
	w.plain.Close()
	w.safe.Close()
	w.mu.Lock()
	for c := range w.open {
		c.Close()
	}
	w.mu.Unlock()
	w.wg.Wait()
	os.RemoveAll(w.dir)
	return err
}

// conn is a connection on which octets are written as they stand.
type conn struct {
	net.Conn
	r *bufio.Reader
}

func (c *conn) say(text string) {
	io.WriteString(c, text) // what comes of it is seen at the other end
}

// serve plays for each request what its path says, until a play closes the
// connection or the head of a request is none.
func (w *world) serve(l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		w.open[nc] = struct{}{}
		w.mu.Unlock()
		w.wg.Go(func() {
			defer func() {
				nc.Close()
				w.mu.Lock()
				delete(w.open, nc)
				w.mu.Unlock()
			}()
			c := &conn{nc, bufio.NewReader(nc)}
			for {
				r, err := http.ReadRequest(c.r)
				if err != nil {
					return
				}
				p := w.play(r.URL.Path)
				if p == nil {
					c.say("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
					continue
				}
				p.asked.Add(1)
				p.act(c, r)
			}
		})
	}
}

func (w *world) play(path string) *play {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.plays[path]
}

// run is one case on one way.
type run struct {
	*testing.T
	w    *world
	way  way
	path string
	play *play
}

// each runs a case on ways, one after the other.
func each(t *testing.T, ways []way, do func(r *run)) {
	w := start(t)
	for _, y := range ways {
		t.Run(string(y), func(t *testing.T) { do(w.run(t, y)) })
	}
}

// together is each, all ways at once: for what takes its time.
func together(t *testing.T, ways []way, do func(r *run)) {
	w := start(t)
	for _, y := range ways {
		t.Run(string(y), func(t *testing.T) {
			t.Parallel()
			do(w.run(t, y))
		})
	}
}

func (w *world) run(t *testing.T, y way) *run {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next++
	r := &run{t, w, y, fmt.Sprintf("/%d/%s", w.next, y), &play{act: func(c *conn, _ *http.Request) { c.Close() }}}
	w.plays[r.path] = r.play
	return r
}

// again is a run of the same way with a path of its own.
func (r *run) again() *run { return r.w.run(r.T, r.way) }

// origin says what the origin does when it is asked.
func (r *run) origin(act func(c *conn, q *http.Request)) { r.play.act = act }

// answers makes the origin send text for each request, and keep the
// connection.
func (r *run) answers(text string) {
	r.origin(func(c *conn, q *http.Request) {
		io.Copy(io.Discard, q.Body)
		c.say(text)
	})
}

// untouched fails if the origin was asked.
func (r *run) untouched() {
	r.Helper()
	if n := r.play.asked.Load(); n != 0 {
		r.Errorf("the origin was asked %d times", n)
	}
}

// port of the origin for this way.
func (r *run) port() string {
	l := r.w.plain
	if r.way == intercept {
		l = r.w.safe
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// site is the origin as the client knows it, and url the resource there.
func (r *run) site() string {
	if r.way == intercept {
		return "https://" + secureName + ":" + r.port()
	}
	return "http://127.0.0.1:" + r.port()
}

func (r *run) url() string { return r.site() + r.path }

// target is what stands in the request line, host what stands in Host.
func (r *run) target() string {
	switch r.way {
	case forward:
		return r.url()
	case gateway:
		return "/" + r.url()
	default:
		return r.path
	}
}

func (r *run) host() string {
	switch r.way {
	case forward:
		return "127.0.0.1:" + r.port()
	case intercept:
		return secureName + ":" + r.port()
	default:
		return r.addr()
	}
}

// addr is where the node listens for this way.
func (r *run) addr() string {
	if r.way == mirror {
		for _, line := range r.w.node.Nodes[0].Lines() {
			if rest, ok := strings.CutPrefix(line, "mirror http://"); ok {
				at, _, _ := strings.Cut(rest, " ")
				return at
			}
		}
		r.Fatal("no mirror")
	}
	return strings.TrimPrefix(r.w.node.Nodes[0].ProxyURL(), "http://")
}

// fill replaces TARGET, HOST, SITE and METHOD: POST, where the way takes it,
// else GET.
func (r *run) fill(text string) string {
	method := "POST"
	if r.way == gateway {
		method = "GET"
	}
	return strings.NewReplacer("TARGET", r.target(), "HOST", r.host(), "SITE", r.site(), "METHOD", method).Replace(text)
}

// client is a connection of a client.
type client struct {
	*run
	conn
}

// dial connects; an intercepted client has shaken hands when it returns.
func (r *run) dial() *client {
	r.Helper()
	nc, err := net.Dial("tcp", r.addr())
	if err != nil {
		r.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(patience))
	if r.way == intercept {
		nc = r.secure(nc)
	}
	c := &client{r, conn{nc, bufio.NewReader(nc)}}
	r.Cleanup(func() { nc.Close() })
	return c
}

func (r *run) secure(nc net.Conn) net.Conn {
	r.Helper()
	fmt.Fprintf(nc, "CONNECT %s:%s HTTP/1.1\r\nHost: %[1]s:%[2]s\r\n\r\n", secureName, r.port())
	resp, err := http.ReadResponse(bufio.NewReader(nc), &http.Request{Method: "CONNECT"})
	if err != nil || resp.StatusCode != 200 {
		r.Fatalf("CONNECT: %v %v", resp, err)
	}
	secure := tls.Client(nc, &tls.Config{RootCAs: r.w.roots, ServerName: secureName, NextProtos: []string{"http/1.1"}})
	if err := secure.Handshake(); err != nil {
		r.Fatalf("handshake: %v", err)
	}
	return secure
}

// send writes text with its places filled.
func (c *client) send(text string) {
	c.Helper()
	if _, err := io.WriteString(c, c.fill(text)); err != nil {
		c.Logf("send: %v", err) // a refusal may close the connection under it
	}
}

// get sends a GET with further fields, each ending with CRLF.
func (c *client) get(fields string) {
	c.Helper()
	c.send("GET TARGET HTTP/1.1\r\nHost: HOST\r\n" + fields + "\r\n")
}

// head reads the head of a response to method.
func (c *client) head(method string) *http.Response {
	c.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.Fatalf("read response: %v", err)
	}
	return resp
}

// response reads a response; err is of its body.
func (c *client) response(method string) (*http.Response, string, error) {
	c.Helper()
	resp := c.head(method)
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// closed fails unless the connection has ended.
func (c *client) closed() {
	c.Helper()
	if b, err := c.r.ReadByte(); err == nil {
		c.Errorf("the connection goes on with %q", b)
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		c.Error("the connection stays open")
	}
}

// ask sends text on a new connection and returns the whole answer.
func (r *run) ask(text string) (*http.Response, string) {
	r.Helper()
	c := r.dial()
	defer c.Close()
	c.send(text)
	method, _, _ := strings.Cut(r.fill(text), " ")
	resp, body, err := c.response(method)
	if err != nil {
		r.Fatalf("read body: %v", err)
	}
	return resp, body
}

// refused fails unless text is answered with one of statuses by the node
// itself, the connection ends, and the origin knows nothing of it.
func (r *run) refused(text string, statuses ...int) {
	r.Helper()
	c := r.dial()
	defer c.Close()
	c.send(text)
	resp, body, err := c.response("GET")
	if err != nil {
		r.Fatalf("%.60q: %v", text, err)
	}
	for _, s := range statuses {
		if resp.StatusCode == s {
			r.named(resp, "")
			c.closed()
			r.untouched()
			return
		}
	}
	r.Errorf("%.80q: status %d, want %v; body %.200q", text, resp.StatusCode, statuses, body)
}

// named fails unless the node says what went wrong.
func (r *run) named(resp *http.Response, cause string) {
	r.Helper()
	if got := resp.Header.Get("Proxy-Status"); !strings.HasPrefix(got, "flashcrowd;error="+cause) {
		r.Errorf("status %d with Proxy-Status %q, want error %q", resp.StatusCode, got, cause)
	}
}

// status fails unless resp has it.
func (r *run) status(resp *http.Response, body string, want int) {
	r.Helper()
	if resp.StatusCode != want {
		r.Errorf("status %d, want %d: %s %.200q", resp.StatusCode, want, resp.Header.Get("Proxy-Status"), body)
	}
}

// quiet waits until no more than limit goroutines run.
func (r *run) quiet(limit int) {
	r.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		if n := goroutines(); n <= limit {
			return
		} else if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			r.Fatalf("%d goroutines, at most %d before:\n%s", n, limit, buf[:runtime.Stack(buf, true)])
		}
	}
}

func goroutines() int { return runtime.NumGoroutine() }
