package conformance

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// patience is how long anything on loopback may take before it has failed.
const patience = 10 * time.Second

// script is what the origin answers at the paths of one case, and what it saw.
type script struct {
	expand expander

	mu      sync.Mutex // guards following
	answers []Answer
	method  string
	asked   int
	wrong   []string
	part    chan struct{} // closed when the second part of a body may go; nil for no parts
	heard   chan struct{} // closed when the client has seen an interim response
}

// next takes the next answer, and notes what is wrong with the request.
func (s *script) next(r *http.Request, body []byte) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if n := len(s.answers); s.asked > n && n > 0 && s.answers[n-1].Hangup {
		return s.answers[n-1]
	}
	if s.asked > len(s.answers) {
		s.wrong = append(s.wrong, fmt.Sprintf("origin was asked %d times, not %d: %s, If-None-Match %q, If-Modified-Since %q",
			s.asked, len(s.answers), r.Method, r.Header["If-None-Match"], r.Header["If-Modified-Since"]))
		return Answer{Status: 500, Body: "nobody should have asked"}
	}
	a := s.answers[s.asked-1]
	method := a.Method
	if method == "" {
		method = s.method
	}
	if r.Method != method {
		s.wrong = append(s.wrong, fmt.Sprintf("origin was asked with %s, not %s", r.Method, method))
	}
	s.wrong = append(s.wrong, unmet("origin", r.Header, s.expand.texts(a.Sees))...)
	if a.SeesBody != "" && string(body) != a.SeesBody {
		s.wrong = append(s.wrong, fmt.Sprintf("origin got body %q, want %q", body, a.SeesBody))
	}
	return a
}

// upcoming is the answer that next would take.
func (s *script) upcoming() Answer {
	if s == nil {
		return Answer{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked < len(s.answers) {
		return s.answers[s.asked]
	}
	return Answer{}
}

// server is the scripted origin: it writes what the script says and mends
// nothing.
type server struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu      sync.Mutex // guards following
	scripts map[string]*script
	conns   map[net.Conn]bool
	closed  bool
}

func startServer() (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("conformance: start origin: %w", err)
	}
	s := &server{listener: l, scripts: make(map[string]*script), conns: make(map[net.Conn]bool)}
	s.wg.Go(s.accept)
	return s, nil
}

func (s *server) host() string { return s.listener.Addr().String() }

// close ends all connections and returns when nobody serves any more.
func (s *server) close() {
	s.mu.Lock()
	s.closed = true
	s.listener.Close()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			c.Close()
		}
		s.conns[c] = true
		s.mu.Unlock()
		s.wg.Go(func() {
			s.serve(c)
			c.Close()
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.conns, c)
		})
	}
}

// serve answers the requests on c until one of its answers ends it.
func (s *server) serve(c net.Conn) {
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		var body []byte
		next := s.scriptOf(r.URL.Path).upcoming()
		if r.Header.Get("Expect") != "" && !next.Mute && !next.Declines {
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		if !next.Declines {
			body, err = io.ReadAll(r.Body)
		}
		if err != nil || !s.reply(c, r, body) || next.Declines {
			return
		}
	}
}

// reply writes one answer and reports whether the connection can go on.
func (s *server) reply(c net.Conn, r *http.Request, body []byte) bool {
	sc := s.scriptOf(r.URL.Path)
	if sc == nil {
		io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
		return true
	}
	a := sc.next(r, body)
	if a.Hangup {
		return false
	}
	head, content := a.render(sc.expand, r.Method)
	for _, interim := range a.Before {
		fmt.Fprintf(c, "%s\r\n\r\n", strings.ReplaceAll(sc.expand.text(interim), "\n", "\r\n"))
	}
	if a.Held && !soon(sc.heard) {
		return false
	}
	sc.mu.Lock()
	part := sc.part
	sc.mu.Unlock()
	if part != nil && len(content) > 1 {
		if _, err := c.Write(append(head, content[:len(content)/2]...)); err != nil {
			return false
		}
		if !soon(part) {
			return false
		}
		head, content = nil, content[len(content)/2:]
	}
	_, err := c.Write(append(head, content[:max(0, len(content)-a.Cut)]...))
	return err == nil && a.Cut == 0
}

// soon waits for c, and reports whether that was of use.
func soon(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-time.After(patience):
		return false
	}
}

// scriptOf returns the script for a path: that of its first two segments.
func (s *server) scriptOf(path string) *script {
	parts := strings.SplitN(path, "/", 4)
	if len(parts) < 3 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scripts[parts[1]+"/"+parts[2]]
}

// play makes sc the script for the given two segments.
func (s *server) play(key string, sc *script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[key] = sc
}

// render returns header section and content as they go out.
func (a Answer) render(x expander, method string) (head, content []byte) {
	status := a.Status
	if status == 0 {
		status = http.StatusOK
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	fields := x.texts(a.Fields)
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	if !a.NoDate && !has(fields, "Date") {
		b.WriteString("Date: " + x.text("{now}") + "\r\n")
	}
	body := x.text(a.Body)
	bodied := method != http.MethodHead && status != http.StatusNoContent && status != http.StatusNotModified
	switch {
	case a.Chunked:
		b.WriteString("Transfer-Encoding: chunked\r\n")
		body = chunks(body, a.Trailer)
	case !has(fields, "Content-Length") && status != http.StatusNoContent && status != http.StatusNotModified:
		b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	b.WriteString("\r\n")
	if !bodied {
		return b.Bytes(), nil
	}
	return b.Bytes(), []byte(body)
}

func chunks(body string, trailer []string) string {
	var b strings.Builder
	if body != "" {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(body), body)
	}
	b.WriteString("0\r\n")
	for _, f := range trailer {
		b.WriteString(f + "\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

func has(fields []string, name string) bool {
	for _, f := range fields {
		if n, _, ok := strings.Cut(f, ":"); ok && strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

var errInterim = errors.New("conformance: too many interim responses")
