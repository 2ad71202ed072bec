package fetch_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

const (
	mirror = "https://mirror.example.org/pub/big.iso"
	signed = "https://cdn.example.net/big.iso?X-Amz-Signature=00aa"
)

// legacyDigest is a Digest field (RFC 3230) of body.
func legacyDigest(body []byte) string {
	return "SHA-256=" + base64.StdEncoding.EncodeToString(fetchtest.WholeOf(verify.SHA256, body).Digest.Sum())
}

// redirects puts at site a redirect to target, as MirrorBrain sends it.
func (w *world) redirects(target, digest string, fields ...string) {
	h := http.Header{"Location": {target}, "Digest": {digest}, "Cache-Control": {"max-age=60"}}
	for i := 0; i+1 < len(fields); i += 2 {
		h[fields[i]] = []string{fields[i+1]}
	}
	w.web.Put(site, fetchtest.Object{Status: http.StatusFound, Header: h, Link: line(originRate)})
}

// TestRedirectVouchesForItsMirror: what the redirector states proves bytes of
// peers, whichever mirror it names, and the answer is one to the URL that was
// asked.
func TestRedirectVouchesForItsMirror(t *testing.T) {
	body := bodyOf(16 * mib)
	for name, fields := range map[string][]string{
		"MirrorBrain":  {"Digest", legacyDigest(body)},
		"Hugging Face": {"X-Linked-Etag", `"` + hex.EncodeToString(fetchtest.WholeOf(verify.SHA256, body).Digest.Sum()) + `"`, "X-Linked-Size", fmt.Sprint(len(body))},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				at := site
				if name != "MirrorBrain" {
					at = "https://huggingface.co/o/m/resolve/main/big.bin"
				}
				h := http.Header{"Location": {signed}}
				for i := 0; i+1 < len(fields); i += 2 {
					h[fields[i]] = []string{fields[i+1]}
				}
				w.web.Put(at, fetchtest.Object{Status: http.StatusFound, Header: h})
				o := object(body, line(originRate))
				o.Digest = ""
				o.Header.Set("Content-Security-Policy", "sandbox")
				w.web.Put(signed, o)
				w.peer(&fetchtest.Peer{Object: id(at), Link: line(100 * mbit)}, body)
				d := w.do(w.Context(), fetchtest.Request(at, "User-Agent", "curl/8"), body)
				w.whole(d, body)
				r, _ := w.f.Receipt(at)
				if octets(r, "peer") < int64(len(body))/2 || d.resp.Status != 200 || d.resp.Header.Get("Content-Security-Policy") != "" {
					w.Errorf("status %d, fields %v, receipt %+v", d.resp.Status, d.resp.Header, r)
				}
				if keys := w.joined(); len(keys) != 2 || !keys[id(at).Key()] || keys[id(signed).Key()] {
					w.Errorf("announced under %v", keys)
				}
				if _, err := w.store.Lookup(fetchtest.Request(signed), time.Now()); err == nil {
					w.Error("the mirror's own URL is answered from the cache")
				}
			})
		})
	}
}

// TestRedirectIsTheBrowsers: a browser follows by itself, and gets nothing of
// what a tool was brought by a redirect.
func TestRedirectIsTheBrowsers(t *testing.T) {
	body := bodyOf(2 * mib)
	play(t, nil, func(w *world) {
		w.redirects(mirror, legacyDigest(body))
		w.web.Put(mirror, object(body, nil))
		for _, fields := range [][]string{{"User-Agent", "Mozilla/5.0"}, {"Sec-Fetch-Site", "cross-site"}, {"Referer", "https://example.com/"}, {"Cookie", "a=b"}} {
			w.whole(w.do(w.Context(), fetchtest.Request(site, "User-Agent", "wget"), body), body)
			if d := w.get(nil, fields...); d.err != nil || d.resp.Status != http.StatusFound {
				w.Errorf("%v: %+v, %v", fields, d.resp, d.err)
			}
		}
	})
}

