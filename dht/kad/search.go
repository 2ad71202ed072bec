package kad

import (
	"context"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	kb "github.com/libp2p/go-libp2p-kbucket"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/routing"
)

// Limits of one search. What a walk brings cannot be told apart by who said
// it, so a liar can fill its share; each holder that is asked directly has a
// share of its own beside it.
const (
	searchLimit  = time.Minute
	maxFromWalk  = 1024
	maxPerHolder = 128
)

// search is one Find or Join. All fields belong to the goroutine of run.
type search struct {
	r       *Router
	key     dht.Key
	join    bool
	started time.Time

	out   chan dht.Member
	queue []dht.Member    // found and not yet taken
	seen  map[string]bool // by member: whether it had addresses
	walk  *walk           // nil when none runs
	near  closest         // what the walks of this search learnt

	holders  []peer.ID      // written to or asked so far
	asking   int            // holders whose answer is outstanding
	answers  chan answer    // of the holders
	work     sync.WaitGroup // the goroutines that this search started
	answered int            // holders that answered
	named    int            // of them, those that name this node
	fromWalk int            // members that the walk brought
	walked   bool           // a walk was started
	observed bool           // the time to the first member is noted
}

func (r *Router) newSearch(k dht.Key, join bool) *search {
	return &search{
		r: r, key: k, join: join, started: time.Now(),
		out:     make(chan dht.Member),
		seen:    make(map[string]bool),
		answers: make(chan answer),
		near:    closest{self: r.self, k: r.cfg.BucketSize, target: kb.ConvertKey(string(k.CID().Hash()))},
	}
}

// run closes out when the search has ended or ctx is done, and returns when
// all that it started has ended.
func (s *search) run(ctx context.Context, cancel context.CancelFunc) {
	if s.join {
		s.r.addLocal(s.key)
	}
	s.greet()
	s.start(ctx)
	for ctx.Err() == nil && (s.walk != nil || s.asking > 0) {
		s.step(ctx)
	}
	s.settle(ctx)
	for ctx.Err() == nil && len(s.queue) > 0 {
		s.step(ctx)
	}
	close(s.out)
	cancel()
	s.walk.drain()
	s.work.Wait()
}

// greet offers a few peers that were good before and are connected: they may
// well belong to this crowd too, and no stranger can keep their names away.
func (s *search) greet() {
	const most = 4
	greeted := 0
	for _, p := range s.r.good() {
		if s.r.distance(p) != 0 || greeted == most {
			continue
		}
		if m, ok := s.r.member(peer.AddrInfo{ID: p}); ok {
			s.queue = append(s.queue, m)
			greeted++
		}
	}
}

// start asks the holders that are remembered. They stand for a walk if there
// are as many of them as hold a record.
func (s *search) start(ctx context.Context) {
	remembered := s.r.recent.get(s.id())
	s.contact(ctx, remembered)
	if len(remembered) < s.r.cfg.BucketSize {
		s.startWalk(ctx)
		return
	}
	s.local(ctx)
}

func (s *search) startWalk(ctx context.Context) {
	s.walked = true
	s.walk = s.r.newWalk(ctx, s.key)
}

// step waits for one thing to happen.
func (s *search) step(ctx context.Context) {
	var send chan<- dht.Member
	var next dht.Member
	if len(s.queue) > 0 {
		send, next = s.out, s.queue[0]
	}
	select {
	case send <- next:
		s.queue = s.queue[1:]
	case a := <-s.answers:
		s.asking--
		s.take(a)
		s.walkInstead(ctx)
	case ai, ok := <-s.walk.members():
		if !ok {
			s.endWalk(ctx)
			break
		}
		if s.fromWalk < maxFromWalk && s.offer(ai) {
			s.fromWalk++
		}
	case e := <-s.walk.queries():
		s.hear(ctx, e)
	case e := <-s.walk.lookups():
		if e != nil && e.Terminate != nil {
			s.converge(ctx, s.near.sure())
		}
	case <-s.walk.stalled():
		s.converge(ctx, s.near.answered)
	case <-ctx.Done():
	}
}

// hear follows the walk. Between its convergence and its end kad-dht asks the
// rest of the nearest peers: each is written to as soon as it has answered.
func (s *search) hear(ctx context.Context, e *routing.QueryEvent) {
	if e == nil || e.Type != routing.PeerResponse {
		return
	}
	s.near.answer(e.ID, e.Responses)
	s.walk.progress()
	if s.walk.converged {
		s.enrol(ctx, s.near.sure())
	}
}

// converge enrols with the first holders of a walk, and remembers those that a
// search which starts before the walk has ended may ask.
func (s *search) converge(ctx context.Context, holders []peer.ID) {
	s.walk.converged = true
	s.enrol(ctx, holders)
	s.r.recent.put(s.id(), s.near.sure())
}

// endWalk takes the nearest of those that answered for the holders, unless the
// walk was cut short: then they may be anybody.
func (s *search) endWalk(ctx context.Context) {
	s.walk.cancel() // which ends the events once they are read
	for e := range s.walk.queries() {
		s.hear(ctx, e)
	}
	s.walk = nil
	if ctx.Err() == nil {
		s.enrol(ctx, s.near.answered)
		s.r.recent.put(s.id(), s.near.answered)
	}
}

// local offers the members whose records this node holds itself.
func (s *search) local(ctx context.Context) {
	infos, err := s.r.dht.ProviderStore().GetProviders(ctx, s.key.CID().Hash())
	if err != nil {
		return // closed or cancelled: the search ends anyway
	}
	for _, ai := range infos[:min(len(infos), maxPerHolder)] {
		s.offer(ai)
	}
}

// offer queues a member that is new, or had no addresses until now.
func (s *search) offer(ai peer.AddrInfo) bool {
	m, ok := s.r.member(ai)
	if !ok {
		return false
	}
	if had, known := s.seen[m.ID]; known && (had || len(m.Addrs) == 0) {
		return false
	}
	s.observe()
	s.seen[m.ID] = len(m.Addrs) > 0
	s.queue = append(s.queue, m)
	return true
}

// settle hands the membership on: to be renewed when most holders name this
// node, to be announced anew when they do not.
func (s *search) settle(ctx context.Context) {
	if s.join {
		s.r.keep.settle(s.id(), s.named > 0 && 2*s.named >= len(s.holders))
	}
	if ctx.Err() == nil {
		s.observe()
	}
}

// observe notes how long the first member took, or that there was none.
func (s *search) observe() {
	if !s.observed {
		s.observed = true
		s.r.metrics.lookup.Observe(time.Since(s.started).Seconds())
	}
}

func (s *search) id() string { return string(s.key.CID().Hash()) }
