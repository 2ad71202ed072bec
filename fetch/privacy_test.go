package fetch_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/fetch/fetchtest"
	"github.com/flashcrowd/flashcrowd/verify"
)

// silent fails the test if anybody could have learnt that the node wants or
// has anything.
func (w *world) silent(url string, body []byte) {
	w.Helper()
	if calls := w.router.Calls(""); len(calls) > 0 {
		w.Errorf("the router saw %v", calls)
	}
	if wants := w.swarm.Wanted(); len(wants) > 0 {
		w.Errorf("peers were asked for %v", wants)
	}
	token := verify.TokenOf(id(url), fetchtest.WholeOf(verify.SHA256, body).Digest)
	if _, err := w.f.Open(id(url), token); !errors.Is(err, fetch.ErrUnknown) {
		w.Errorf("it is offered to others: %v", err)
	}
	for _, m := range w.store.Metas() {
		if m.Shared {
			w.Errorf("%s is stored as shared", m.URL)
		}
	}
}

type privateCase struct {
	name   string
	url    string // site if empty
	object func(*fetchtest.Object)
	fields []string
	mode   fetch.ShareMode
}

// TestPrivacy is the table of design.md section 7: what is not anybody's is
// never looked up, never announced and never served, during the transfer and
// after it.
func TestPrivacy(t *testing.T) {
	header := func(name, value string) func(*fetchtest.Object) {
		return func(o *fetchtest.Object) { o.Header.Add(name, value) }
	}
	for _, c := range []privateCase{
		{name: "Set-Cookie", object: header("Set-Cookie", "a=b")},
		{name: "private", object: header("Cache-Control", "Private")},
		{name: "private for fields", object: header("Cache-Control", `private="x, y"`)},
		{name: "no-store", object: header("Cache-Control", "no-store")},
		{name: "Vary", object: header("Vary", "Accept-Encoding, Accept-Language")},
		{name: "Vary *", object: header("Vary", "*")},
		{name: "private origin", object: func(o *fetchtest.Object) { o.Private = true }},
		{name: "HTML", object: func(o *fetchtest.Object) { o.Header.Set("Content-Type", "Text/HTML; charset=utf-8") }},
		{name: "XHTML", object: func(o *fetchtest.Object) { o.Header.Set("Content-Type", "application/xhtml+xml") }},
		{name: "malformed HTML", object: func(o *fetchtest.Object) { o.Header.Set("Content-Type", "text/html, text/html") }},
		{name: "short", object: func(o *fetchtest.Object) { *o = object(bodyOf(mib-1), nil) }},
		{name: "not 200", object: func(o *fetchtest.Object) { o.Status = 203 }},
		{name: "no digest, no freshness", object: func(o *fetchtest.Object) {
			o.Digest = ""
			o.Header.Del("Cache-Control")
		}},
		{name: "no digest, freshness", object: func(o *fetchtest.Object) { o.Digest, o.Body = "", fetchtest.Body(3, mib-1) }},
		{name: "no length", object: func(o *fetchtest.Object) { o.NoLength = true }},

		{name: "Authorization", fields: []string{"Authorization", "Basic YTpi"}},
		{name: "Cookie", fields: []string{"Cookie", "a=b"}},
		{name: "cookie in small letters", fields: []string{"cookie", "a=b"}},
		{name: "unknown field", fields: []string{"X-Requested-With", "me"}},
		{name: "request no-store", fields: []string{"Cache-Control", "no-store"}},
		{name: "Range", fields: []string{"Range", "bytes=0-"}},

		{name: "token", url: "https://example.com/big.iso?token=a"},
		{name: "signed", url: "https://example.com/big.iso?v=1&X-Amz-Signature=00"},
		{name: "random value", url: "https://example.com/big.iso?x=kJ8s0dFq2Lm4Zp9XwR7t"},
		{name: "random query", url: "https://example.com/big.iso?kJ8s0dFq2Lm4Zp9XwR7t"},
		{name: "userinfo", url: "https://me@example.com/big.iso"},
		{name: "password", url: "https://me:secret@example.com/big.iso"},

		{name: "share off", mode: fetch.ShareOff},
	} {
		t.Run(c.name, func(t *testing.T) { playPrivate(t, c) })
	}
}

