package fetch_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

// stores makes n nodes on fast lines, of which each needs commit to store a body
// that comes from an origin with a slow one.
func stores(t *testing.T, n, size int, commit time.Duration, play func(c *throng, stores []*fetchtest.Store)) {
	t.Helper()
	body := bodyOf(size)
	synctest.Test(t, func(t *testing.T) {
		c := &throng{
			T: t, body: body, web: &fetchtest.Web{}, mesh: &fetchtest.Mesh{}, net: &dht.Memory{},
			link: &fetchtest.Link{Rate: 20 * mbit, Latency: 10 * time.Millisecond}, start: time.Now(),
		}
		c.web.Put(site, object(body, c.link))
		var all []*fetchtest.Store
		for i := range n {
			name, store := fmt.Sprintf("node%d", i), &fetchtest.Store{CommitTime: commit}
			m := &fetchtest.MeshNode{Name: name, Up: &fetchtest.Link{Rate: 1000 * mbit, Latency: 10 * time.Millisecond}}
			f := fetch.New(fetch.Config{
				Cache: store, Origin: c.web, Judge: store.Judge, Memory: store, Shelf: store, Self: name,
				Swarm: c.mesh.Add(m), Router: c.net.Router(dht.Member{ID: name}),
			})
			m.Shelf = f
			c.nodes, all = append(c.nodes, f), append(all, store)
		}
		play(c, all)
		for _, f := range c.nodes {
			f.Close()
		}
		synctest.Wait()
	})
}

// TestLandedBodyIsOffered: whoever has all of a body gives it while the cache is
// still storing it. Members that asked meanwhile came back a second and a half
// later.
func TestLandedBodyIsOffered(t *testing.T) {
	stores(t, 2, 8*mib, 5*time.Second, func(c *throng, stores []*fetchtest.Store) {
		c.together(members(0, 1), atOnce)
		begun := time.Now()
		c.together(members(1, 2), atOnce)
		took := time.Since(begun)
		c.Logf("took %v; from the origin alone %v", took, time.Duration(float64(len(c.body))/(20*mbit)*1e9))
		if took > 400*time.Millisecond || len(stores[0].Seals()) > 0 {
			c.Errorf("took %v, and the first has stored %d", took, len(stores[0].Seals()))
		}
	})
}

// TestLentBodyOutlivesItsFlight: what was opened of a flight can be read when the
// cache has it; of a flight that came to nothing it cannot.
func TestLentBodyOutlivesItsFlight(t *testing.T) {
	for _, fails := range []bool{false, true} {
		stores(t, 1, 2*mib, time.Second, func(c *throng, stores []*fetchtest.Store) {
			stores[0].FailCommit = fails
			c.together(members(0, 1), atOnce)
			token := verify.TokenOf(id(site), fetchtest.WholeOf(verify.SHA256, c.body).Digest)
			sh, err := c.nodes[0].Open(id(site), token)
			if err != nil || !sh.Complete || len(sh.States) != sh.Digest.ListSize() {
				c.Fatalf("open while it is stored: %+v, %v", sh, err)
			}
			defer sh.Close()
			got := make([]byte, 100)
			if _, err := sh.Body.ReadAt(got, 1000); err != nil || string(got) != string(c.body[1000:1100]) {
				c.Errorf("while it is stored: %v", err)
			}
			<-time.After(2 * time.Second)
			_, err = sh.Body.ReadAt(got, 5000)
			if right := string(got) == string(c.body[5000:5100]); fails == (err == nil) || !fails && !right {
				c.Errorf("commit fails %v: read %v, right %v", fails, err, right)
			}
		})
	}
}
