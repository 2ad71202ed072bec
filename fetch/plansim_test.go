package fetch_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// simPeer is a peer on a line of its own; after fails it is silent.
type simPeer struct {
	id     int
	rate   float64
	delay  time.Duration
	joins  time.Duration
	fails  time.Duration
	left   bool
	orders []simOrder
	got    float64 // octets of the piece that comes
	heard  time.Duration
	recent []simOctets
}

type simOrder struct {
	fetch.Order
	from time.Duration // when its first octet may come
}

type simOctets struct {
	at     time.Duration
	octets float64
}

// sim drives fetch.Next as a node does, with a coarse model of the network.
type sim struct {
	layout verify.Layout
	now    time.Duration
	front  float64
	have   fetch.Pieces
	tail   int

	rate, best     float64 // of the origin, and its best second
	down           [2]time.Duration
	returns        bool
	open           bool
	until          int64
	since, comes   time.Duration
	letGo          int
	sent           float64
	recent         []simOctets
	proven         []simOctets
	first          time.Duration
	peers          []*simPeer
	fromPeers, dup float64
}

const simStep = 20 * time.Millisecond

func lastSecond(all []simOctets, now time.Duration) int64 {
	n := 0.0
	for _, o := range all {
		if o.at > now-time.Second {
			n += o.octets
		}
	}
	return int64(n)
}

func newSim(r *rand.Rand) *sim {
	length := int64(1 + r.IntN(30*mib))
	s := &sim{
		layout: verify.LayoutOf(length), open: true, until: length, rate: 1e5 * float64(1+r.IntN(30)), best: -1,
		returns: r.IntN(4) > 0, first: -1,
	}
	s.tail = s.layout.Pieces()
	s.have = fetch.NewPieces(s.tail)
	if s.returns && r.IntN(4) == 0 {
		s.down[0] = time.Duration(r.IntN(10)) * time.Second
		s.down[1] = s.down[0] + time.Duration(r.IntN(20))*time.Second
	}
	for id := range r.IntN(8) {
		p := &simPeer{
			id: id, rate: 1e4 * float64(1+r.IntN(500)), delay: time.Duration(1+r.IntN(300)) * time.Millisecond,
			joins: time.Duration(r.IntN(5000)) * time.Millisecond, fails: time.Hour,
		}
		if r.IntN(3) == 0 {
			p.fails = time.Duration(r.IntN(20_000)) * time.Millisecond
		}
		s.peers = append(s.peers, p)
	}
	return s
}

func (s *sim) view() fetch.View {
	v := fetch.View{
		Now: s.now, Layout: s.layout, Front: int64(s.front), Have: slices.Clone(s.have), Tail: s.tail, Slots: 96,
		PeerSecond: lastSecond(s.proven, s.now), PeerSince: s.first, Hungry: -1,
		Origin: fetch.OriginView{
			Open: s.open, Until: s.until, Since: s.since, Returns: s.returns, Second: lastSecond(s.recent, s.now), Rate: s.best, LetGo: s.letGo,
		},
	}
	if s.now >= s.down[0] && s.now < s.down[1] {
		v.Origin.NotBefore = s.down[1]
	}
	for _, p := range s.peers {
		if p.left || s.now < p.joins {
			continue
		}
		x := fetch.PeerView{ID: p.id, Has: fetch.AllPieces(s.layout.Pieces()), Second: lastSecond(p.recent, s.now), Heard: p.heard}
		x.Rate = float64(x.Second)
		for _, o := range p.orders {
			x.Orders = append(x.Orders, o.Order)
		}
		v.Peers = append(v.Peers, x)
	}
	return v
}

func (s *sim) apply(p fetch.Plan) {
	for _, id := range p.Leave {
		s.peers[id].left, s.peers[id].orders = true, nil
	}
	switch p.Origin {
	case fetch.LetGo:
		s.open = false
		s.letGo++
	case fetch.Return:
		s.open, s.until, s.since, s.comes = true, p.Until, s.now, s.now+100*time.Millisecond
	}
	for _, o := range p.Orders {
		x := s.peers[o.Peer]
		x.orders = append(x.orders, simOrder{o, s.now + x.delay})
	}
}