func playPrivate(t *testing.T, c privateCase) {
	play(t, func(w *world) { w.cfg.Sharing.Mode = c.mode }, func(w *world) {
		o := object(bodyOf(2*mib), &fetchtest.Link{Rate: 20 * mbit})
		if c.object != nil {
			c.object(&o)
		}
		url := c.url
		if url == "" {
			url = site
		}
		w.web.Put(url, o)
		if c.url == "" {
			w.peer(&fetchtest.Peer{}, o.Body)
		}
		req := fetchtest.Request(url)
		for i := 0; i+1 < len(c.fields); i += 2 {
			req.Header[c.fields[i]] = []string{c.fields[i+1]}
		}
		for range 2 {
			w.whole(w.do(w.Context(), req, o.Body), o.Body)
			plain := fetchtest.Request(url)
			plain.URL.User = nil
			w.silentDuring(plain.URL.String(), o.Body)
		}
	})
}

func (w *world) silentDuring(url string, body []byte) {
	w.Helper()
	pause(0)
	w.silent(url, body)
}

// TestPrivacyOfTwoRequests: what a personal request fetched is not offered
// when a plain one finds it stored.
func TestPrivacyOfTwoRequests(t *testing.T) {
	play(t, nil, func(w *world) {
		o := object(bodyOf(2*mib), nil)
		w.web.Put(site, o)
		w.whole(w.get(o.Body, "Cookie", "a=b"), o.Body)
		w.whole(w.get(o.Body), o.Body)
		w.silent(site, o.Body)
	})
}

// TestShared is the other side of TestPrivacy: what is anybody's is announced
// as soon as the header fields are in, looked up, and served once it is whole.
func TestShared(t *testing.T) {
	for _, c := range []struct {
		name    string
		object  func(*fetchtest.Object)
		fields  []string
		sharing fetch.Sharing
	}{
		{name: "plain", object: func(*fetchtest.Object) {}},
		{name: "SHA-512", object: func(o *fetchtest.Object) { o.Digest = digestField(verify.SHA512, o.Body) }},
		{name: "no freshness but a digest", object: func(o *fetchtest.Object) { o.Header.Del("Cache-Control") }},
		{name: "Vary: Accept-Encoding", object: func(o *fetchtest.Object) { o.Header.Set("Vary", "accept-encoding") }},
		{name: "fields of browsers", object: func(*fetchtest.Object) {}, fields: []string{
			"User-Agent", "x", "Accept", "*/*", "Accept-Language", "de", "Sec-Fetch-Mode", "navigate", "DNT", "1", "Te", "trailers",
		}},
		{name: "all: short", object: func(o *fetchtest.Object) { *o = object(bodyOf(2*piece), nil) }, sharing: fetch.Sharing{Mode: fetch.ShareAll}},
		{name: "all: HTML", object: func(o *fetchtest.Object) { o.Header.Set("Content-Type", "text/html") }, sharing: fetch.Sharing{Mode: fetch.ShareAll}},
		{name: "private origin, allowed", object: func(o *fetchtest.Object) { o.Private = true }, sharing: fetch.Sharing{Private: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(w *world) { w.cfg.Sharing = c.sharing }, func(w *world) {
				o := object(bodyOf(2*mib), nil)
				c.object(&o)
				w.web.Put(site, o)
				w.whole(w.get(o.Body, c.fields...), o.Body)
				joins := w.router.Calls("Join")
				alg := verify.SHA256
				if c.name == "SHA-512" {
					alg = verify.SHA512
				}
				if keys := w.joined(); len(joins) != 2 || !keys[id(site).Key()] || !keys[digestID(alg, o.Body).Key()] || len(w.router.Calls("Leave")) > 0 {
					w.Errorf("the router saw %v", w.router.Calls(""))
				}
				s, err := w.f.Open(id(site), verify.TokenOf(id(site), fetchtest.WholeOf(alg, o.Body).Digest))
				if err != nil || !s.Complete {
					w.Fatalf("not offered: %v", err)
				}
				s.Served(10)
				s.Close()
				if got := w.f.Totals().ToPeers; got != 10 {
					w.Errorf("%d octets were booked for peers", got)
				}
			})
		})
	}
}

// joined returns the keys that the node was announced under.
func (w *world) joined() map[dht.Key]bool {
	keys := map[dht.Key]bool{}
	for _, c := range append(w.router.Calls("Join"), w.router.Calls("Keep")...) {
		keys[c.Key] = true
	}
	return keys
}

