package conformance

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
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
}

// exchange is one request on a connection of its own, and its response. The
// request is written as it stands: no client library repairs it.
type exchange struct {
	conn net.Conn
	in   *bufio.Reader
	resp *http.Response
	// interim are the statuses of the interim responses.
	interim []int
	body    []byte
}

// begin sends the request of a step and reads the header of its response.
func begin(ctx context.Context, t Target, s Step, x expander) (*exchange, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.Addr)
	if err != nil {
		return nil, fmt.Errorf("dial cache: %w", err)
	}
	e := &exchange{conn: conn, in: bufio.NewReader(conn)}
	conn.SetDeadline(time.Now().Add(patience))
	if _, err = io.WriteString(conn, request(t, s, x)); err == nil {
		err = e.head(s.method())
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("ask cache: %w", err)
	}
	return e, nil
}

func (s Step) method() string {
	if s.Method == "" {
		return http.MethodGet
	}
	return s.Method
}

// request is the request as it goes out.
func request(t Target, s Step, x expander) string {
	target, host := x.base+s.Path, x.host
	switch t.Mode {
	case Gateway:
		target, host = "/"+target, t.Addr
	case Mirror:
		target, host = strings.TrimPrefix(target, "http://"+x.host), t.Addr
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", s.method(), target, host)
	fields := x.texts(s.Fields)
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	if s.Body != "" && !has(fields, "Content-Length") && !has(fields, "Transfer-Encoding") {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(s.Body))
	}
	b.WriteString("\r\n" + s.Body)
	return b.String()
}

// maxInterim is how many interim responses a cache may pass on here.
const maxInterim = 8

// head reads interim responses and the header of the final one.
func (e *exchange) head(method string) error {
	for range maxInterim {
		resp, err := http.ReadResponse(e.in, &http.Request{Method: method})
		if err != nil {
			return err
		}
		if resp.StatusCode >= 200 {
			e.resp = resp
			return nil
		}
		e.interim = append(e.interim, resp.StatusCode)
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

// rest reads the body to its end and closes the connection.
func (e *exchange) rest() error {
	defer e.conn.Close()
	p, err := io.ReadAll(e.resp.Body)
	e.body = append(e.body, p...)
	return err
}
