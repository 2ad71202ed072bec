package conformance

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Target is a cache under test in one mode.
type Target struct {
	Mode Mode
	// Addr is HOST:PORT of the listener.
	Addr string
	// Name of the cache in Via.
	Name string
	// Mute: it writes neither Cache-Status nor Proxy-Status, and is not asked
	// to.
	Mute bool
}

// expects returns the expectations of s that hold for t.
func (t Target) expects(s Step) []string {
	if !t.Mute {
		return s.Want
	}
	return slices.DeleteFunc(slices.Clone(s.Want), func(e string) bool {
		name := fieldName(e)
		return name == "Cache-Status" || name == "Proxy-Status"
	})
}

// exchange is one request on a connection of its own, and its response. The
// request is written as it stands: no client library repairs it.
type exchange struct {
	conn net.Conn
	in   *bufio.Reader
	resp *http.Response
	// interim are the interim responses.
	interim []*http.Response
	heard   func()
	body    []byte
}

// line is the connection that a case has used last. The zero value is none.
type line struct {
	conn net.Conn
	in   *bufio.Reader
}

func (l *line) close() {
	if l.conn != nil {
		l.conn.Close()
	}
	*l = line{}
}

// begin sends the request of a step, on the connection of l if that is to be
// kept, and reads the header of its response. interim is called with each
// interim response.
func begin(ctx context.Context, t Target, s Step, x expander, l line, interim func()) (*exchange, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	e := &exchange{conn: l.conn, in: l.in, heard: interim}
	if !s.Keep {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.Addr)
		if err != nil {
			return nil, fmt.Errorf("dial cache: %w", err)
		}
		e.conn, e.in = conn, bufio.NewReader(conn)
	}
	if e.conn == nil {
		return nil, errors.New("ask cache: no connection was kept")
	}
	e.conn.SetDeadline(time.Now().Add(patience))
	if err := e.send(t, s, x); err != nil {
		e.conn.Close()
		return nil, fmt.Errorf("ask cache: %w", err)
	}
	return e, nil
}

// send writes the request and reads the header of its response.
func (e *exchange) send(t Target, s Step, x expander) error {
	head := request(t, s, x)
	if s.Waits {
		if _, err := io.WriteString(e.conn, head); err != nil {
			return err
		}
		if err := e.head(s.method(), true); err != nil || e.resp != nil {
			return err
		}
		head = ""
	}
	if _, err := io.WriteString(e.conn, head+s.Body); err != nil {
		return err
	}
	return e.head(s.method(), false)
}

func (s Step) method() string {
	if s.Method == "" {
		return http.MethodGet
	}
	return s.Method
}

// request is the header section of the request as it goes out.
func request(t Target, s Step, x expander) string {
	target, host := x.base+s.Path, x.host
	switch t.Mode {
	case Gateway:
		target, host = "/"+target, t.Addr
	case Mirror:
		target, host = strings.TrimPrefix(target, "http://"+x.host), t.Addr
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\r\nHost: %s\r\n", s.method(), target, cmp.Or(s.Proto, "HTTP/1.1"), host)
	fields := x.texts(s.Fields)
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	if s.Body != "" && !has(fields, "Content-Length") && !has(fields, "Transfer-Encoding") {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(s.Body))
	}
	b.WriteString("\r\n")
	return b.String()
}

// maxInterim is how many interim responses a cache may pass on here.
const maxInterim = 8

// head reads interim responses and the header of the final one, or only up to
// an invitation to send the body.
func (e *exchange) head(method string, invited bool) error {
	for range maxInterim {
		resp, err := http.ReadResponse(e.in, &http.Request{Method: method})
		if err != nil {
			return err
		}
		if resp.StatusCode >= 200 {
			e.resp = resp
			return nil
		}
		e.interim = append(e.interim, resp)
		e.heard()
		if invited && resp.StatusCode == http.StatusContinue {
			return nil
		}
	}
	return errInterim
}

// some reads n octets of the body.
func (e *exchange) some(n int) error {
	p := make([]byte, n)
	got, err := io.ReadFull(e.resp.Body, p)
	e.body = append(e.body, p[:got]...)
	return err
}

// rest reads the body to its end.
func (e *exchange) rest() error {
	p, err := io.ReadAll(e.resp.Body)
	e.body = append(e.body, p...)
	return err
}
