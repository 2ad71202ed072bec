package swarm

import (
	"net"
	"sync"

	"github.com/libp2p/go-libp2p/core/sec"
)

// gatherSize is more than the records of one message of yamux take up.
const gatherSize = 72 << 10

// gatherBuffers hold the records of one message.
var gatherBuffers = sync.Pool{New: func() any { b := make([]byte, 0, gatherSize); return &b }}

// gathered is a connection under TLS. TLS writes each of its records, 16 KiB at
// most, by itself; what belongs to one Write above TLS leaves in one here.
type gathered struct {
	net.Conn

	mu      sync.Mutex // guards following; held while octets leave
	writers int        // above TLS, under way
	buf     *[]byte    // what waits for their end
	err     error      // of a write: what was behind it is lost, so nothing may follow
}

// under returns c, the TLS connection over g, with its writes gathered.
func (g *gathered) under(c sec.SecureConn) sec.SecureConn {
	if c == nil {
		return nil
	}
	return &above{c, g}
}

// Write implements net.Conn.
func (g *gathered) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return 0, g.err
	}
	if g.writers == 0 {
		return g.Conn.Write(p)
	}
	if g.buf == nil {
		g.buf = gatherBuffers.Get().(*[]byte)
	}
	if len(*g.buf)+len(p) > gatherSize {
		if err := g.flushLocked(); err != nil {
			return 0, err
		}
		if len(p) > gatherSize {
			return g.Conn.Write(p)
		}
		g.buf = gatherBuffers.Get().(*[]byte)
	}
	*g.buf = append(*g.buf, p...)
	return len(p), nil
}

// begin gathers what is written until the matching end.
func (g *gathered) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writers++
}

// end sends what was gathered.
func (g *gathered) end() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writers--
	return g.flushLocked()
}

func (g *gathered) flushLocked() error {
	if g.buf == nil {
		return g.err
	}
	buf := g.buf
	g.buf = nil
	_, g.err = g.Conn.Write(*buf)
	*buf = (*buf)[:0]
	gatherBuffers.Put(buf)
	return g.err
}

// above is the TLS connection.
type above struct {
	sec.SecureConn
	under *gathered
}

// Write implements net.Conn.
func (a *above) Write(p []byte) (int, error) {
	a.under.begin()
	n, err := a.SecureConn.Write(p)
	if flushed := a.under.end(); err == nil && flushed != nil {
		return 0, flushed
	}
	return n, err
}
