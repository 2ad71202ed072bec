package origin

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
)

// OR1: a body that is not whole never ends cleanly.
func TestBodies(t *testing.T) {
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, tt := range []struct {
		name, answer, body string
		want               fetch.Cause
	}{
		{"whole", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", ""},
		{"until close", "HTTP/1.0 200 OK\r\n\r\nhello", "hello", ""},
		{"chunked", chunked + "5\r\nhello\r\n0\r\n\r\n", "hello", ""},
		{"longer", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello world", "hello", ""},
		{"length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello", ""},
		{"204 with body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", "", ""},
		{"206 to a plain get", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4/9\r\nContent-Length: 5\r\n\r\nhello", "hello", ""},
		{"few 103", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 5) + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", ""},
		{"shorter", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", "hello", fetch.Incomplete},
		{"nothing", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", "", fetch.Incomplete},
		{"cut between chunks", chunked + "5\r\nhello\r\n", "hello", fetch.Incomplete},
		{"cut in a chunk", chunked + "6\r\nhello", "hello", fetch.Incomplete},
		{"cut in the trailer", chunked + "5\r\nhello\r\n0\r\nX: y", "hello", fetch.Incomplete},
		{"bad chunk size", chunked + "5\r\nhello\r\nzz\r\n", "hello", fetch.Incomplete},
		{"huge chunk size", chunked + "fffffffffffffffff\r\nhello", "", fetch.Incomplete},
		{"negative chunk size", chunked + "-5\r\nhello", "", fetch.Incomplete},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := client(t, Config{})
			a := send(t, c, get(t, script(t, says(tt.answer))))
			got, err := io.ReadAll(a.Body)
			if string(got) != tt.body {
				t.Errorf("body %q, want %q", got, tt.body)
			}
			if tt.want == "" {
				if err != nil {
					t.Errorf("got %v, want a clean end", err)
				}
				return
			}
			if fetch.CauseOf(err) != tt.want || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if _, again := a.Body.Read(make([]byte, 1)); again != err {
				t.Errorf("and then %v", again)
			}
		})
	}
}

func TestBodyReset(t *testing.T) {
	heard := make(chan struct{})
	at := script(t, func(conn net.Conn, req *http.Request) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		<-heard
		reset(conn, req)
	})
	a := send(t, client(t, Config{}), get(t, at))
	if _, err := io.ReadFull(a.Body, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	close(heard)
	if _, err := io.ReadAll(a.Body); fetch.CauseOf(err) != fetch.Incomplete {
		t.Errorf("got %v, want %s", err, fetch.Incomplete)
	}
}

func TestBodyHTTP2(t *testing.T) {
	srv, cas := webserver(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/declared" {
			w.Header().Set("Content-Length", "10")
		}
		fmt.Fprint(w, "hello")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	c := client(t, Config{RootCAs: cas})
	for _, path := range []string{"/", "/declared"} {
		a := send(t, c, get(t, srv.URL+path))
		got, err := io.ReadAll(a.Body)
		if string(got) != "hello" || fetch.CauseOf(err) != fetch.Incomplete || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
}

// OR4: a connection on which more came than the response is not used again.
func TestSurplusEndsConnection(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
		"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil",
		"HTTP/1.1 304 Not Modified\r\n\r\nevil",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nevil",
	} {
		more := make(chan int64, 1)
		at := script(t, func(conn net.Conn, req *http.Request) {
			io.WriteString(conn, answer)
			n, _ := io.Copy(io.Discard, conn)
			more <- n
		})
		c := client(t, Config{})
		a := send(t, c, get(t, at))
		readAll(t, a)
		a.Body.Close()
		select {
		case n := <-more:
			if n != 0 {
				t.Errorf("%q: the connection was used again", answer)
			}
		case <-time.After(patience):
			t.Errorf("%q: the connection was kept", answer)
		}
	}
}

func TestIdleBody(t *testing.T) {
	for _, secure := range []bool{false, true} {
		release := make(chan struct{})
		srv, cas := webserver(t, secure, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "hello")
			http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-release:
			}
		})
		c := client(t, Config{RootCAs: cas, IdleTimeout: 300 * time.Millisecond})
		a := send(t, c, get(t, srv.URL))
		got, err := io.ReadAll(a.Body)
		if string(got) != "hello" || fetch.CauseOf(err) != fetch.ReadTimeout {
			t.Errorf("https %v: %q, %v", secure, got, err)
		}
		close(release)
	}
}

// A total that is longer than the idle time is no failure, and neither is a
// reader that pauses.
func TestSlowIsNotIdle(t *testing.T) {
	const idle = time.Second
	srv, _ := webserver(t, false, func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(idle / 8)
		defer tick.Stop()
		for range 12 {
			<-tick.C
			fmt.Fprint(w, ".")
			http.NewResponseController(w).Flush()
		}
	})
	c := client(t, Config{IdleTimeout: idle})
	if got := readAll(t, send(t, c, get(t, srv.URL))); len(got) != 12 {
		t.Errorf("slow origin: %d octets", len(got))
	}
	a := send(t, c, get(t, srv.URL))
	<-time.After(2 * idle)
	if got := readAll(t, a); len(got) != 12 {
		t.Errorf("slow reader: %d octets", len(got))
	}
}

// Close ends the transfer at once, also under a read, and reads after it fail.
func TestCloseBody(t *testing.T) {
	gone := make(chan struct{})
	at := script(t, func(conn net.Conn, _ *http.Request) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
		untilGone(conn)
		close(gone)
	})
	a := send(t, client(t, Config{}), get(t, at))
	if _, err := io.ReadFull(a.Body, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	blocked := make(chan error, 1)
	go func() {
		_, err := a.Body.Read(make([]byte, 1))
		blocked <- err
	}()
	a.Body.Close()
	select {
	case err := <-blocked:
		if err == nil || err == io.EOF {
			t.Errorf("the read returned %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the read hangs")
	}
	select {
	case <-gone:
	case <-time.After(patience):
		t.Fatal("the transfer goes on")
	}
}

// OR2: an endless body costs no memory; here that none is read ahead over
// HTTP/1.1 but what the kernel takes.
func TestEndlessBody(t *testing.T) {
	at := script(t, func(conn net.Conn, _ *http.Request) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		page := make([]byte, 64<<10)
		for {
			if _, err := conn.Write(page); err != nil {
				return
			}
		}
	})
	a := send(t, client(t, Config{}), get(t, at))
	if a.Meta.Length != -1 {
		t.Errorf("length %d", a.Meta.Length)
	}
	if n, err := io.CopyN(io.Discard, a.Body, 64<<20); n != 64<<20 || err != nil {
		t.Errorf("%d octets, %v", n, err)
	}
	a.Body.Close()
}