// move lets simStep pass.
func (s *sim) move() {
	s.now += simStep
	if s.open && s.now >= s.down[0] && s.now < s.down[1] {
		s.open = false
	}
	if s.open && s.now >= s.comes {
		n := min(s.rate*simStep.Seconds(), float64(s.until)-s.front)
		s.front, s.sent = s.front+n, s.sent+n
		s.recent = append(s.recent, simOctets{at: s.now, octets: n})
		if s.now-max(s.since, s.comes) >= time.Second {
			s.best = max(s.best, float64(lastSecond(s.recent, s.now)))
		}
		s.open = s.front < float64(s.until)
	}
	for _, p := range s.peers {
		s.movePeer(p)
	}
	old := func(o simOctets) bool { return o.at < s.now-2*time.Second }
	s.recent, s.proven = slices.DeleteFunc(s.recent, old), slices.DeleteFunc(s.proven, old)
}

func (s *sim) movePeer(p *simPeer) {
	p.recent = slices.DeleteFunc(p.recent, func(o simOctets) bool { return o.at < s.now-2*time.Second })
	if len(p.orders) == 0 || s.now >= p.fails || s.now < p.orders[0].from {
		return
	}
	n := p.rate * simStep.Seconds()
	p.heard = s.now
	p.recent = append(p.recent, simOctets{at: s.now, octets: n})
	p.got += n
	for len(p.orders) > 0 && p.got >= float64(s.layout.Size(p.orders[0].Next)) {
		o := &p.orders[0]
		size := float64(s.layout.Size(o.Next))
		p.got -= size
		s.keep(o.Next, size)
		if o.Next++; o.Next == o.End {
			p.orders = p.orders[1:]
		}
	}
	if len(p.orders) == 0 {
		p.got = 0
	}
}

func (s *sim) keep(i int, size float64) {
	s.fromPeers += size
	if s.have.Has(i) || s.layout.Offset(i+1) <= int64(s.front) {
		s.dup += size
		return
	}
	s.have.Add(i)
	s.proven = append(s.proven, simOctets{at: s.now, octets: size})
	if s.first < 0 {
		s.first = s.now
	}
	for s.tail > 0 && s.have.Has(s.tail-1) {
		s.tail--
	}
}

// lost reports whether nobody is left who could deliver.
func (s *sim) lost() bool {
	return !s.open && !s.returns && !slices.ContainsFunc(s.peers, func(p *simPeer) bool { return !p.left && s.now < p.fails })
}

// TestNextSimulated drives Next to completion. It always comes to an end, the
// origin never sends an octet twice, and it is never much slower than the
// origin alone.
func TestNextSimulated(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := newSim(newRand(seed))
			length := float64(s.layout.Length)
			alone := time.Duration(length/s.rate*1e9) + s.down[1] - s.down[0]
			for float64(s.layout.Offset(s.tail)) > s.front && !s.lost() {
				s.apply(fetch.Next(s.view()))
				s.move()
				if s.now > alone*2+time.Minute {
					t.Fatalf("no end after %v: front %.0f, tail %d of %.0f octets, alone %v", s.now, s.front, s.tail, length, alone)
				}
			}
			if s.sent > length {
				t.Errorf("the origin sent %.0f octets of %.0f", s.sent, length)
			}
			// Peers that fail cost 2 s each; one that slows no more than that.
			fails := 0
			for _, p := range s.peers {
				if p.fails < time.Hour {
					fails++
				}
			}
			if limit := alone*105/100 + time.Duration(2+2*fails)*time.Second; s.now > limit {
				t.Errorf("took %v, alone %v", s.now, alone)
			}
			if s.dup > length/4+2*mib {
				t.Errorf("%.0f octets of peers came twice, of %.0f", s.dup, length)
			}
		})
	}
}
