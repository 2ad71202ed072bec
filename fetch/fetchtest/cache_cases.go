package fetchtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flashcrowd/flashcrowd/dht"
	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// cacheNow is when the cases are played.
var cacheNow = time.Now().Truncate(time.Second)

func cacheEmpty(c *cacheCase) {
	req := Request("http://example.com/")
	c.misses(req, cacheNow)
	id := Meta(req, cacheNow, 0).ID
	if _, err := c.s.Open(id, verify.Token{}); !errors.Is(err, fetch.ErrUnknown) {
		c.Errorf("Open: %v, want ErrUnknown", err)
	}
	if _, ok := c.s.Recall(id, `"a"`, ""); ok {
		c.Error("Recall of nothing")
	}
	c.s.Invalidate("http://example.com/")
	c.s.Invalidate("not a URL \x00")
}

// cacheBodies: all lengths, known or not, pieces in any order; and every part
// of the metadata comes back as it was, octets that are no text included.
func cacheBodies(c *cacheCase) {
	for i, n := range []int{0, 1, verify.MinPieceSize - 1, verify.MinPieceSize, verify.MinPieceSize + 1, 5*verify.MinPieceSize + 77} {
		for _, known := range []bool{true, false} {
			req := Request(fmt.Sprintf("http://example.com/%d/%v?q=\xff", n, known), "Accept-Language", "de")
			m := Meta(req, cacheNow, -1, "Cache-Control", "max-age=60", "X-Latin", "caf\xe9", "X-Two", "a", "X-Two", "b",
				"Vary", "Accept-Language", "Etag", `"v1"`)
			m.Vary = http.Header{"Accept-Language": {"de"}}
			m.PublicOrigin = true
			body := Body(uint64(i), n)
			if known {
				m.Length = int64(n)
				m.Header.Set("Repr-Digest", "sha-256=:"+"AAAA"+":")
			}
			w, err := c.s.Create(req, m)
			c.must(err)
			for off := (n - 1) / 1000 * 1000; off >= 0; off -= 1000 {
				_, err = w.WriteAt(body[off:min(off+1000, n)], int64(off))
				c.must(err)
			}
			got := make([]byte, n)
			_, err = w.ReadAt(got, 0)
			c.must(err)
			c.misses(req, cacheNow)
			c.must(w.Commit(Seal(body)))
			if _, err = w.ReadAt(got, 0); err != nil || !bytes.Equal(got, body) {
				c.Fatalf("ReadAt after Commit: %v", err)
			}
			w.Release()
			if _, err := w.ReadAt(make([]byte, 1), 0); err == nil || err == io.EOF {
				c.Error("ReadAt after Release does not fail")
			}
			c.settle()
			s := c.lookup(req, cacheNow)
			c.has(s, body)
			if s.Length != int64(n) || s.Held != nil {
				c.Errorf("Length %d, Held %v", s.Length, s.Held)
			}
			if !known {
				m.Length = s.Meta.Length // either is true
			}
			if diff := cmp.Diff(m, s.Meta); diff != "" {
				c.Errorf("metadata: %s", diff)
			}
			if diff := cmp.Diff(Seal(body).Sources, s.Sources); diff != "" {
				c.Errorf("sources: %s", diff)
			}
			if end, err := s.Body.Seek(0, io.SeekEnd); err != nil || end != int64(n) {
				c.Errorf("the end is at %d, %v", end, err)
			}
			if k, err := s.Body.ReadAt(make([]byte, 10), int64(n)); k != 0 || err != io.EOF {
				c.Errorf("ReadAt behind the end: %d, %v", k, err)
			}
		}
	}
	head := Request("http://example.com/1/true?q=\xff", "Accept-Language", "de")
	head.Method = http.MethodHead
	c.lookup(head, cacheNow)
	head.Method = http.MethodPost
	c.misses(head, cacheNow)
}

func cacheUnfinished(c *cacheCase) {
	req := Request("http://example.com/")
	m := Meta(req, cacheNow, 4, "Cache-Control", "max-age=60")
	w, err := c.s.Create(req, m)
	c.must(err)
	_, err = w.WriteAt([]byte("abcd"), 0)
	c.must(err)
	c.misses(req, cacheNow)
	w.Abort()
	c.misses(req, cacheNow)
	w, err = c.s.Create(req, m)
	c.must(err)
	if c.reopen {
		c.settle() // with a writer open
		c.misses(req, cacheNow)
	}
	w.Abort()
}

