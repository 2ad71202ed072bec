package fetchtest_test

import (
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The twins keep the contracts that the real ones keep.

func TestStore(t *testing.T) {
	folders := map[string]*fetchtest.Store{}
	fetchtest.Cache(t, func(_ *testing.T, dir string) fetchtest.CacheStore {
		if folders[dir] == nil {
			folders[dir] = &fetchtest.Store{}
		}
		return folders[dir]
	})
}

const url = "https://example.com/body"

func TestPeer(t *testing.T) {
	serve := func(t *testing.T, p *fetchtest.Peer, body []byte) fetch.Source {
		t.Helper()
		p.Name, p.Body = "peer", body
		u := fetchtest.Request(url).URL
		p.Object, _ = dht.URLID(u)
		e, err := verify.Remember(u, fetchtest.WholeOf(verify.SHA256, body).Digest, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		proof, err := verify.Admit(verify.Balanced, u, []verify.Evidence{e})
		if err != nil {
			t.Fatal(err)
		}
		s := &fetchtest.Swarm{}
		s.Add(nil, p)
		peer, err := s.Peer(dht.Member{ID: "peer"}, fetch.Want{ID: p.Object, Proof: proof})
		if err != nil {
			t.Fatal(err)
		}
		return peer
	}
	fetchtest.Source(t, fetchtest.Sources{
		Serve: func(t *testing.T, body []byte) fetch.Source { return serve(t, &fetchtest.Peer{}, body) },
		Cut: func(t *testing.T, body []byte, octets int) fetch.Source {
			if octets == 0 {
				return serve(t, &fetchtest.Peer{Short: int64(len(body))}, body)
			}
			return serve(t, &fetchtest.Peer{BreaksAfter: int64(octets)}, body)
		},
		Stall: func(t *testing.T, body []byte, octets int) (fetch.Source, <-chan struct{}) {
			gone := make(chan struct{}, 1)
			p := &fetchtest.Peer{Silent: octets == 0, StallsAfter: int64(octets), Ended: func() { gone <- struct{}{} }}
			return serve(t, p, body), gone
		},
	})
}

func TestWeb(t *testing.T) {
	serve := func(t *testing.T, o fetchtest.Object) fetch.Source {
		t.Helper()
		o.ETag, o.Ranges = `"v1"`, true
		w := &fetchtest.Web{}
		w.Put(url, o)
		req := fetchtest.Request(url)
		req.Method = http.MethodHead
		ans, err := w.Send(t.Context(), req, nil)
		if err != nil {
			t.Fatal(err)
		}
		ans.Body.Close()
		return w.Source(fetchtest.Request(url), ans.Meta)
	}
	fetchtest.Source(t, fetchtest.Sources{
		AnySpan: true,
		Serve:   func(t *testing.T, body []byte) fetch.Source { return serve(t, fetchtest.Object{Body: body}) },
		Cut: func(t *testing.T, body []byte, octets int) fetch.Source {
			return serve(t, fetchtest.Object{Body: body, DiesAt: int64(verify.MinPieceSize + octets)})
		},
		Stall: func(t *testing.T, body []byte, octets int) (fetch.Source, <-chan struct{}) {
			gone := make(chan struct{}, 2)
			at := int64(verify.MinPieceSize + octets)
			if octets == 0 {
				at = 1 // this case asks from the front
			}
			o := fetchtest.Object{Body: body, StallsAt: at, Ended: func() { gone <- struct{}{} }}
			s := serve(t, o)
			<-gone // of HEAD
			return s, gone
		},
	})
}
