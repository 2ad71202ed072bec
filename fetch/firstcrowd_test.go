package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

// throng is a first crowd whose members behave, or not, each in its own way.
type throng struct {
	*testing.T
	body  []byte
	web   *fetchtest.Web
	mesh  *fetchtest.Mesh
	net   *dht.Memory
	link  *fetchtest.Link
	nodes []*fetch.Fetcher
	start time.Time
}

// gather makes a crowd of n on virtual time and lets play use it. set says how
// each member behaves.
func gather(t *testing.T, n, size int, set func(i int, m *fetchtest.MeshNode), play func(c *throng)) {
	t.Helper()
	body := bodyOf(size)
	synctest.Test(t, func(t *testing.T) {
		c := &throng{
			T: t, body: body, web: &fetchtest.Web{}, mesh: &fetchtest.Mesh{}, net: &dht.Memory{},
			link: &fetchtest.Link{Rate: 20 * mbit, Latency: 40 * time.Millisecond}, start: time.Now(),
		}
		c.web.Put(site, object(body, c.link))
		for i := range n {
			name, store := fmt.Sprintf("node%d", i), &fetchtest.Store{}
			m := &fetchtest.MeshNode{Name: name, Up: &fetchtest.Link{Rate: 20 * mbit, Latency: 40 * time.Millisecond}}
			set(i, m)
			f := fetch.New(fetch.Config{
				Cache: store, Origin: c.web, Judge: store.Judge, Memory: store, Shelf: store, Self: name,
				Swarm: c.mesh.Add(m), Router: c.net.Router(dht.Member{ID: name}),
			})
			m.Shelf = f
			c.nodes = append(c.nodes, f)
		}
		play(c)
		for _, f := range c.nodes {
			f.Close()
		}
		synctest.Wait()
	})
}

func honest(int, *fetchtest.MeshNode) {}

// read lets member i read all until ctx is done, resting after each buffer.
func (c *throng) read(ctx context.Context, i int, rest time.Duration) (octets int, err error) {
	resp, err := c.nodes[i].Do(ctx, fetchtest.Request(site))
	if err != nil {
		return 0, err
	}
	defer func() {
		resp.Body.Close()
		resp.Done(int64(octets))
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(buf)
		if octets+n > len(c.body) || !bytes.Equal(buf[:n], c.body[octets:octets+n]) {
			c.Errorf("node%d: wrong octets behind %d", i, octets)
			return octets, errors.New("wrong octets")
		}
		octets += n
		switch {
		case errors.Is(err, io.EOF):
			return octets, nil
		case err != nil:
			return octets, err
		}
		if rest > 0 {
			<-time.After(rest)
		}
	}
}

// together lets the members named read all, each at its time, and returns when
// the last of them was done. All must get all.
func (c *throng) together(members []int, at func(i int) time.Duration) time.Duration {
	c.Helper()
	var wg sync.WaitGroup
	for _, i := range members {
		wg.Go(func() {
			<-time.After(at(i))
			if n, err := c.read(c.Context(), i, 0); err != nil || n != len(c.body) {
				c.Errorf("node%d: %d of %d octets: %v", i, n, len(c.body), err)
			}
		})
	}
	wg.Wait()
	return time.Since(c.start)
}

func (c *throng) copies() float64 { return float64(c.web.Sent()) / float64(len(c.body)) }

func atOnce(int) time.Duration { return 0 }

// members returns those from a up to b.
func members(a, b int) (out []int) {
	for i := a; i < b; i++ {
		out = append(out, i)
	}
	return out
}

// everywhere reports whether each piece is with some member.
func (c *throng) everywhere() bool {
	token := verify.TokenOf(id(site), fetchtest.WholeOf(verify.SHA256, c.body).Digest)
	n := verify.LayoutOf(int64(len(c.body))).Pieces()
	all := fetch.NewPieces(n)
	for _, f := range c.nodes {
		sh, err := f.Open(id(site), token)
		if err != nil {
			continue
		}
		for i := range n {
			if sh.Complete || sh.Has.Has(i) {
				all.Add(i)
			}
		}
		sh.Close()
	}
	return all.Count() == n
}

// die takes the origin off line for good, transfers under way and all, as soon as
// each piece is with some member.
func (c *throng) die(ctx context.Context) {
	for !c.everywhere() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	c.web.Put(site, fetchtest.Object{Refuses: true})
	c.link.SetRate(1e-3)
}