func cacheFailedCommit(c *cacheCase) {
	req := Request("http://example.com/")
	for _, seal := range []fetch.Seal{Seal([]byte("abcd")), Seal([]byte("ab")), {}} {
		w, err := c.s.Create(req, Meta(req, cacheNow, -1, "Cache-Control", "max-age=60"))
		c.must(err)
		_, err = w.WriteAt([]byte("abc"), 0)
		c.must(err)
		if w.Commit(seal) == nil {
			c.Fatal("Commit of 3 octets under a seal for another length")
		}
		got := make([]byte, 3)
		if _, err := w.ReadAt(got, 0); err != nil || string(got) != "abc" {
			c.Errorf("ReadAt after a failed Commit: %q, %v", got, err)
		}
		w.Release()
		c.settle()
		c.misses(req, cacheNow)
	}
}

func cacheNotStorable(c *cacheCase) {
	plain := Request("http://example.com/")
	for _, m := range []*fetch.Meta{
		Meta(plain, cacheNow, 1, "Cache-Control", "no-store"),
		Meta(plain, cacheNow, 1, "Cache-Control", "max-age=60", "Cache-Control", "Private"),
		Meta(plain, cacheNow, 1, "Cache-Control", "max-age=60", "Vary", "*"),
	} {
		if _, err := c.s.Create(plain, m); !errors.Is(err, fetch.ErrNotStorable) {
			c.Errorf("Create of %v: %v, want ErrNotStorable", m.Header, err)
		}
	}
	for _, req := range []*fetch.Request{
		Request("http://example.com/", "Cache-Control", "no-store"),
		Request("http://example.com/", "Authorization", "Basic YTpi"),
		Request("http://example.com/", "Range", "bytes=0-1"),
	} {
		if _, err := c.s.Create(req, Meta(req, cacheNow, 1, "Cache-Control", "max-age=60")); !errors.Is(err, fetch.ErrNotStorable) {
			c.Errorf("Create for %v: %v, want ErrNotStorable", req.Header, err)
		}
	}
}

func cacheVary(c *cacheCase) {
	for i, lang := range []string{"de", "en"} {
		req := Request("http://example.com/", "Accept-Language", lang)
		m := Meta(req, cacheNow.Add(time.Duration(i)*time.Second), 2, "Cache-Control", "max-age=60", "Vary", "accept-language")
		m.Vary = http.Header{"Accept-Language": {lang}}
		c.store(req, m, []byte(lang))
	}
	c.settle()
	for _, lang := range []string{"de", "en"} {
		c.has(c.lookup(Request("http://EXAMPLE.com:80/#x", "Accept-Language", lang), cacheNow), []byte(lang))
	}
	c.misses(Request("http://example.com/", "Accept-Language", "fr"), cacheNow)
	c.misses(Request("http://example.com/"), cacheNow)
}

func cacheFresh(c *cacheCase) {
	req := Request("http://example.com/")
	c.store(req, Meta(req, cacheNow, 1, "Cache-Control", "max-age=60", "Age", "10"), []byte("x"))
	c.settle()
	s := c.lookup(req, cacheNow.Add(20*time.Second))
	if !s.Fresh || s.Age != 30*time.Second || s.TTL != 30*time.Second || !s.StaleOK {
		c.Errorf("at 30 s of 60: fresh %v, age %v, ttl %v, stale ok %v", s.Fresh, s.Age, s.TTL, s.StaleOK)
	}
	s = c.lookup(req, cacheNow.Add(50*time.Second))
	if s.Fresh || s.TTL != 0 || !s.StaleOK {
		c.Errorf("at 60 s of 60: fresh %v, ttl %v, stale ok %v", s.Fresh, s.TTL, s.StaleOK)
	}
	s = c.lookup(Request("http://example.com/", "Cache-Control", "no-cache"), cacheNow)
	if s.Fresh {
		c.Error("fresh for a request with no-cache")
	}
}

