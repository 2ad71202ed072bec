package swarm

import (
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
)

// TestUnreadOrderIsBounded: however fast a stream was before, no more than
// maxWindow of what a peer sends waits for a reader that has stopped. With the
// windows that libp2p lets grow 8 MiB wait here, and 16 can.
func TestUnreadOrderIsBounded(t *testing.T) {
	const size, read = 96 << 20, 48 << 20
	o := newObject(t, "unread", size)
	var taken atomic.Int64
	sh := newShelf()
	sh.put(o, func() *fetch.Shelved {
		s := o.shelved()
		s.Body = &countedBody{s.Body, &taken}
		return s
	})
	far := newSwarm(t, Config{Shelf: sh})
	near := newSwarm(t, Config{})
	p, err := near.Peer(dht.Member{ID: far.host.ID().String(), Addrs: []string{distant(t, far.host.Addrs()[0])}}, o.want())
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Open(t.Context(), fetch.Span{Offset: 0, End: size})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, read); err != nil {
		t.Fatal(err)
	}
	last := int64(-1)
	for quiet := 0; quiet < 3; quiet++ {
		<-time.After(100 * time.Millisecond) // until the sender has come to rest
		if now := taken.Load(); now != last {
			last, quiet = now, 0
		}
	}
	// Besides the window there are what the sender has loaded, frames between the
	// queues, and the one that was being read.
	const besides = 2*loadSize + 16*dataSize
	t.Logf("%d octets wait", last-read)
	if waits := last - read; waits > maxWindow+besides {
		t.Errorf("%d octets wait for the reader", waits)
	}
}

// distant returns an address that leads to that of a host on loopback by a line
// with a round trip of 40 ms, on which windows grow.
func distant(t *testing.T, to ma.Multiaddr) string {
	_, target, err := manet.DialArgs(to)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			a, err := l.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", target)
			if err != nil {
				a.Close()
				return
			}
			go delayed(a, b)
			go delayed(b, a)
		}
	}()
	return fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", l.Addr().(*net.TCPAddr).Port)
}

// delayed carries octets from one end to the other, 20 ms after they came.
func delayed(to io.WriteCloser, from io.Reader) {
	type parcel struct {
		octets []byte
		due    time.Time
	}
	way := make(chan parcel, 4096)
	go func() {
		defer to.Close()
		for p := range way {
			<-time.After(time.Until(p.due))
			if _, err := to.Write(p.octets); err != nil {
				for range way {
				}
				return
			}
		}
	}()
	defer close(way)
	for {
		buf := make([]byte, 64<<10)
		n, err := from.Read(buf)
		way <- parcel{buf[:n], time.Now().Add(20 * time.Millisecond)}
		if err != nil {
			return
		}
	}
}

// countedBody counts what is read of a body.
type countedBody struct {
	io.ReaderAt
	n *atomic.Int64
}

func (b *countedBody) ReadAt(p []byte, off int64) (int, error) {
	n, err := b.ReaderAt.ReadAt(p, off)
	b.n.Add(int64(n))
	return n, err
}