// TestRedirectRevalidates: a redirect that states the digest of what is stored
// is as good as a 304, and no mirror is asked.
func TestRedirectRevalidates(t *testing.T) {
	body := bodyOf(2 * mib)
	play(t, nil, func(w *world) {
		w.redirects(mirror, legacyDigest(body))
		w.web.Put(mirror, object(body, nil))
		w.whole(w.get(body), body)
		pause(2 * time.Hour)
		d := w.get(body)
		w.whole(d, body)
		if n := len(w.web.Requests(mirror)); n != 1 {
			w.Errorf("the mirror was asked %d times: %+v", n, d.resp.Served)
		}
		next := fetchtest.Body(5, 2*mib)
		w.redirects(mirror, legacyDigest(next))
		w.web.Put(mirror, object(next, nil))
		pause(2 * time.Hour)
		w.whole(w.get(next), next)
	})
}

// TestRedirectIsPassedOn where it leads to nothing that it vouches for.
func TestRedirectIsPassedOn(t *testing.T) {
	body := bodyOf(2 * mib)
	for name, spoil := range map[string]func(w *world, o *fetchtest.Object){
		"404":        func(_ *world, o *fetchtest.Object) { o.Status = 404 },
		"coding":     func(_ *world, o *fetchtest.Object) { o.Header.Set("Content-Encoding", "gzip") },
		"cookie":     func(_ *world, o *fetchtest.Object) { o.Header.Set("Set-Cookie", "a=b") },
		"not public": func(_ *world, o *fetchtest.Object) { o.Private = true },
		"loop":       func(_ *world, o *fetchtest.Object) { o.Status = 302; o.Header.Set("Location", mirror) },
		"no digest":  func(w *world, _ *fetchtest.Object) { w.redirects(mirror, "") },
		"not for all": func(w *world, _ *fetchtest.Object) {
			w.redirects(mirror, legacyDigest(body), "Cache-Control", "private")
		},
		"sets a cookie": func(w *world, _ *fetchtest.Object) { w.redirects(mirror, legacyDigest(body), "Set-Cookie", "a=b") },
		"userinfo": func(w *world, _ *fetchtest.Object) {
			w.redirects("https://a:b@mirror.example.org/", legacyDigest(body))
		},
		"scheme": func(w *world, _ *fetchtest.Object) { w.redirects("file:///etc/passwd", legacyDigest(body)) },
	} {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				w.redirects(mirror, legacyDigest(body))
				o := object(body, nil)
				spoil(w, &o)
				w.web.Put(mirror, o)
				if d := w.get(nil); d.err != nil || d.resp.Status != http.StatusFound || len(d.got) > 0 {
					w.Errorf("%+v, %v", d.resp, d.err)
				}
				if n := len(w.web.Requests(mirror)); n > 5 {
					w.Errorf("%d requests", n)
				}
				w.silent(site, body)
			})
		})
	}
}

// TestFalseMirror: a mirror that sends something else than the redirector
// states is delivered as without this node, and that is all.
func TestFalseMirror(t *testing.T) {
	body, other := bodyOf(4*mib), fetchtest.Body(6, 4*mib)
	play(t, nil, func(w *world) {
		w.redirects(mirror, legacyDigest(body))
		w.web.Put(mirror, object(other, line(originRate)))
		w.whole(w.get(other), other)
		if len(w.store.Metas()) > 0 || len(w.swarm.Lies()) > 0 {
			w.Errorf("%d stored, banned %v", len(w.store.Metas()), w.swarm.Banned())
		}
	})
}

