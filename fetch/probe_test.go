package fetch_test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

// inParts is body as S3 has it after an upload in parts of size octets.
func inParts(body []byte, size int64) fetchtest.Object {
	outer, n := md5.New(), 0
	for p := range slices.Chunk(body, int(size)) {
		sum := md5.Sum(p)
		outer.Write(sum[:])
		n++
	}
	o := object(body, line(originRate))
	o.Digest, o.Parts = "", size
	o.ETag = fmt.Sprintf(`"%s-%d"`, hex.EncodeToString(outer.Sum(nil)), n)
	o.Header.Set("X-Amz-Id-2", "5Qm")
	o.Header.Set("X-Amz-Request-Id", "7F2")
	o.Header.Set("Content-Type", "video/mp4")
	return o
}

// asked returns how often site was asked by method, whatever its query.
func (w *world) asked(method string) int {
	n := 0
	for _, r := range w.web.Requests("") {
		if r.Method == method {
			n++
		}
	}
	return n
}

// TestPartsAreAskedFor: one HEAD tells the size of the parts, and from then on
// a complete peer helps with what is proven whole.
func TestPartsAreAskedFor(t *testing.T) {
	body := bodyOf(16 * mib)
	play(t, nil, func(w *world) {
		o := inParts(body, 5*mib)
		w.web.Put(site, o)
		d := w.get(body)
		w.whole(d, body)
		metas := w.store.Metas()
		if len(metas) != 1 || len(metas[0].Evidence) == 0 || metas[0].Evidence[0].Digest().Algorithm() != verify.MD5Parts {
			w.Fatalf("stored as %+v", metas)
		}
		digest := metas[0].Evidence[0].Digest()
		s, err := w.f.Open(id(site), verify.TokenOf(id(site), digest))
		if err != nil || !s.Complete {
			w.Fatalf("not offered to those who know the tag: %v", err)
		}
		s.Close()
		if d.resp.Served.Prospect != "etag; level=E3; alg=md5-of-parts" {
			w.Errorf("served %+v", d.resp.Served)
		}
		if r := w.receipt(); r.Evidence == nil || r.Evidence.Field() != d.resp.Served.Prospect || len(r.Missing) != 1 || !strings.HasPrefix(r.Missing[0], "nothing:") {
			w.Errorf("receipt %+v", r)
		}
		if n := w.asked(http.MethodHead); n != 1 {
			w.Errorf("%d probes", n)
		}
		if keys := w.joined(); !keys[id(site).Key()] {
			w.Errorf("announced under %v", keys)
		}
	})
}

// TestPartsThatAreUneven: an inference that the body denies is no contradiction
// of the origin: the body is stored, and not under that digest.
func TestPartsThatAreUneven(t *testing.T) {
	body := bodyOf(4 * mib)
	play(t, nil, func(w *world) {
		o := inParts(body, 2*mib)
		o.Parts = 3 * mib
		w.web.Put(site, o)
		w.whole(w.get(body), body)
		metas := w.store.Metas()
		if len(metas) != 1 || len(metas[0].Evidence) > 0 {
			w.Errorf("stored as %+v", metas)
		}
	})
}

// TestOneProbeAFreshnessLifetime, and none where the download tells, nobody may
// be asked, or the origin is not to be bothered.
func TestOneProbeAFreshnessLifetime(t *testing.T) {
	body := bodyOf(2 * mib)
	for name, c := range map[string]struct {
		set    func(*fetchtest.Object)
		fields []string
		want   int
	}{
		"silent":       {set: func(*fetchtest.Object) {}, want: 1},
		"tells":        {set: func(o *fetchtest.Object) { o.Digest = digestField(verify.SHA256, body) }},
		"private":      {set: func(o *fetchtest.Object) { o.Header.Set("Cache-Control", "private, max-age=60") }},
		"no validator": {set: func(o *fetchtest.Object) { o.ETag = "" }},
		"weak":         {set: func(o *fetchtest.Object) { o.ETag = `W/"1"` }},
		"short":        {set: func(o *fetchtest.Object) { o.Body = body[:mib-1] }},
		"cookie":       {set: func(*fetchtest.Object) {}, fields: []string{"Cookie", "a=b"}},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *world) { w.cfg.Memory = nil }, func(w *world) {
				o := object(body, line(originRate))
				o.Digest = ""
				c.set(&o)
				w.web.Put(site, o)
				for range 3 { // each a download of its own
					w.whole(w.get(o.Body, append(c.fields, "Cache-Control", "no-cache")...), o.Body)
					w.store.Clear()
				}
				if n := w.asked(http.MethodHead); n != c.want {
					w.Errorf("%d probes, want %d", n, c.want)
				}
				pause(2 * time.Hour)
				o.ETag = `"v2"`
				w.web.Put(site, o)
				w.whole(w.get(o.Body, c.fields...), o.Body)
				if n := w.asked(http.MethodHead); name == "silent" && n != 2 {
					w.Errorf("after the lifetime: %d probes", n)
				}
			})
		})
	}
}

// TestWhatHeadTells is for the next download of that version: this one has said
// already whose octets it has. A server that answers HEAD with something else
// is not believed.
func TestWhatHeadTells(t *testing.T) {
	body := bodyOf(16 * mib)
	for name, c := range map[string]struct {
		next func(*fetchtest.Object)
		want bool
	}{
		"same version":    {func(*fetchtest.Object) {}, true},
		"another version": {func(o *fetchtest.Object) { o.ETag = `"v2"` }, false},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *world) { w.cfg.Memory = nil }, func(w *world) {
				o := object(body, line(originRate))
				o.Digest, o.HeadDigest = "", o.Digest
				w.web.Put(site, o)
				w.peer(&fetchtest.Peer{Link: line(100 * mbit)}, body)
				d := w.get(body)
				w.whole(d, body)
				if d.resp.Served.Evidence != nil || octets(w.receipt(), "peer") > 0 {
					w.Errorf("octets of peers without a field that says so: %+v", w.receipt())
				}
				w.store.Clear()
				c.next(&o)
				o.HeadDigest = ""
				w.web.Put(site, o)
				d = w.get(body)
				w.whole(d, body)
				if helped := octets(w.receipt(), "peer") > 0; helped != c.want || helped != (d.resp.Served.Evidence != nil) {
					w.Errorf("peers helped: %v; %+v", helped, w.receipt())
				}
			})
		})
	}
}
