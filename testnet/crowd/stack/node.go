package stack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	libp2phost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/dht/kad"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	originclient "github.com/flashcrowd/flashcrowd/fetch/origin"
	"github.com/flashcrowd/flashcrowd/fetch/swarm"
	"github.com/flashcrowd/flashcrowd/verify"
)

// networkName is the network of a rehearsal.
const networkName = "rehearsal"

// firstPort is that of a node; further identities of a liar have the next ones.
const firstPort = 3130

// node is the real stack on a simulated host, wired as package node does.
type node struct {
	sim    *host
	peer   libp2phost.Host
	router *kad.Router
	swarm  *swarm.Swarm
	origin *originclient.Client // nil of a liar
	fetch  *fetch.Fetcher       // nil of a liar
	store  *fetchtest.Store
	given  atomic.Int64 // octets of bodies that others got

	stop context.CancelFunc
	done sync.WaitGroup
}

// startNode starts a node, or with lies a liar, which joins by boot. The caller
// closes it.
func startNode(ctx context.Context, h *host, port int, seed uint64, boot []peer.AddrInfo, lies fetch.Shelf) (_ *node, err error) {
	n := &node{sim: h, store: &fetchtest.Store{}}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	if n.peer, err = newPeer(h, port, seed); err != nil {
		return nil, err
	}
	if n.router, err = kad.New(kad.Config{Host: n.peer, Network: networkName, Bootstrap: boot}); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	n.stop = stop
	n.done.Go(func() { _ = n.router.Run(running) }) // ends with running
	shelf := lies
	if lies == nil {
		shelf = &counted{n}
	}
	if n.swarm, err = swarm.New(swarm.Config{Host: n.peer, Shelf: shelf}); err != nil {
		return nil, err
	}
	n.swarm.Serve()
	if lies != nil {
		return n, nil
	}
	n.origin = originclient.New(originclient.Config{Dial: h.DialContext})
	n.fetch = fetch.New(fetch.Config{
		Cache: n.store, Judge: n.store.Judge, Memory: n.store, Shelf: n.store, Origin: n.origin,
		Swarm: n.swarm, Router: n.router, Self: n.peer.ID().String(), Sharing: fetch.Sharing{Private: true},
	})
	return n, nil
}

// newPeer returns a libp2p host whose key follows from the seed.
func newPeer(h *host, port int, seed uint64) (libp2phost.Host, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "key %d", seed))))
	if err != nil {
		return nil, fmt.Errorf("stack: make key: %w", err)
	}
	p, err := libp2p.New(
		libp2p.Identity(key),
		libp2p.Transport(transportOf(h)),
		libp2p.Security(libp2ptls.ID, libp2ptls.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.ListenAddrStrings(fmt.Sprintf("/ip4/%s/tcp/%d", h.addr, port)),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
		libp2p.DisableIdentifyAddressDiscovery(),
	)
	if err != nil {
		return nil, fmt.Errorf("stack: make host: %w", err)
	}
	return p, nil
}

// close ends the node and waits for it.
func (n *node) close() error {
	var errs []error
	if n.fetch != nil {
		n.fetch.Close()
		n.origin.Close()
	}
	if n.swarm != nil {
		errs = append(errs, n.swarm.Close())
	}
	if n.stop != nil {
		n.stop()
		n.done.Wait()
	}
	if n.router != nil {
		errs = append(errs, n.router.Close())
	}
	if n.peer != nil {
		errs = append(errs, n.peer.Close())
	}
	return errors.Join(errs...)
}

// info is how others reach the node.
func (n *node) info() peer.AddrInfo {
	return peer.AddrInfo{ID: n.peer.ID(), Addrs: n.peer.Addrs()}
}

// counted is the shelf of a node, which counts what others got.
type counted struct{ n *node }

func (s *counted) Open(id dht.ID, t verify.Token) (*fetch.Shelved, error) {
	sh, err := s.n.fetch.Open(id, t)
	if err != nil {
		return nil, err
	}
	also := sh.Served
	sh.Served = func(octets int64) {
		s.n.given.Add(octets)
		if also != nil {
			also(octets)
		}
	}
	return sh, nil
}

// download is how one attempt to get a file went.
type download struct {
	firstByte time.Time // zero for none
	wrong     int64
	receipt   fetch.Receipt
	err       error
}

// get downloads f through the node.
func (n *node) get(ctx context.Context, f *object) (d download) {
	req := fetchtest.Request(f.url)
	resp, err := n.fetch.Do(ctx, req)
	if err != nil {
		return download{err: err}
	}
	got := d.read(resp.Body, f)
	resp.Body.Close()
	resp.Done(got)
	if resp.Status != 200 {
		d.err = fmt.Errorf("stack: status %d", resp.Status)
	}
	d.receipt, _ = n.fetch.Receipt(f.url)
	return d
}

// read reads a body to its end, and holds it against the truth.
func (d *download) read(body io.Reader, f *object) (got int64) {
	buf := make([]byte, 256<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 && d.firstByte.IsZero() {
			d.firstByte = time.Now()
		}
		if end := got + int64(n); end > int64(len(f.body)) || !bytes.Equal(buf[:n], f.body[got:end]) {
			d.wrong += int64(n)
		}
		got += int64(n)
		if errors.Is(err, io.EOF) && got == int64(len(f.body)) {
			return got
		}
		if err != nil {
			d.err = fmt.Errorf("stack: after %d of %d octets: %w", got, len(f.body), err)
			return got
		}
	}
}
