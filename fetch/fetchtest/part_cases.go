package fetchtest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flashcrowd/flashcrowd/fetch"
	"github.com/flashcrowd/flashcrowd/verify"
)

// partBody5 is the body of which the cases keep parts: 5 pieces and a bit.
var partBody5 = Body(5, 5*verify.MinPieceSize+77)

// A part with a gap at a border of pieces, one within a piece, and the end.
var partSpans = []fetch.Span{
	{Offset: 0, End: verify.MinPieceSize}, {Offset: 2 * verify.MinPieceSize, End: 3*verify.MinPieceSize + 1000},
	{Offset: 5 * verify.MinPieceSize, End: 5*verify.MinPieceSize + 77},
}

func partMeta(req *fetch.Request, fields ...string) *fetch.Meta {
	return Meta(req, cacheNow, int64(len(partBody5)), append([]string{"Cache-Control", "max-age=60"}, fields...)...)
}

// write writes the octets of spans.
func (c *cacheCase) write(w fetch.Writer, spans []fetch.Span) {
	c.Helper()
	for _, s := range spans {
		_, err := w.WriteAt(partBody5[s.Offset:s.End], s.Offset)
		c.must(err)
	}
}

// suspend stores spans of partBody5 as a part of the response m to req.
func (c *cacheCase) suspend(req *fetch.Request, m *fetch.Meta, spans []fetch.Span) {
	c.Helper()
	w, err := c.s.Create(req, m)
	c.must(err)
	_, err = w.WriteAt([]byte("wrong"), verify.MinPieceSize+5)
	c.must(err)
	c.write(w, spans)
	c.must(w.Suspend(spans))
}

func (c *cacheCase) nothingOf(req *fetch.Request, m *fetch.Meta) {
	c.Helper()
	if st, err := c.s.Partial(req, cacheNow); !errors.Is(err, fetch.ErrMiss) {
		c.Fatalf("Partial = %v, %v, want ErrMiss", st, err)
	}
	c.noResume(req, m)
}

func (c *cacheCase) noResume(req *fetch.Request, m *fetch.Meta) {
	c.Helper()
	if w, spans, err := c.s.Resume(req, m); !errors.Is(err, fetch.ErrMiss) {
		c.Fatalf("Resume = %v, %v, %v, want ErrMiss", w, spans, err)
	}
}

// holds fails the test unless the part for req has the octets in spans, right,
// and no others.
func (c *cacheCase) holds(req *fetch.Request, spans []fetch.Span) *fetch.Stored {
	c.Helper()
	c.misses(req, cacheNow)
	st, err := c.s.Partial(req, cacheNow)
	c.must(err)
	c.Cleanup(func() { st.Body.Close() })
	if st.Length != int64(len(partBody5)) {
		c.Errorf("Length %d, want %d", st.Length, len(partBody5))
	}
	if diff := cmp.Diff(spans, st.Held); diff != "" {
		c.Fatalf("Held: %s", diff)
	}
	c.readable(st.Body, spans)
	if n, err := st.Body.ReadAt(make([]byte, 100), verify.MinPieceSize); err == nil || n > 0 {
		c.Errorf("ReadAt of what is not held: %d, %v", n, err)
	}
	return st
}

func (c *cacheCase) readable(r io.ReaderAt, spans []fetch.Span) {
	c.Helper()
	for _, s := range spans {
		got := make([]byte, s.Len())
		if _, err := r.ReadAt(got, s.Offset); err != nil && err != io.EOF || !bytes.Equal(got, partBody5[s.Offset:s.End]) {
			c.Errorf("%v is not what was written: %v", s, err)
		}
	}
}

// resume resumes the part for req, which must have the octets in spans.
func (c *cacheCase) resume(req *fetch.Request, m *fetch.Meta, spans []fetch.Span) fetch.Writer {
	c.Helper()
	w, held, err := c.s.Resume(req, m)
	c.must(err)
	if diff := cmp.Diff(spans, held); diff != "" {
		c.Fatalf("resumed: %s", diff)
	}
	c.readable(w, spans)
	return w
}

