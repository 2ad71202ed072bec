package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Strict returns a listener whose connections read HTTP/1 to the letter before
// net/http, which repairs or accepts what others read differently, gets to see
// it. The servers of Proxy.Server are to be given such a listener; a message
// that is refused is answered by their handler, in its turn.
//
// It also answers from memory what is asked for in the same octets as before,
// so a listener is to be served by one handler alone.
func (p *Proxy) Strict(l net.Listener) net.Listener {
	return strictListener{l, p.wait.header, newRepeats(p)}
}

type strictListener struct {
	net.Listener
	patience time.Duration
	repeats  *repeats
}

func (l strictListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := newStrict(conn, l.patience)
	c.repeats, c.heads = l.repeats, make(chan string, 4)
	c.idle.Store(true)
	return c, nil
}

// Close closes the listener.
func (l strictListener) Close() error {
	l.repeats.close()
	return l.Listener.Close()
}

// A reading is what comes next on a connection.
type reading int

const (
	readHead reading = iota
	readBody
	readChunkSize
	readChunk
	readChunkEnd
	readTrailer
	readOpaque  // what follows is not ours to read
	readNothing // what was refused ends it
)

// refused is the method of the request that stands in the place of what was
// refused. No client can send it: it is longer than a method may be.
const refused = "FLASHCROWD-REFUSES-WHAT-CAME-INSTEAD"

const (
	firstBuffer = 4 << 10
	// keptBuffer is what a connection keeps between its requests.
	keptBuffer = 16 << 10
	// maxChunkLine is for a chunk size and its extensions, which nobody uses.
	maxChunkLine = 4 << 10
	// maxExtensions is for those of a whole body.
	maxExtensions = 64 << 10
)

// strictConn is a connection that reads requests strictly. net/http reads it
// by one goroutine at a time.
type strictConn struct {
	net.Conn
	patience time.Duration // for a head that has begun
	quick
	at string // LocalAddr, once it was asked for

	next    reading
	raw     []byte   // what came and was not read yet
	buffer  []byte   // all that raw is a part of
	scanned int      // how much of raw was searched for ends of lines
	lines   [][2]int // in raw, found so far
	parts   [][]byte // scratch
	head    head     // scratch
	out     []byte   // for the server
	outFrom int
	left    int64 // octets of a body or chunk that are still to come
	extras  int   // octets of chunk extensions of a body
	// refusal is why next is readNothing, set before the server gets to see
	// the request that stands for it.
	refusal error

	mu       sync.Mutex // guards following
	deadline time.Time  // as the server wants it
	begun    bool       // part of a head has come
}

func newStrict(conn net.Conn, patience time.Duration) *strictConn {
	return &strictConn{Conn: conn, patience: patience}
}

