package testnet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/flashcrowd/flashcrowd/fetch/swarm"
)

// Tamper carries what an honest node answers from r to w, and does what it
// likes on the way. It returns when ctx is done.
type Tamper func(ctx context.Context, w io.Writer, r io.Reader) error

// tamperAfter is how much of each stream passes untouched: what a peer has to
// say of itself, and the beginning of a body.
const tamperAfter = 200 << 10

// Tampers are the ways to break the protocol itself, by name.
var Tampers = map[string]Tamper{
	"stall": after(func(ctx context.Context, _ io.Writer, _ io.Reader) error {
		<-ctx.Done()
		return nil
	}),
	"trickle": after(func(ctx context.Context, w io.Writer, r io.Reader) error {
		for {
			if _, err := io.CopyN(w, r, 1); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Second):
			}
		}
	}),
	"close-midway": after(func(context.Context, io.Writer, io.Reader) error { return io.EOF }),
	"garbage": after(func(_ context.Context, w io.Writer, _ io.Reader) error {
		_, err := io.CopyN(w, rand.Reader, 1<<20)
		return err
	}),
	"endless": after(func(_ context.Context, w io.Writer, _ io.Reader) error {
		_, err := io.Copy(w, zeros{})
		return err
	}),
	"oversize-frame": after(func(_ context.Context, w io.Writer, _ io.Reader) error {
		_, err := w.Write([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
		return err
	}),
	"never-answers": func(ctx context.Context, _ io.Writer, _ io.Reader) error {
		<-ctx.Done()
		return nil
	},
}

// after returns a Tamper that begins with t after tamperAfter octets.
func after(t Tamper) Tamper {
	return func(ctx context.Context, w io.Writer, r io.Reader) error {
		if _, err := io.CopyN(w, r, tamperAfter); err != nil {
			return err
		}
		return t(ctx, w, r)
	}
}

// zeros is an endless row of zeros: to the protocol, empty frames.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// StartTamperer is StartLiar for lies in the frames themselves: it answers with
// those of an honest node, tampered with by t.
func StartTamperer(ctx context.Context, bootstrap []string, rawURL string, body []byte, t Tamper) (_ *Liar, err error) {
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
	if l.backend, err = swarm.NewHost(swarm.HostConfig{Listen: []string{"/ip4/127.0.0.1/tcp/0"}}); err != nil {
		return nil, fmt.Errorf("testnet: make liar: %w", err)
	}
	if l.swarm, err = swarm.New(swarm.Config{Host: l.backend, Shelf: falseShelf(id, body, Honest)}); err != nil {
		return nil, err
	}
	l.swarm.Serve()
	if err := l.host.Connect(ctx, peer.AddrInfo{ID: l.backend.ID(), Addrs: l.backend.Addrs()}); err != nil {
		return nil, fmt.Errorf("testnet: make liar: %w", err)
	}
	l.host.SetStreamHandler(swarm.Protocol, l.tamper(t))
	return l, l.join(ctx, bootstrap, id.Key())
}

// tamper returns a handler that stands between a victim and the honest node.
func (l *Liar) tamper(t Tamper) network.StreamHandler {
	return func(victim network.Stream) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		defer victim.Reset()
		honest, err := l.host.NewStream(ctx, l.backend.ID(), swarm.Protocol)
		if err != nil {
			return
		}
		defer honest.Reset()
		go func() {
			_, _ = io.Copy(honest, victim) // ends with either stream
			cancel()
		}()
		_ = t(ctx, victim, honest)
	}
}