// cachePart: what was suspended is found, is claimed by one, and is completed.
func cachePart(c *cacheCase) {
	req := Request("http://example.com/")
	m := partMeta(req, "Etag", `"a"`)
	c.suspend(req, m, partSpans)
	c.settle()
	if st := c.holds(req, partSpans); !st.Fresh || st.Meta.Header.Get("Etag") != `"a"` {
		c.Errorf("fresh %v, %v", st.Fresh, st.Meta)
	}
	w := c.resume(req, m, partSpans)
	c.nothingOf(req, m)
	more := fetch.Span{Offset: verify.MinPieceSize, End: verify.MinPieceSize + 9}
	c.write(w, []fetch.Span{more})
	c.must(w.Suspend(append([]fetch.Span{more}, partSpans...)))
	c.settle()
	spans := fetch.Union(append([]fetch.Span{more}, partSpans...)...)
	w = c.resume(req, m, spans)
	c.write(w, fetch.Missing(fetch.Span{End: m.Length}, spans))
	c.must(w.Commit(Seal(partBody5)))
	w.Release()
	c.settle()
	c.has(c.lookup(req, cacheNow), partBody5)
	c.nothingOf(req, m)
}

// cachePartVersion: only the same version is resumed.
func cachePartVersion(c *cacheCase) {
	req := Request("http://example.com/", "Accept-Language", "de")
	m := partMeta(req, "Etag", `"a"`, "Vary", "Accept-Language", "Content-Encoding", "gzip")
	m.Vary = http.Header{"Accept-Language": {"de"}}
	c.suspend(req, m, partSpans)
	c.settle()
	for why, change := range map[string]func(m *fetch.Meta){
		"etag":      func(m *fetch.Meta) { m.Header.Set("Etag", `"b"`) },
		"weak etag": func(m *fetch.Meta) { m.Header.Set("Etag", `W/"a"`) },
		"no etag":   func(m *fetch.Meta) { m.Header.Del("Etag") },
		"coding":    func(m *fetch.Meta) { m.Header.Del("Content-Encoding") },
		"length":    func(m *fetch.Meta) { m.Length++ },
		"no length": func(m *fetch.Meta) { m.Length = -1 },
		"variant":   func(m *fetch.Meta) { m.Vary = http.Header{"Accept-Language": {"en"}} },
		"url":       func(m *fetch.Meta) { *m = *partMeta(Request("http://example.com/other"), "Etag", `"a"`) },
	} {
		other := *m
		other.Header = m.Header.Clone()
		change(&other)
		if w, _, err := c.s.Resume(req, &other); !errors.Is(err, fetch.ErrMiss) {
			c.Errorf("other %s: Resume = %v, %v, want ErrMiss", why, w, err)
		}
	}
	if _, err := c.s.Partial(Request("http://example.com/", "Accept-Language", "en"), cacheNow); !errors.Is(err, fetch.ErrMiss) {
		c.Errorf("Partial of another variant: %v", err)
	}
	not := *m
	not.Header = m.Header.Clone()
	not.Header.Set("Cache-Control", "no-store")
	if _, _, err := c.s.Resume(req, &not); !errors.Is(err, fetch.ErrNotStorable) {
		c.Errorf("Resume of what must not be stored: %v", err)
	}
	c.resume(req, m, partSpans).Abort()
	c.nothingOf(req, m)
	c.settle()
	c.nothingOf(req, m)
}

// cachePartDigest: without a strong entity tag the digest that the origin
// states tells the version.
func cachePartDigest(c *cacheCase) {
	req := Request("http://example.com/")
	m := partMeta(req, "Etag", `W/"a"`)
	m.Evidence = evidence(c, req.URL, partBody5)
	c.suspend(req, m, partSpans)
	c.settle()
	other := *m
	other.Evidence = evidence(c, req.URL, Body(6, len(partBody5)))
	c.noResume(req, &other)
	other.Evidence = nil
	c.noResume(req, &other)
	c.resume(req, m, partSpans).Abort()
}

// evidence is what an origin says that states the digest of body.
func evidence(c *cacheCase, u *url.URL, body []byte) []verify.Evidence {
	c.Helper()
	d := Seal(body).Whole.Digest
	found := verify.Read(verify.Exchange{
		URL: u, Method: http.MethodGet, Status: http.StatusOK, Length: d.Length(), At: cacheNow,
		Header: http.Header{"Repr-Digest": {ReprDigest(verify.SHA256, body)}},
	})
	if len(found) != 1 {
		c.Fatalf("evidence: %v", found)
	}
	return found
}