// Read returns what the server may see.
func (c *strictConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for c.outFrom == len(c.out) {
		c.out, c.outFrom = c.out[:0], 0
		switch c.next {
		case readBody, readChunk:
			return c.pass(p)
		case readOpaque:
			if len(c.raw) > 0 {
				return c.take(p), nil
			}
			return c.Conn.Read(p)
		case readNothing:
			return 0, io.EOF
		}
		if err := c.step(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.out[c.outFrom:])
	c.outFrom += n
	c.idle.Store(false)
	return n, nil
}

// step reads one head, size, end or trailer and puts what stands for it into
// out. It may be called again after an error, which is of the connection.
func (c *strictConn) step() error {
	switch c.next {
	case readHead:
		return c.stepHead()
	case readChunkSize:
		return c.stepSize()
	case readChunkEnd:
		return c.stepChunkEnd()
	default:
		return c.stepTrailer()
	}
}

// take gives what came already.
func (c *strictConn) take(p []byte) int {
	n := copy(p, c.raw)
	c.raw = c.raw[n:]
	return n
}

// pass gives octets of a body as they come.
func (c *strictConn) pass(p []byte) (n int, err error) {
	p = p[:min(int64(len(p)), c.left)]
	if len(c.raw) > 0 {
		n = c.take(p)
	} else {
		n, err = c.Conn.Read(p)
	}
	if c.left -= int64(n); c.left == 0 && n > 0 {
		if c.next == readChunk {
			c.next = readChunkEnd
		} else {
			c.next = readHead
		}
	}
	return n, err
}

// fill reads more, of which raw may hold up to limit.
func (c *strictConn) fill(limit int) error {
	if len(c.raw) == cap(c.raw) {
		size := min(max(firstBuffer, 2*len(c.raw)), limit+1)
		c.raw = append(make([]byte, 0, max(size, len(c.raw)+1)), c.raw...)
		c.buffer = c.raw[:0]
	}
	n, err := c.Conn.Read(c.raw[len(c.raw):cap(c.raw)])
	c.raw = c.raw[:len(c.raw)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// refuse ends the reading. The handler answers, after what came before.
func (c *strictConn) refuse(err error) error {
	c.hand(nil, true)
	c.refusal, c.next, c.raw = err, readNothing, nil
	c.out = append(c.out[:0], refused+" / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"...)
	return nil
}

// spoil makes the server's reading of a chunked body fail, whatever it expects
// next.
func (c *strictConn) spoil(err error) error {
	c.refusal, c.next, c.raw = err, readNothing, nil
	c.out = append(c.out[:0], "!!\r\n\r\n"...)
	return nil
}

// line returns the next line of raw without its CRLF, reading on until it is
// there; nil when it is longer than limit or ends with a bare LF.
func (c *strictConn) line(limit int) ([]byte, error) {
	for {
		if i := bytes.IndexByte(c.raw, '\n'); i >= 0 {
			if i == 0 || i > limit || c.raw[i-1] != '\r' {
				return nil, nil
			}
			line := c.raw[:i-1]
			c.raw = c.raw[i+1:]
			return line, nil
		}
		if len(c.raw) > limit {
			return nil, nil
		}
		if err := c.fill(limit); err != nil {
			return nil, err
		}
	}
}

// SetReadDeadline keeps to what the server wants, and gives a head that has
// begun no more than its time.
func (c *strictConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return c.Conn.SetReadDeadline(c.dueLocked())
}

// SetDeadline is for both directions.
func (c *strictConn) SetDeadline(t time.Time) error {
	if err := c.Conn.SetWriteDeadline(t); err != nil {
		return err
	}
	return c.SetReadDeadline(t)
}

// dueLocked returns when a read must have ended. While the server waits for no
// request it sets no deadline, and what comes early may take its time.
func (c *strictConn) dueLocked() time.Time {
	if c.begun && !c.deadline.IsZero() {
		if end := time.Now().Add(c.patience); end.Before(c.deadline) {
			return end
		}
	}
	return c.deadline
}

// begin notes whether part of a head has come.
func (c *strictConn) begin(begun bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun != begun {
		c.begun = begun
		c.Conn.SetReadDeadline(c.dueLocked())
	}
}

// ReadFrom lets the kernel send files.
func (c *strictConn) ReadFrom(src io.Reader) (int64, error) {
	if rf, ok := c.Conn.(io.ReaderFrom); ok {
		return rf.ReadFrom(src)
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, src)
}

// CloseWrite ends one direction.
func (c *strictConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}

// Close lets a client that was refused see why: with octets of it unread the
// system would tell it of a broken connection alone.
func (c *strictConn) Close() error {
	if c.repeats != nil {
		c.Conn.SetWriteDeadline(time.Now().Add(closeGrace))
		c.answering.Lock()
		defer c.answering.Unlock()
	}
	if c.isRefused() && c.CloseWrite() == nil {
		c.Conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		io.CopyN(io.Discard, c.Conn, maxHead)
	}
	return c.Conn.Close()
}

type strictKey struct{}

// withStrict lets handlers find the connection of a request.
func withStrict(ctx context.Context, conn net.Conn) context.Context {
	if c, ok := conn.(*strictConn); ok {
		return context.WithValue(ctx, strictKey{}, c)
	}
	return ctx
}

// refusalOf returns why what was to be r was refused, or nil if r is one that
// a client sent.
func refusalOf(r *http.Request) error {
	if len(r.Method) <= maxMethod || !strings.HasPrefix(r.Method, refused) {
		return nil
	}
	c, _ := r.Context().Value(strictKey{}).(*strictConn)
	if c == nil || c.refusal == nil {
		return badRequest("request line")
	}
	return c.refusal
}