// TestDyingOrigin: once all pieces are in the swarm nobody needs the origin,
// whether the crowd came together or one after the other.
func TestDyingOrigin(t *testing.T) {
	for _, every := range []time.Duration{0, 400 * time.Millisecond} {
		t.Run(every.String(), func(t *testing.T) {
			gather(t, 8, 8*mib, honest, func(c *throng) {
				ctx, cancel := context.WithCancel(c.Context())
				defer cancel()
				go c.die(ctx)
				last := c.together(members(0, 8), func(i int) time.Duration { return time.Duration(i) * every })
				c.Logf("%v, %.2f copies", last, c.copies())
				if last > 15*time.Second {
					c.Errorf("took %v", last)
				}
			})
		})
	}
}

// TestLiarsAndChurn: a quarter of the crowd lies and a third of the others leave
// halfway. Those who stay have the right octets, and not much later than in a
// crowd of honest ones that stay. Sly liars lie of nothing that all took from the
// origin in the beginning, and send what they claim: only the whole shows it.
func TestLiarsAndChurn(t *testing.T) {
	const stay, leave, lying, size = 4, 2, 2, 8 * mib
	var calm time.Duration
	gather(t, stay+leave+lying, size, honest, func(c *throng) {
		calm = c.together(members(0, stay+leave+lying), atOnce)
		c.Logf("honest: %v, %.2f copies", calm, c.copies())
	})
	for name, set := range map[string]func(i int, m *fetchtest.MeshNode){
		"blunt": func(i int, m *fetchtest.MeshNode) { m.Lies, m.ClaimsIt = i >= stay+leave, i%2 == 0 },
		"of their own": func(i int, m *fetchtest.MeshNode) {
			m.Lies, m.ClaimsIt, m.OfItsOwn, m.Honest = i >= stay+leave, true, true, func(i int) bool { return i < 4 }
		},
		"refuting": func(i int, m *fetchtest.MeshNode) { m.Refutes = i >= stay+leave },
		"sly": func(i int, m *fetchtest.MeshNode) {
			m.Lies, m.ClaimsIt, m.Honest = i >= stay+leave, true, func(i int) bool { return i < 4 }
		},
	} {
		t.Run(name, func(t *testing.T) {
			gather(t, stay+leave+lying, size, set, func(c *throng) { c.amongLiars(stay, leave, lying, calm) })
		})
	}
}

// amongLiars lets the first members stay, the next leave halfway, and the last
// lie.
func (c *throng) amongLiars(stay, leave, lying int, calm time.Duration) {
	c.Helper()
	var others sync.WaitGroup
	for i := stay; i < stay+leave; i++ {
		others.Go(func() {
			ctx, cancel := context.WithTimeout(c.Context(), time.Duration(i-stay+1)*time.Second)
			defer cancel()
			_, _ = c.read(ctx, i, 0) // which ends with ctx
		})
	}
	for i := stay + leave; i < stay+leave+lying; i++ {
		others.Go(func() { _, _ = c.read(c.Context(), i, 0) })
	}
	last := c.together(members(0, stay), atOnce)
	others.Wait()
	c.Logf("with liars and churn: %v, %.2f copies, banned %v", last, c.copies(), c.mesh.Banned())
	if last > calm*3/2 {
		c.Errorf("took %v, honest ones %v", last, calm)
	}
	for name := range c.mesh.Banned() {
		if name < fmt.Sprintf("node%d", stay+leave) {
			c.Errorf("honest %s is banned", name)
		}
	}
}

// TestOneIsDoneBeforeOthers: when the first has all, what the others have under way
// is not lost, nobody asks the origin for what the first has, and it gives on while
// its list is asked for. So hardly an octet is sent twice.
func TestOneIsDoneBeforeOthers(t *testing.T) {
	const n, size = 5, 16 * mib
	var all []*fetchtest.MeshNode
	gather(t, n, size, func(_ int, m *fetchtest.MeshNode) { all = append(all, m) }, func(c *throng) {
		last := c.together(members(0, n), func(i int) time.Duration { return time.Duration(i) * 1250 * time.Millisecond })
		sent := c.web.Sent()
		for _, m := range all {
			sent += m.Sent()
		}
		waste := float64(sent)/(n*size) - 1
		c.Logf("%v, %.3f copies, %.2f %% of what was sent was not needed", last, c.copies(), 100*waste)
		if waste > .0125 {
			c.Errorf("%.2f %% of what was sent was not needed", 100*waste)
		}
	})
}

