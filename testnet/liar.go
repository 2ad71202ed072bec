package testnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/dht/kad"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/swarm"
	"github.com/flashcrowd/flashcrowd/verify"
)

// Lie is what a Liar does to the body that it claims to have.
type Lie string

// The lies that a peer can tell in the frames of the protocol. Those that
// break the frames themselves are in the tests of fetch/swarm.
const (
	// Honest does not lie: what a tampering liar tampers with.
	Honest Lie = "honest"
	// Flip turns one bit of every piece, under the true state list.
	Flip Lie = "flip"
	// FlipLast turns one bit of the last piece alone.
	FlipLast Lie = "flip-last"
	// FalseList offers another body with that body's own, consistent, list.
	FalseList Lie = "false-list"
	// Older offers an older version of the body under the token of the new.
	Older Lie = "older"
)

// Liar is a node that has the right token of an object, takes part in its
// crowd with the real protocol over real streams, and lies.
type Liar struct {
	ID string

	host    host.Host
	router  *kad.Router
	swarm   *swarm.Swarm
	backend host.Host // of a tampering liar: where its frames come from
	stop    context.CancelFunc
	done    chan error
}

// StartLiar joins the network of bootstrap and lies about the body that the
// origin serves at rawURL. The caller closes it.
func StartLiar(ctx context.Context, bootstrap []string, rawURL string, body []byte, lie Lie) (_ *Liar, err error) {
	id, err := urlID(rawURL)
	if err != nil {
		return nil, err
	}
	l, err := newLiar()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	if l.swarm, err = swarm.New(swarm.Config{Host: l.host, Shelf: falseShelf(id, body, lie)}); err != nil {
		return nil, err
	}
	l.swarm.Serve()
	return l, l.join(ctx, bootstrap, id.Key())
}

func newLiar() (*Liar, error) {
	h, err := swarm.NewHost(swarm.HostConfig{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Version: "liar"})
	if err != nil {
		return nil, fmt.Errorf("testnet: make liar: %w", err)
	}
	return &Liar{ID: h.ID().String(), host: h, done: make(chan error, 1)}, nil
}

func (l *Liar) join(ctx context.Context, bootstrap []string, key dht.Key) error {
	var boot []peer.AddrInfo
	for _, a := range bootstrap {
		info, err := peer.AddrInfoFromString(a)
		if err != nil {
			return fmt.Errorf("testnet: bootstrap: %w", err)
		}
		boot = append(boot, *info)
	}
	router, err := kad.New(kad.Config{Host: l.host, Network: Network, Bootstrap: boot})
	if err != nil {
		return err
	}
	l.router = router
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	go func() { l.done <- router.Run(running) }()
	if err := waitFor(ctx, func() bool { return router.RoutingTableSize() > 0 }); err != nil {
		return err
	}
	for range router.Join(ctx, key) { // until the announcement is out
	}
	return nil
}

// Close ends the liar.
func (l *Liar) Close() error {
	var errs []error
	if l.stop != nil {
		l.stop()
		errs = append(errs, <-l.done)
	}
	if l.router != nil {
		errs = append(errs, l.router.Close())
	}
	if l.swarm != nil {
		errs = append(errs, l.swarm.Close())
	}
	if l.backend != nil {
		errs = append(errs, l.backend.Close())
	}
	return errors.Join(append(errs, l.host.Close())...)
}

func urlID(rawURL string) (dht.ID, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return dht.ID{}, fmt.Errorf("testnet: %w", err)
	}
	return dht.URLID(u)
}

// lyingShelf offers a false body under the true token.
type lyingShelf struct {
	id    dht.ID
	token verify.Token
	offer fetch.Shelved
}

func falseShelf(id dht.ID, body []byte, lie Lie) fetch.Shelf {
	truth := whole(body)
	lies := append([]byte(nil), body...)
	layout := truth.Digest.Layout()
	told := truth
	switch lie {
	case Honest:
	case Flip:
		for i := range layout.Pieces() {
			lies[layout.Offset(i)] ^= 1
		}
	case FlipLast:
		lies[len(lies)-1] ^= 0x80
	case FalseList, Older:
		for i := range lies {
			lies[i] ^= 0x55
		}
		told = whole(lies)
	}
	return &lyingShelf{id: id, token: verify.TokenOf(id, truth.Digest), offer: fetch.Shelved{
		Digest: truth.Digest, Complete: true, Has: fetch.AllPieces(layout.Pieces()),
		States: told.States, Body: memory(lies), Close: func() {},
	}}
}

func whole(body []byte) verify.Whole {
	r := verify.NewRecorder(verify.SHA256, int64(len(body)))
	if _, err := r.Write(body); err != nil {
		panic("testnet: internal error: record: " + err.Error())
	}
	return r.Whole()
}

func (s *lyingShelf) Open(id dht.ID, token verify.Token) (*fetch.Shelved, error) {
	if id != s.id || token != s.token {
		return nil, fetch.ErrUnknown
	}
	offer := s.offer
	return &offer, nil
}

// memory is a body in memory.
type memory []byte

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