// digestID is the name of body by its digest.
func digestID(alg verify.Algorithm, body []byte) dht.ID {
	return dht.DigestID(fetchtest.WholeOf(alg, body).Digest.Multihash())
}

// TestUnderway: a flight shows this node as a live member that has nothing to
// give yet, to those who know the digest, and only while it lasts.
func TestUnderway(t *testing.T) {
	play(t, nil, func(w *world) {
		o := object(bodyOf(2*mib), &fetchtest.Link{Rate: 20 * mbit})
		dies := o
		dies.DiesAt, dies.Ranges = mib, false
		w.web.Put(site, dies)
		token := verify.TokenOf(id(site), fetchtest.WholeOf(verify.SHA256, o.Body).Digest)
		resp, err := w.f.Do(w.Context(), fetchtest.Request(site))
		if err != nil {
			w.Fatal(err)
		}
		s, err := w.f.Open(id(site), token)
		if err != nil || s.Complete || s.Has.Count() != 0 || s.Digest.Length() != 2*mib {
			w.Fatalf("%+v, %v", s, err)
		}
		if _, err := s.Body.ReadAt(make([]byte, 1), 0); err == nil {
			w.Error("an octet of a body that is not proven")
		}
		s.Close()
		if _, err := w.f.Open(id(site), verify.Token{}); !errors.Is(err, fetch.ErrUnknown) {
			w.Errorf("without the token: %v", err)
		}
		d := delivery{resp: resp}
		w.read(&d, w.start, o.Body)
		w.failure(d.err)
		resp.Body.Close()
		pause(1)
		if _, err := w.f.Open(id(site), token); !errors.Is(err, fetch.ErrUnknown) {
			w.Errorf("after the flight: %v", err)
		}
		if leaves := w.router.Calls("Leave"); len(leaves) != 2 {
			w.Errorf("a member that has nothing: %v", w.router.Calls(""))
		}
	})
}

// TestReloadStaysMember: a download that is cancelled and begun anew does not
// end the membership of the second (it once could).
func TestReloadStaysMember(t *testing.T) {
	play(t, nil, func(w *world) {
		o := object(bodyOf(2*mib), &fetchtest.Link{Rate: 20 * mbit})
		w.web.Put(site, o)
		first, err := w.f.Do(w.Context(), fetchtest.Request(site, "User-Agent", "a"))
		if err != nil {
			w.Fatal(err)
		}
		// Another content coding is another flight of the same object.
		second, err := w.f.Do(w.Context(), fetchtest.Request(site, "Accept-Encoding", "gzip"))
		if err != nil {
			w.Fatal(err)
		}
		first.Body.Close()
		d := delivery{resp: second}
		w.read(&d, w.start, o.Body)
		second.Body.Close()
		w.whole(d, o.Body)
		if leaves := w.router.Calls("Leave"); len(leaves) > 0 || len(w.router.Calls("Join")) != 4 {
			w.Errorf("the router saw %v", w.router.Calls(""))
		}
	})
}

// TestHeadersAreTheOrigins: nothing of a peer but octets of the body.
func TestHeadersAreTheOrigins(t *testing.T) {
	play(t, nil, func(w *world) {
		o := object(bodyOf(2*mib), &fetchtest.Link{Rate: mbit})
		w.web.Put(site, o)
		w.peer(&fetchtest.Peer{}, o.Body)
		d := w.get(o.Body)
		w.whole(d, o.Body)
		if d.resp.Status != http.StatusOK || d.resp.Header.Get("Content-Type") != "application/octet-stream" || d.resp.Header.Get("Etag") != `"v1"` {
			w.Errorf("header %v", d.resp.Header)
		}
		if e := d.resp.Served.Evidence; e == nil || e.Kind() != verify.ReprDigest || e.Level() != verify.E7 {
			w.Errorf("evidence %v", e)
		}
		d.resp.Header.Set("Etag", "mine") // the caller's own copy
		if d = w.get(o.Body); d.resp.Header.Get("Etag") != `"v1"` || d.resp.Served.Detail == "origin" || d.resp.Served.Evidence == nil {
			w.Errorf("hit: %+v", d.resp)
		}
	})
}