// TestMirrorsShareASwarm: what another node has from another URL helps, where
// both origins state the same digest.
func TestMirrorsShareASwarm(t *testing.T) {
	body := bodyOf(16 * mib)
	play(t, nil, func(w *world) {
		w.web.Put(mirror, object(body, line(originRate)))
		w.peer(&fetchtest.Peer{Link: line(100 * mbit)}, body) // has it from site
		d := w.do(w.Context(), fetchtest.Request(mirror), body)
		w.whole(d, body)
		if r, _ := w.f.Receipt(mirror); octets(r, "peer") < int64(len(body))/2 {
			w.Errorf("receipt %+v", r)
		}
		// And the other way round: it is offered by its digest.
		synctest.Wait() // it is stored
		name := digestID(verify.SHA256, body)
		s, err := w.f.Open(name, verify.TokenOf(name, fetchtest.WholeOf(verify.SHA256, body).Digest))
		if err != nil || !s.Complete {
			w.Fatalf("not offered by its digest: %v", err)
		}
		s.Close()
	})
}

// TestSignedURLsShareASwarm: a URL that grants access, and that anybody is led
// to, has no name but the digest.
func TestSignedURLsShareASwarm(t *testing.T) {
	body := bodyOf(16 * mib)
	play(t, nil, func(w *world) {
		w.web.Put(site, fetchtest.Object{Status: http.StatusFound, Header: http.Header{"Location": {signed}}})
		w.web.Put(signed, object(body, line(originRate)))
		w.peer(&fetchtest.Peer{Object: id("https://cdn.example.net/big.iso?X-Amz-Signature=11bb"), Link: line(100 * mbit)}, body)
		d := w.get(nil)
		if d.resp.Status != http.StatusFound {
			w.Fatalf("status %d", d.resp.Status)
		}
		w.whole(w.do(w.Context(), fetchtest.Request(signed), body), body)
		if r, _ := w.f.Receipt(signed); octets(r, "peer") < int64(len(body))/2 {
			w.Errorf("receipt %+v", r)
		}
		name := digestID(verify.SHA256, body)
		if keys := w.joined(); len(keys) != 1 || !keys[name.Key()] {
			w.Errorf("announced under %v", keys)
		}
		for _, c := range w.swarm.Wanted() {
			if c.ID != name {
				w.Errorf("peers were asked by %s", c.ID)
			}
		}
		synctest.Wait() // it is stored
		digest := fetchtest.WholeOf(verify.SHA256, body).Digest
		if _, err := w.f.Open(id(signed), verify.TokenOf(id(signed), digest)); err == nil {
			w.Error("it is offered by its URL")
		}
		if s, err := w.f.Open(name, verify.TokenOf(name, digest)); err != nil || !s.Complete {
			w.Errorf("not offered by its digest: %v", err)
		} else {
			s.Close()
		}
	})
}

// TestSignedURLStaysPrivate where only its holder was led to it, or its body
// has no digest to go by.
func TestSignedURLStaysPrivate(t *testing.T) {
	body := bodyOf(2 * mib)
	for name, set := range map[string]func(w *world, h http.Header, o *fetchtest.Object) *fetch.Request{
		"led with a cookie": func(*world, http.Header, *fetchtest.Object) *fetch.Request {
			return fetchtest.Request(site, "Cookie", "a=b")
		},
		"private": func(_ *world, h http.Header, _ *fetchtest.Object) *fetch.Request {
			h.Set("Cache-Control", "private")
			return fetchtest.Request(site)
		},
		"session": func(_ *world, h http.Header, _ *fetchtest.Object) *fetch.Request {
			h.Set("Set-Cookie", "a=b")
			return fetchtest.Request(site)
		},
		"no digest": func(_ *world, _ http.Header, o *fetchtest.Object) *fetch.Request {
			o.Digest = ""
			return fetchtest.Request(site)
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, nil, func(w *world) {
				h, o := http.Header{"Location": {signed}}, object(body, nil)
				req := set(w, h, &o)
				w.web.Put(site, fetchtest.Object{Status: http.StatusFound, Header: h})
				w.web.Put(signed, o)
				w.do(w.Context(), req, nil)
				w.whole(w.do(w.Context(), fetchtest.Request(signed), body), body)
				w.silent(signed, body)
			})
		})
	}
}