// cachePartNone: where nothing could be resumed, nothing is kept, and that is
// no error.
func cachePartNone(c *cacheCase) {
	req := Request("http://example.com/")
	for why, kept := range map[string]struct {
		m     *fetch.Meta
		spans []fetch.Span
	}{
		"no spans":     {partMeta(req, "Etag", `"a"`), nil},
		"empty span":   {partMeta(req, "Etag", `"a"`), []fetch.Span{{Offset: 5, End: 5}}},
		"no validator": {partMeta(req), partSpans},
		"weak":         {partMeta(req, "Etag", `W/"a"`), partSpans},
		"no length":    {Meta(req, cacheNow, -1, "Etag", `"a"`, "Cache-Control", "max-age=60"), partSpans},
	} {
		c.suspend(req, kept.m, kept.spans)
		if st, err := c.s.Partial(req, cacheNow); !errors.Is(err, fetch.ErrMiss) {
			c.Errorf("%s: Partial = %v, %v, want ErrMiss", why, st, err)
		}
		c.noResume(req, kept.m)
	}
	w, err := c.s.Create(req, partMeta(req, "Etag", `"a"`))
	c.must(err)
	c.write(w, partSpans)
	w.Checkpoint(partSpans)
	w.Abort()
	c.settle()
	c.nothingOf(req, partMeta(req, "Etag", `"a"`))
}

// cachePartReplaced: of one version the part with more octets stays, of two
// versions the newer one, and a complete response takes the place of all.
func cachePartReplaced(c *cacheCase) {
	req := Request("http://example.com/")
	m, b := partMeta(req, "Etag", `"a"`), partMeta(req, "Etag", `"b"`)
	c.suspend(req, m, partSpans[:2])
	c.suspend(req, m, partSpans[:1])
	c.holds(req, partSpans[:2])
	c.suspend(req, m, partSpans)
	c.holds(req, partSpans)
	c.suspend(req, b, partSpans[:1])
	c.settle()
	c.holds(req, partSpans[:1])
	c.noResume(req, m)
	c.store(req, partMeta(req, "Etag", `"c"`), partBody5)
	c.settle()
	c.nothingOf(req, b)
}

// cacheCheckpoint: what was said to be right outlives the end of the process.
func cacheCheckpoint(c *cacheCase) {
	req := Request("http://example.com/")
	m := partMeta(req, "Etag", `"a"`)
	w, err := c.s.Create(req, m)
	c.must(err)
	for i := range partSpans {
		c.write(w, partSpans[i:i+1])
		w.Checkpoint(partSpans[:i+1])
	}
	c.nothingOf(req, m)
	if !c.reopen {
		c.write(w, []fetch.Span{{End: m.Length}})
		c.must(w.Commit(Seal(partBody5)))
		w.Release()
		return
	}
	c.settle() // with a writer open
	c.holds(req, partSpans)
	again := c.resume(req, m, partSpans)
	again.Checkpoint(partSpans[1:])
	c.settle()
	w.Abort()
	again.Abort()
	c.holds(req, partSpans[1:])
}

// cachePartFreshen: an incomplete response is invalidated and freshened as a
// complete one is.
func cachePartFreshen(c *cacheCase) {
	req := Request("http://example.com/")
	m := partMeta(req, "Etag", `"a"`)
	c.suspend(req, m, partSpans)
	c.s.Invalidate("http://example.com/")
	c.settle()
	old := c.holds(req, partSpans)
	if old.Fresh || old.StaleOK {
		c.Errorf("after Invalidate: fresh %v, stale ok %v", old.Fresh, old.StaleOK)
	}
	later := cacheNow.Add(time.Hour)
	not := Meta(req, later, 0, "Etag", `"b"`)
	not.Status = http.StatusNotModified
	if _, err := c.s.Freshen(req, old, not, later); !errors.Is(err, fetch.ErrChanged) {
		c.Errorf("Freshen by another entity tag: %v, want ErrChanged", err)
	}
	not = Meta(req, later, 0, "Etag", `"a"`, "Cache-Control", "max-age=60", "X-New", "2", "Content-Length", "0")
	not.Status = http.StatusNotModified
	st, err := c.s.Freshen(req, old, not, later)
	c.must(err)
	st.Body.Close()
	c.settle()
	found, err := c.s.Partial(req, later)
	c.must(err)
	defer found.Body.Close()
	for _, st := range []*fetch.Stored{st, found} {
		if !st.Fresh || st.Age != 0 || st.Meta.Header.Get("X-New") != "2" || st.Meta.Length != int64(len(partBody5)) {
			c.Errorf("after Freshen: fresh %v, age %v, %v", st.Fresh, st.Age, st.Meta)
		}
		if diff := cmp.Diff(partSpans, st.Held); diff != "" {
			c.Errorf("Held: %s", diff)
		}
	}
}