// TestSlowReadersHarmNobody: a member whose reader is slow, one whose reader
// leaves, and one whose reader wants the end first keep nobody waiting.
func TestSlowReadersHarmNobody(t *testing.T) {
	const n, size = 8, 8 * mib
	var calm time.Duration
	gather(t, n, size, honest, func(c *throng) { calm = c.together(members(0, n), atOnce) })
	gather(t, n, size, honest, func(c *throng) {
		var odd sync.WaitGroup
		odd.Go(func() {
			if got, err := c.read(c.Context(), 5, 400*time.Millisecond); err != nil || got != size {
				c.Errorf("the slow reader has %d octets: %v", got, err)
			}
		})
		odd.Go(func() {
			ctx, cancel := context.WithTimeout(c.Context(), 1500*time.Millisecond)
			defer cancel()
			_, _ = c.read(ctx, 6, 0)
		})
		odd.Go(func() { c.seeks(7) })
		last := c.together(members(0, 5), atOnce)
		odd.Wait()
		c.Logf("%v, in a calm crowd %v; %.2f copies", last, calm, c.copies())
		if last > calm*5/4 {
			c.Errorf("took %v, in a calm crowd %v", last, calm)
		}
	})
}

// seeks lets member i read the last octets first, and then the first.
func (c *throng) seeks(i int) {
	resp, err := c.nodes[i].Do(c.Context(), fetchtest.Request(site))
	if err != nil {
		c.Errorf("node%d: %v", i, err)
		return
	}
	defer resp.Body.Close()
	body, ok := resp.Body.(io.ReadSeeker)
	if !ok {
		c.Error("the body cannot be sought in")
		return
	}
	for _, from := range []int{len(c.body) - 100_000, 0} {
		if _, err := body.Seek(int64(from), io.SeekStart); err != nil {
			c.Error(err)
		}
		got := make([]byte, 100_000)
		if _, err := io.ReadFull(body, got); err != nil || !bytes.Equal(got, c.body[from:][:len(got)]) {
			c.Errorf("node%d at %d: %v", i, from, err)
		}
	}
	resp.Done(200_000)
}

// TestBackoffIsHeardOnce: an origin that asks to be left alone in the midst of a
// crowd is asked by few of its members, who tell the others, and then by those
// whose reader has waited too long, once each, since what another heard never
// keeps a reader waiting; when it is back all get all.
func TestBackoffIsHeardOnce(t *testing.T) {
	const n, pause = 12, 3 * time.Second
	gather(t, n, 8*mib, honest, func(c *throng) {
		from := time.Now().Add(time.Second)
		time.AfterFunc(time.Second, func() { c.web.Put(site, fetchtest.Object{Refuses: true, RetryAfter: pause}) })
		time.AfterFunc(time.Second+pause, func() { c.web.Put(site, object(c.body, c.link)) })
		last := c.together(members(0, n), atOnce)
		first, later := 0, 0
		for _, r := range c.web.Requests(site) {
			switch since := r.At.Sub(from); {
			case since > 0 && since < pause/2:
				first++
			case since >= pause/2 && since < pause:
				later++
			}
		}
		c.Logf("%v, %.2f copies, %d requests refused at first, %d later", last, c.copies(), first, later)
		if first > 8 || later > n || last > 15*time.Second { // 8 make a team
			c.Errorf("%d requests at first and %d later while the origin wanted none, %v", first, later, last)
		}
	})
}

// TestSmallBodyInOneRoundTrip: a body of one piece costs one question to a peer
// at hand: the first octets that are not the origin's are there after one delay
// of its line, and no crowd is formed.
func TestSmallBodyInOneRoundTrip(t *testing.T) {
	for _, c := range []struct {
		size  int
		trips time.Duration
	}{{piece - 1, 1}, {piece, 1}, {3 * piece, 2}} {
		const delay = 50 * time.Millisecond
		body := bodyOf(c.size)
		play(t, func(w *world) { w.cfg.Sharing.Mode = fetch.ShareAll }, func(w *world) {
			w.web.Put(site, object(body, &fetchtest.Link{Rate: 1000}))
			w.peer(&fetchtest.Peer{Link: &fetchtest.Link{Rate: 1000 * mbit, Latency: delay}}, body)
			d := w.get(body)
			w.whole(d, body)
			w.within(fmt.Sprintf("%d octets", c.size), d.took, c.trips*delay+20*time.Millisecond)
		})
	}
}
