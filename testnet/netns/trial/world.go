//go:build linux

package trial

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/flashcrowd/flashcrowd/testnet/netns"
)

// world is the network of one run.
type world struct {
	scenario  Scenario
	net       *netns.Net
	origin    *origin
	bystander *netns.Host
	peers     []*netns.Host
}

func newWorld(ctx context.Context, s Scenario) (_ *world, err error) {
	w := &world{scenario: s}
	if w.net, err = netns.New(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.net.Close())
		}
	}()
	if w.origin, err = startOrigin(ctx, w.net, s); err != nil {
		return nil, err
	}
	if w.bystander, err = w.net.Host(ctx, "bystander", netns.Line{}); err != nil {
		return nil, err
	}
	for i := range s.Peers {
		h, err := w.net.Host(ctx, fmt.Sprintf("peer%d", i+1), s.Peer)
		if err != nil {
			return nil, err
		}
		w.peers = append(w.peers, h)
	}
	return w, nil
}

// Run plays s in one way. An error is one of the network or of the programs
// around the crowd; what becomes of the downloads is in the result.
func Run(ctx context.Context, s Scenario, way Way) (r Result, err error) {
	s = s.WithDefaults()
	methods := map[Way]method{Direct: direct{}, Aria2: &torrent{client: new(aria2)}, Libtorrent: &torrent{client: new(libtorrent)}, Flashcrowd: new(nodes)}
	m, ok := methods[way]
	if !ok {
		return r, fmt.Errorf("trial: there is no way %q", way)
	}
	ctx, cancel := context.WithTimeout(ctx, s.patience())
	defer cancel()
	w, err := newWorld(ctx, s)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.net.Close()) }()
	if err := m.prepare(ctx, w); err != nil {
		return r, err
	}
	before, err := w.look(ctx, m)
	if err != nil {
		return r, err
	}
	visits, pages := w.play(ctx, m)
	after, err := w.look(ctx, m)
	if err != nil {
		return r, err
	}
	return w.tell(way, visits, pages, before, after)
}

// outcome is a visit and what ended it.
type outcome struct {
	visit
	err error
}

// play lets the crowd come and returns when everybody is done, with the
// seconds that the bystander's pages took meanwhile.
func (w *world) play(ctx context.Context, m method) ([]outcome, []time.Duration) {
	playing, stop := context.WithCancel(ctx)
	var crowd, others sync.WaitGroup
	var pages []time.Duration
	first := make(chan struct{})
	var once sync.Once
	others.Go(func() { pages = w.askForPages(playing) })
	others.Go(func() { w.endOrigin(playing, first) })
	visits := make([]outcome, len(w.peers))
	for i, at := range w.scenario.Arrivals {
		crowd.Go(func() {
			select {
			case <-time.After(at):
			case <-ctx.Done():
			}
			v, err := m.visit(ctx, w, i)
			visits[i] = outcome{v, err}
			if err == nil {
				once.Do(func() { close(first) })
			}
		})
	}
	crowd.Wait()
	stop()
	others.Wait()
	return visits, pages
}

// askForPages asks the origin for its small page twice a second, as somebody
// who has nothing to do with the crowd: a new connection each time.
func (w *world) askForPages(ctx context.Context) (took []time.Duration) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return took
		case <-tick.C:
		}
		out, err := w.bystander.Command(ctx, "curl", "-sS", "--fail", "-m", "10", "-o", "/dev/null", "-w", "%{time_total}s", w.origin.url(pagePath)).Output()
		if d, parsed := time.ParseDuration(string(out)); err == nil && parsed == nil {
			took = append(took, d)
		}
	}
}

// endOrigin takes the origin off line when the scenario says so.
func (w *world) endOrigin(ctx context.Context, first <-chan struct{}) {
	s := w.scenario
	if s.DiesAfter == 0 && !s.DiesAtFirst {
		return
	}
	if !s.DiesAtFirst {
		first = nil
	}
	before, err := w.origin.host.Traffic(ctx)
	for err == nil {
		select {
		case <-ctx.Done():
			return
		case <-first:
			w.origin.web.Kill()
			return
		case <-time.After(50 * time.Millisecond):
		}
		var now netns.Traffic
		if now, err = w.origin.host.Traffic(ctx); err == nil && s.DiesAfter > 0 && float64(now.Sent-before.Sent) > s.DiesAfter*float64(s.Size) {
			w.origin.web.Kill()
			return
		}
	}
}
