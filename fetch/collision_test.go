package fetch_test

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

// pairOf returns two bodies of one digest, of n octets.
func pairOf(t *testing.T, alg string, n int) (pair [2][]byte) {
	t.Helper()
	for i := range pair {
		start, err := os.ReadFile(fmt.Sprintf("../verify/testdata/collision/%s-%d.bin", alg, i+1))
		if err != nil {
			t.Fatal(err)
		}
		pair[i] = append(start, bodyOf(n-len(start))...)
	}
	return pair
}

func digestOf(t *testing.T, alg verify.Algorithm, body []byte) verify.Digest {
	t.Helper()
	var sum []byte
	if alg == verify.MD5 {
		s := md5.Sum(body)
		sum = s[:]
	} else {
		s := sha1.Sum(body)
		sum = s[:]
	}
	d, err := verify.NewDigest(alg, sum, int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// film is body on a store that states its MD5, jar on one that states its SHA-1.
func film(body []byte) fetchtest.Object {
	sum := md5.Sum(body)
	o := object(body, line(originRate))
	o.Digest = ""
	o.Header.Set("X-Goog-Hash", "md5="+base64.StdEncoding.EncodeToString(sum[:]))
	o.Header.Set("Content-Type", "video/mp4")
	return o
}

func jar(body []byte) fetchtest.Object {
	sum := sha1.Sum(body)
	o := object(body, line(originRate))
	o.Digest = ""
	o.Header.Set("X-Checksum-Sha1", hex.EncodeToString(sum[:]))
	return o
}

// alarms is how often two bodies claimed one digest.
func (w *world) alarms(r *prometheus.Registry) (n float64) {
	w.Helper()
	all, err := r.Gather()
	if err != nil {
		w.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == "flashcrowd_digest_alarms_total" {
			n = f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return n
}

// TestTwoBodiesUnderOneMD5: an uploader made two bodies of one MD5 and gave the
// site the one, its peers the other. Where both are claimed nobody is believed,
// nobody banned, and the origin gives its own.
func TestTwoBodiesUnderOneMD5(t *testing.T) {
	pair := pairOf(t, "md5-unfound", 8*mib)
	md5 := digestOf(t, verify.MD5, pair[0])
	for _, order := range [][]int{{0, 1}, {1, 0}, {0, 1, 1, 1}} {
		registry := prometheus.NewRegistry()
		play(t, func(w *world) { w.cfg.Metrics = registry }, func(w *world) {
			w.web.Put(site, film(pair[0]))
			for i, which := range order {
				w.peer(&fetchtest.Peer{Name: fmt.Sprint("p", i), Of: md5, Link: line(50 * mbit)}, pair[which])
			}
			w.whole(w.get(pair[0]), pair[0])
			if n := w.alarms(registry); n == 0 || octets(w.receipt(), "peer") > 0 || len(w.swarm.Lies()) > 0 {
				w.Errorf("%v: %v alarms, banned %v, %+v", order, n, w.swarm.Banned(), w.receipt())
			}
		})
	}
}

// TestSecondBodyUnderOneMD5: what this node once had by an MD5 is what it goes
// on believing: a later body of that digest, from the origin or from peers, is
// delivered by the origin and not stored.
func TestSecondBodyUnderOneMD5(t *testing.T) {
	pair := pairOf(t, "md5-unfound", 4*mib)
	registry := prometheus.NewRegistry()
	play(t, func(w *world) { w.cfg.Metrics, w.cfg.Memory = registry, nil }, func(w *world) {
		w.web.Put(site, film(pair[0]))
		w.whole(w.get(pair[0]), pair[0])
		w.store.Clear()
		o := film(pair[1])
		o.ETag = `"v2"`
		w.web.Put(site, o)
		w.whole(w.get(pair[1]), pair[1])
		if n := w.alarms(registry); n != 1 || len(w.store.Metas()) > 0 {
			w.Errorf("%v alarms, stored %v", n, w.store.Metas())
		}
	})
}

// TestLyingSHA1Pair: a body that a collision attack on SHA-1 made has no SHA-1:
// the origin's own is delivered and goes no further, whatever peers have.
func TestLyingSHA1Pair(t *testing.T) {
	pair := pairOf(t, "sha1", 8*mib)
	lyingPair(t, pair, jar(pair[0]), digestOf(t, verify.SHA1, pair[0]))
}

// TestLyingMD5Pair: nor has one that an attack on MD5 made, also where the peers
// are of one mind and the user takes MD5.
func TestLyingMD5Pair(t *testing.T) {
	for _, kind := range []string{"md5", "md5-fastcoll", "md5-unicoll"} {
		pair := pairOf(t, kind, 8*mib)
		lyingPair(t, pair, film(pair[0]), digestOf(t, verify.MD5, pair[0]))
	}
}

// lyingPair lets peers have one body of a pair, of which o is the first.
func lyingPair(t *testing.T, pair [2][]byte, o fetchtest.Object, of verify.Digest) {
	t.Helper()
	for _, which := range []int{0, 1} {
		play(t, nil, func(w *world) {
			w.web.Put(site, o)
			for i := range 3 {
				w.peer(&fetchtest.Peer{Name: fmt.Sprint("p", i), Of: of, Link: line(50 * mbit)}, pair[which])
			}
			w.whole(w.get(pair[0]), pair[0])
			if octets(w.receipt(), "peer") > 0 || len(w.store.Metas()) > 0 {
				w.Errorf("stored %v, %+v", w.store.Metas(), w.receipt())
			}
		})
	}
}

// TestLyingClaim: a peer says that it verified a digest without state lists, and
// has another body. All of that is here when it is found out, so it is a lie
// whatever the origin sends: it is banned, and nobody else.
func TestLyingClaim(t *testing.T) {
	body := bodyOf(8 * mib)
	other := slices.Clone(body)
	other[len(other)-1] ^= 1
	for name, c := range map[string]struct {
		o  fetchtest.Object
		of verify.Digest
	}{
		"MD5":   {film(body), digestOf(t, verify.MD5, body)},
		"SHA-1": {jar(body), digestOf(t, verify.SHA1, body)},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				w.web.Put(site, c.o)
				w.peer(&fetchtest.Peer{Name: "liar", Of: c.of, Link: line(100 * mbit)}, other)
				w.whole(w.get(body), body)
				if got := w.swarm.Banned(); !slices.Equal(got, []string{"liar"}) {
					w.Errorf("banned %v", got)
				}
				if w.receipt().Status != http.StatusOK || len(w.store.Metas()) != 1 {
					w.Errorf("%+v", w.receipt())
				}
			})
		})
	}
}