func cacheFreshen(c *cacheCase) {
	req := Request("http://example.com/")
	c.store(req, Meta(req, cacheNow, 1, "Cache-Control", "max-age=60", "Etag", `"a"`, "X-Old", "1", "X-New", "1"), []byte("x"))
	c.settle()
	later := cacheNow.Add(time.Hour)
	old := c.lookup(req, later)
	if old.Fresh {
		c.Fatal("fresh after an hour")
	}
	not := Meta(req, later, 0, "Etag", `"b"`)
	not.Status = http.StatusNotModified
	if _, err := c.s.Freshen(req, old, not, later); !errors.Is(err, fetch.ErrChanged) {
		c.Fatalf("Freshen by another entity tag: %v, want ErrChanged", err)
	}
	not = Meta(req, later, 0, "Etag", `"a"`, "Cache-Control", "max-age=60", "X-New", "2", "Content-Length", "0")
	not.Status = http.StatusNotModified
	s, err := c.s.Freshen(req, old, not, later)
	c.must(err)
	c.has(s, []byte("x"))
	s.Body.Close()
	c.settle()
	found := c.lookup(req, later)
	c.has(found, []byte("x"))
	for _, s := range []*fetch.Stored{s, found} {
		if !s.Fresh || s.Age != 0 || s.Meta.Status != 200 || s.Meta.Header.Get("X-Old") != "1" ||
			s.Meta.Header.Get("X-New") != "2" || s.Meta.Header.Get("Content-Length") != "" {
			c.Errorf("after Freshen: fresh %v, age %v, %v", s.Fresh, s.Age, s.Meta)
		}
	}
}

func cacheInvalidate(c *cacheCase) {
	req := Request("http://example.com/")
	c.store(req, Meta(req, cacheNow, 1, "Cache-Control", "max-age=60"), []byte("x"))
	c.s.Invalidate("http://example.com:80/#there")
	c.settle()
	if s := c.lookup(req, cacheNow); s.Fresh || s.StaleOK {
		c.Errorf("after Invalidate: fresh %v, stale ok %v", s.Fresh, s.StaleOK)
	}
}

// cacheReplace: the newer response is found, and who reads the older one reads
// it to the end.
func cacheReplace(c *cacheCase) {
	req := Request("http://example.com/")
	c.store(req, Meta(req, cacheNow, 3, "Cache-Control", "max-age=60"), []byte("old"))
	old := c.lookup(req, cacheNow)
	c.store(req, Meta(req, cacheNow, 3, "Cache-Control", "max-age=60"), []byte("new"))
	c.settle()
	c.has(c.lookup(req, cacheNow), []byte("new"))
	c.has(old, []byte("old"))
}

func cacheMemory(c *cacheCase) {
	req := Request("http://example.com/")
	m := Meta(req, cacheNow, 3, "Cache-Control", "max-age=60", "Etag", `"a"`, "Content-Encoding", "gzip")
	c.store(req, m, []byte("abc"))
	weak := Meta(Request("http://example.com/weak"), cacheNow, 3, "Cache-Control", "max-age=60", "Etag", `W/"a"`)
	c.store(Request("http://example.com/weak"), weak, []byte("abc"))
	c.settle()
	if d, ok := c.s.Recall(m.ID, `"a"`, "gzip"); !ok || d != Seal([]byte("abc")).Whole.Digest {
		c.Errorf("Recall = %v, %v", d, ok)
	}
	for _, q := range []struct {
		id           dht.ID
		etag, coding string
	}{{m.ID, `"a"`, ""}, {m.ID, `"b"`, "gzip"}, {weak.ID, `"a"`, "gzip"}, {weak.ID, `W/"a"`, ""}, {weak.ID, "", ""}} {
		if d, ok := c.s.Recall(q.id, q.etag, q.coding); ok {
			c.Errorf("Recall of %q, %q = %v", q.etag, q.coding, d)
		}
	}
}

