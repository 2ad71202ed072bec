package swarm

import (
	"bytes"
	"errors"
	"net"
	"testing"

	"github.com/libp2p/go-libp2p/core/sec"
)

// socket notes what is written to it, until it breaks.
type socket struct {
	net.Conn
	writes [][]byte
	broken error
}

func (s *socket) Write(p []byte) (int, error) {
	if s.broken != nil {
		return 0, s.broken
	}
	s.writes = append(s.writes, bytes.Clone(p))
	return len(p), nil
}

// recordWriter writes as TLS does: in records of 16 KiB at most.
type recordWriter struct {
	sec.SecureConn
	under net.Conn
}

func (r *recordWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := r.under.Write(p[done:][:min(16<<10, len(p)-done)])
		if done += n; err != nil {
			return done, err
		}
	}
	return done, nil
}

// TestWritesAreGathered: what one Write above TLS makes leaves in one, in order,
// and what is more than a message in as few as may be; what TLS writes by itself
// leaves at once.
func TestWritesAreGathered(t *testing.T) {
	for _, c := range []struct{ size, writes int }{{1, 1}, {maxMessage, 1}, {1 << 20, 16}} {
		s := &socket{}
		g := &gathered{Conn: s}
		up := g.under(&recordWriter{under: g})
		want := bytes.Repeat([]byte("0123456789"), c.size/10+1)[:c.size]
		if n, err := up.Write(want); n != c.size || err != nil {
			t.Fatalf("write of %d: %d, %v", c.size, n, err)
		}
		if len(s.writes) != c.writes || !bytes.Equal(bytes.Join(s.writes, nil), want) {
			t.Errorf("%d octets left in %d writes, want %d", c.size, len(s.writes), c.writes)
		}
		if _, err := g.Write([]byte("alert")); err != nil || len(s.writes) != c.writes+1 {
			t.Errorf("what TLS writes by itself waits: %v", err)
		}
	}
}

// TestNothingFollowsALostWrite: after a write that failed, of which part may have
// left, nothing else is sent on the connection.
func TestNothingFollowsALostWrite(t *testing.T) {
	broken := errors.New("broken")
	s := &socket{broken: broken}
	g := &gathered{Conn: s}
	up := g.under(&recordWriter{under: g})
	if n, err := up.Write([]byte("lost")); n != 0 || !errors.Is(err, broken) {
		t.Errorf("write to a broken socket: %d, %v", n, err)
	}
	s.broken = nil
	if _, err := up.Write([]byte("next")); !errors.Is(err, broken) || len(s.writes) > 0 {
		t.Errorf("after it: %v, %d writes", err, len(s.writes))
	}
}
