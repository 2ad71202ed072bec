package swarm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Follow hears the news of the peer. It has a stream of its own for as long as
// it lasts.
func (p *source) Follow(ctx context.Context, hear func(fetch.News)) error {
	c, err := p.call(ctx, request{kind: askFollow})
	if err != nil {
		return fmt.Errorf("follow %s: %w", p, err)
	}
	layout := p.want.Proof.Digest().Layout()
	near := isNear(c.line.st.Conn().RemoteMultiaddr())
	for a := c.first; ; {
		if err = checkNews(a, layout.Pieces()); err != nil {
			break
		}
		a.news.Members = reachable(a.news.Members, near)
		p.lend(a.credit)
		hear(*a.news)
		if a.last {
			c.succeed()
			return nil
		}
		c.line.wait.begin(c.swarm.limits.Idle)
		if a, err = c.line.next(); err != nil {
			err = brokenOff(err)
			break
		}
	}
	return fmt.Errorf("follow %s: %w", p, c.fail(err))
}

// checkNews fails unless a tells news of a body of n pieces.
func checkNews(a answer, n int) error {
	if a.kind != ansNews {
		return malformed("answer of kind %d to follow", a.kind)
	}
	for _, c := range a.news.Claims {
		if c.Piece >= n {
			return malformed("claim of piece %d of %d", c.Piece, n)
		}
	}
	for _, i := range a.news.Lost {
		if i >= n {
			return malformed("loss of piece %d of %d", i, n)
		}
	}
	for _, in := range a.news.Intents {
		if in.End > n {
			return malformed("intent up to piece %d of %d", in.End, n)
		}
	}
	return nil
}

// reachable leaves of the addresses that a peer told those that this node may
// dial on its word: near ones only if the peer is near itself, or any stranger
// could make this node knock at doors of the local network.
func reachable(members []dht.Member, near bool) []dht.Member {
	var out []dht.Member
	for _, m := range members {
		var addrs []string
		for _, text := range m.Addrs {
			a, err := ma.NewMultiaddr(text)
			if err == nil && (near || manet.IsPublicAddr(a)) {
				addrs = append(addrs, text)
			}
		}
		if m.Addrs = addrs; len(addrs) > 0 {
			out = append(out, m)
		}
	}
	return out
}

func isNear(a ma.Multiaddr) bool { return manet.IsPrivateAddr(a) || manet.IsIPLoopback(a) }

// follow answers a follow: news of sh until they end. The slot of the answer is
// free by then, since news last as long as a flight.
func (s *Swarm) follow(w *reply, r *remote, sh *fetch.Shelved) error {
	if sh.Complete {
		return w.news(fetch.News{Complete: true}, 0, true)
	}
	if sh.Follow == nil {
		return w.plain(ansGone)
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	piece := sh.Digest.Layout().PieceSize
	var failed error
	err := sh.Follow(ctx, s.follower(w.st, r), func(n fetch.News) error {
		credit := s.credits.grant(r.id, piece, s.peers.trip(r), time.Now())
		failed = w.news(n, credit, n.Complete)
		return failed
	})
	switch {
	case failed != nil:
		return failed
	case errors.Is(err, fetch.ErrUnknown):
		return w.plain(ansGone)
	case err != nil:
		return err
	}
	return w.news(fetch.News{}, 0, true)
}

// follower is the peer at the other end of st as a member of the crowd: at the
// addresses where it says that it listens.
func (s *Swarm) follower(st network.Stream, r *remote) dht.Member {
	m := dht.Member{ID: r.id.String()}
	for _, a := range s.host.Peerstore().Addrs(r.id) {
		if len(m.Addrs) < maxAddrs && (classOf(a) != classOther || relayed(a)) {
			m.Addrs = append(m.Addrs, a.String())
		}
	}
	return m
}

// news tells n, and credit unless that is 0.
func (w *reply) news(n fetch.News, credit int64, last bool) error {
	return w.write(appendAnswer(nil, w.number, ansNews, encodeNews(n, credit, last)), isUrgent)
}