// cacheShelf: a shared body is open to who knows its digest, with all that
// proves its pieces, however it was stored.
func cacheShelf(c *cacheCase) {
	for i, n := range []int{0, 1, verify.MinPieceSize, 3*verify.MinPieceSize + 5} {
		for _, known := range []bool{true, false} {
			body := Body(uint64(i), n)
			req := Request(fmt.Sprintf("http://example.com/%d/%v", n, known))
			m := Meta(req, cacheNow, -1, "Cache-Control", "max-age=60", "Content-Encoding", "gzip")
			seal := Seal(body)
			if known {
				m.Length = int64(n)
			} else {
				seal.Whole.States = nil
			}
			m.Shared = true
			w, err := c.s.Create(req, m)
			c.must(err)
			_, err = w.WriteAt(body, 0)
			c.must(err)
			token := verify.TokenOf(m.ID, seal.Whole.Digest)
			if _, err := c.s.Open(m.ID, token); !errors.Is(err, fetch.ErrUnknown) {
				c.Fatalf("Open before Commit: %v, want ErrUnknown", err)
			}
			c.must(w.Commit(seal))
			w.Release()
			c.settle()
			c.shelved(m.ID, token, Seal(body).Whole, body)
			other := verify.TokenOf(m.ID, Seal([]byte("other")).Whole.Digest)
			if _, err := c.s.Open(m.ID, other); !errors.Is(err, fetch.ErrUnknown) {
				c.Errorf("Open of another version: %v, want ErrUnknown", err)
			}
		}
	}
	req := Request("http://example.com/mine")
	m := Meta(req, cacheNow, 1, "Cache-Control", "max-age=60")
	c.store(req, m, []byte("x"))
	c.settle()
	if _, err := c.s.Open(m.ID, verify.TokenOf(m.ID, Seal([]byte("x")).Whole.Digest)); !errors.Is(err, fetch.ErrUnknown) {
		c.Errorf("Open of what is not shared: %v, want ErrUnknown", err)
	}
}

func (c *cacheCase) shelved(id dht.ID, token verify.Token, want verify.Whole, body []byte) {
	c.Helper()
	s, err := c.s.Open(id, token)
	c.must(err)
	defer s.Close()
	if !s.Complete || s.Digest != want.Digest || s.Coding != "gzip" || s.Has.Count() != want.Digest.Layout().Pieces() {
		c.Errorf("shelved: complete %v, %v, coding %q, %d pieces", s.Complete, s.Digest, s.Coding, s.Has.Count())
	}
	if !bytes.Equal(s.States, want.States) {
		c.Error("state list or piece hashes are not the body's")
	}
	l := want.Digest.Layout()
	for i := range l.Pieces() {
		piece := make([]byte, l.Size(i))
		_, err := s.Body.ReadAt(piece, l.Offset(i))
		if err != nil && err != io.EOF {
			c.Fatal(err)
		}
		if !bytes.Equal(piece, body[l.Offset(i):l.Offset(i+1)]) {
			c.Errorf("piece %d is wrong", i)
		}
	}
}

// cacheConcurrent: writers, readers and invalidations of few URLs at once.
func cacheConcurrent(c *cacheCase) {
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 6 {
				req := Request(fmt.Sprintf("http://example.com/%d", (g+i)%3))
				body := Body(uint64(g*100+i), 70_000)
				w, err := c.s.Create(req, Meta(req, cacheNow, -1, "Cache-Control", "max-age=60", "Etag", `"a"`))
				if err != nil {
					c.Error(err)
					return
				}
				var parts sync.WaitGroup
				for off := 0; off < len(body); off += 10_000 {
					parts.Go(func() { w.WriteAt(body[off:min(off+10_000, len(body))], int64(off)) })
				}
				parts.Wait()
				if err := w.Commit(Seal(body)); err != nil {
					c.Error(err)
				}
				w.Release()
				if s, err := c.s.Lookup(req, cacheNow); err == nil {
					if n, err := io.Copy(io.Discard, s.Body); n != 70_000 || err != nil {
						c.Errorf("read %d octets, %v", n, err)
					}
					s.Body.Close()
				} else if !errors.Is(err, fetch.ErrMiss) {
					c.Error(err)
				}
				c.s.Invalidate(req.URL.String())
			}
		})
	}
	wg.Wait()
	c.settle()
	for i := range 3 {
		s := c.lookup(Request(fmt.Sprintf("http://example.com/%d", i)), cacheNow)
		if n, err := io.Copy(io.Discard, s.Body); n != 70_000 || err != nil {
			c.Errorf("read %d octets, %v", n, err)
		}
	}
}
